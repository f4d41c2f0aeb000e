import 'reflect-metadata';
import assert from 'node:assert/strict';
import { X509Certificate, webcrypto } from 'node:crypto';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as x509 from '@peculiar/x509';
import { FakeClock } from '@heddle/common';
import { AuthorityStateError, CertificateRequestError, PrivateFileError } from '../errors.js';
import { requireSpiffeId, type SpiffeId } from '../spiffe-id.js';
import { acceptCertificate } from '../workload/workload-certificate.js';
import { createCertificateRequest } from '../workload/create-certificate-request.js';
import type { TrustBundle } from '../workload/trust-bundle.js';
import { verifySvid } from '../workload/verify-svid.js';
import { generateWorkloadKeyPair } from '../workload/workload-key-pair.js';
import { KeyUsageBit, parseCertificate } from '../x509/certificate-fields.js';
import { parsePem } from '../x509/pem.js';
import { createAuthority, type Authority, type AuthorityOptions } from './authority.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const base = fs.mkdtempSync(path.join(os.tmpdir(), 'heddle-authority-'));
after(() => fs.rmSync(base, { recursive: true, force: true }));
const web = requireSpiffeId('spiffe://td/ns/shop/sa/web');

describe('the certificate that an authority issues', () => {
  it('is an X.509-SVID to the letter, and its root verifies it', () => {
    const { authority, clock } = setup();
    const issued = authority.sign(request(), web);
    const leaf = derOf(issued.chainPem);
    const verdict = verifySvid(leaf, { trustDomains: new Set(['td']), nowMs: clock.nowMs() });
    assert.ok(verdict.ok, JSON.stringify(verdict));
    assert.equal(verdict.spiffeId.uri, web.uri);
    assert.equal(verdict.serialHex, issued.serialHex);
    assert.notEqual(authority.bundle.issuerOf(new X509Certificate(leaf), clock.nowMs()), undefined);
    const fields = parseCertificate(leaf);
    assert.deepEqual([...(fields.keyUsage?.bits ?? [])], [KeyUsageBit.digitalSignature]);
    assert.equal(fields.keyUsage?.critical, true);
    assert.deepEqual(fields.basicConstraints, { ca: false });
    assert.deepEqual(fields.extendedKeyUsage, { serverAuth: true, clientAuth: true });
    assert.equal(fields.subjectIsEmpty, true);
    assert.equal(fields.subjectAltName?.critical, true);
    assert.equal(issued.rootPem, authority.bundle.pems[0]);
  });

  it('reads the same to another library', async () => {
    x509.cryptoProvider.set(webcrypto);
    const { authority, clock } = setup();
    const issued = authority.sign(request(), web, { dnsNames: ['web.shop.svc'] });
    const leaf = new x509.X509Certificate(issued.chainPem);
    const root = new x509.X509Certificate(issued.rootPem);
    assert.equal(await leaf.verify({ publicKey: root.publicKey, date: new Date(clock.nowMs()) }), true);
    assert.equal(await root.verify({ publicKey: root.publicKey, date: new Date(clock.nowMs()) }), true);
    const names = leaf.getExtension(x509.SubjectAlternativeNameExtension);
    assert.deepEqual(names?.names.toJSON(), [
      { type: 'url', value: web.uri },
      { type: 'dns', value: 'web.shop.svc' },
    ]);
    assert.equal(leaf.getExtension(x509.KeyUsagesExtension)?.usages, x509.KeyUsageFlags.digitalSignature);
    assert.equal(leaf.getExtension(x509.BasicConstraintsExtension)?.ca, false);
    assert.deepEqual(
      [...(leaf.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [])],
      [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth],
    );
    assert.equal(
      leaf.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId,
      root.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId,
    );
    assert.equal(root.getExtension(x509.BasicConstraintsExtension)?.ca, true);
    assert.equal(leaf.notAfter.getTime(), issued.notAfterMs);
    assert.equal(leaf.notBefore.getTime(), issued.notBeforeMs);
  });

  it('is for the given identity, whatever the request asks for', () => {
    const { authority } = setup();
    const asksForAnother = request(requireSpiffeId('spiffe://td/ns/bank/sa/vault'));
    const { uris } = parseCertificate(derOf(authority.sign(asksForAnother, web).chainPem)).subjectAltName ?? {
      uris: [],
    };
    assert.deepEqual(uris.map(String), [web.uri]);
  });

  it('lives 24 hours, or as asked, but no longer than the maximum and than its root', () => {
    const { authority, clock } = setup({ maxTtlMs: 48 * HOUR_MS, rootTtlMs: 72 * HOUR_MS });
    const left = (ttlMs?: number): number =>
      authority.sign(request(), web, ttlMs === undefined ? {} : { ttlMs }).notAfterMs - clock.nowMs();
    assert.equal(left(), DAY_MS);
    assert.equal(left(HOUR_MS), HOUR_MS);
    assert.equal(left(Infinity), 48 * HOUR_MS);
    clock.advance(60 * HOUR_MS);
    assert.equal(left(), 12 * HOUR_MS);
    clock.advance(12 * HOUR_MS);
    assert.throws(() => left(), /the root has expired/);
  });

  it('is valid since two minutes ago, for clocks that are behind, but not longer than its root', () => {
    const { authority, clock } = setup();
    clock.advance(HOUR_MS);
    assert.equal(clock.nowMs() - authority.sign(request(), web).notBeforeMs, 120_000);
    const young = setup({ clockSkewMs: 0 });
    assert.equal(young.authority.sign(request(), web).notBeforeMs, young.clock.nowMs());
  });

  it('has a serial number of 128 random bits, never the same', () => {
    const { authority } = setup();
    const csr = request();
    const serials = new Set(Array.from({ length: 64 }, () => authority.sign(csr, web).serialHex));
    assert.equal(serials.size, 64);
    // Of 64 random ones some begin with a set bit, which must not make them negative.
    assert.ok([...serials].some((serial) => Number.parseInt(serial.slice(0, 2), 16) >= 0x80));
    for (const serial of serials) assert.ok(serial.length > 24 && serial.length <= 32, serial);
  });

  it('has the further names that the caller gives', () => {
    const { authority } = setup();
    const names = { dnsNames: ['heddled.mesh', '*.mesh'], ipAddresses: ['127.0.0.1', '::1'] };
    const certificate = new X509Certificate(authority.sign(request(), web, names).chainPem);
    assert.equal(certificate.checkHost('heddled.mesh'), 'heddled.mesh');
    assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1');
    assert.equal(certificate.checkIP('::1'), '::1');
  });

  it('is accepted by the workload that asked for it', () => {
    const { authority, clock } = setup();
    const keyPair = generateWorkloadKeyPair();
    const { chainPem } = authority.sign(createCertificateRequest(keyPair, web), web);
    acceptCertificate({
      keyPair,
      spiffeId: web,
      chainPem,
      nowMs: clock.nowMs(),
      trustBundle: authority.bundle,
    });
  });
});

describe('an authority', () => {
  it('refuses identities that are not workloads of its trust domain', () => {
    const { authority } = setup();
    for (const uri of ['spiffe://other/ns/shop/sa/web', 'spiffe://td']) {
      assert.throws(() => authority.sign(request(), requireSpiffeId(uri)), CertificateRequestError);
    }
    assert.equal(authority.status.refused, 2);
  });

  it('refuses lifetimes that are none, and names that are none', () => {
    const { authority } = setup();
    for (const options of [
      { ttlMs: 0 },
      { ttlMs: -1 },
      { ttlMs: NaN },
      { dnsNames: ['a b'] },
      { dnsNames: ['a\0.b'] },
      { dnsNames: [''] },
      { dnsNames: ['a*.b'] },
      { dnsNames: [`${'a.'.repeat(127)}a`] },
      { ipAddresses: ['1.2.3'] },
      { ipAddresses: ['fe80::1%eth0'] },
      { dnsNames: new Array<string>(33).fill('a') },
    ]) {
      assert.throws(
        () => authority.sign(request(), web, options),
        CertificateRequestError,
        JSON.stringify(options),
      );
    }
  });

  it('makes its root once and keeps it where nobody else may read', () => {
    const { authority, folder, clock } = setup();
    assert.equal(fs.statSync(folder).mode & 0o777, 0o700);
    for (const file of fs.readdirSync(folder)) {
      assert.equal(fs.statSync(path.join(folder, file)).mode & 0o777, 0o600, file);
    }
    const again = createAuthority({ folder, trustDomain: 'td', clock });
    assert.deepEqual(again.bundle.pems, authority.bundle.pems);
  });

  it("has a root with the trust domain's own SPIFFE ID that may sign leaves only", () => {
    const { authority, clock } = setup();
    const fields = parseCertificate(derOf(authority.bundle.pems[0] ?? ''));
    assert.deepEqual(fields.basicConstraints, { ca: true, pathLength: 0 });
    assert.deepEqual([...(fields.keyUsage?.bits ?? [])], [KeyUsageBit.keyCertSign, KeyUsageBit.cRLSign]);
    assert.equal(fields.keyUsage?.critical, true);
    assert.deepEqual(fields.subjectAltName?.uris.map(String), ['spiffe://td']);
    const verdict = verifySvid(derOf(authority.bundle.pems[0] ?? ''), {
      trustDomains: new Set(['td']),
      nowMs: clock.nowMs(),
    });
    assert.ok(!verdict.ok);
  });

  it('refuses a folder that others may enter, and a state that others may read', () => {
    const { folder } = setup();
    fs.chmodSync(path.join(folder, 'authority.json'), 0o640);
    assert.throws(() => createAuthority({ folder, trustDomain: 'td' }), PrivateFileError);
    fs.chmodSync(path.join(folder, 'authority.json'), 0o600);
    fs.chmodSync(folder, 0o750);
    assert.throws(() => createAuthority({ folder, trustDomain: 'td' }), /open to other users \(mode 0750\)/);
  });

  it('refuses the folder of another trust domain', () => {
    const { folder } = setup();
    assert.throws(() => createAuthority({ folder, trustDomain: 'other' }), AuthorityStateError);
  });

  it('refuses a state that is cut short, of another version, or whose key belongs to another root', () => {
    const { folder } = setup();
    const file = path.join(folder, 'authority.json');
    const text = fs.readFileSync(file, 'utf8');
    const state = JSON.parse(text) as { roots: Array<{ privateKeyPem: string }> };
    const foreign = JSON.parse(
      fs.readFileSync(path.join(setup().folder, 'authority.json'), 'utf8'),
    ) as typeof state;
    const mixed = {
      ...state,
      roots: [{ ...state.roots[0], privateKeyPem: foreign.roots[0]?.privateKeyPem }],
    };
    for (const content of [
      '',
      text.slice(0, 100),
      'null',
      '{}',
      JSON.stringify({ ...state, version: 2 }),
      JSON.stringify({ ...state, phase: 'distributing' }),
      JSON.stringify({ ...state, phase: 'switched', roots: [...state.roots, ...foreign.roots] }),
      JSON.stringify({ ...state, roots: [{ certificatePem: 'x', privateKeyPem: 'y' }] }),
      JSON.stringify(mixed),
    ]) {
      fs.writeFileSync(file, content);
      assert.throws(
        () => createAuthority({ folder, trustDomain: 'td' }),
        AuthorityStateError,
        content.slice(0, 80),
      );
      assert.equal(
        fs.readFileSync(file, 'utf8'),
        content,
        'a state that cannot be read must never be replaced',
      );
    }
  });

  it('refuses options that contradict each other', () => {
    for (const options of [
      { trustDomain: 'Not One' },
      { defaultTtlMs: 2 * DAY_MS, maxTtlMs: DAY_MS },
      { clockSkewMs: -1 },
    ]) {
      assert.throws(() => setup(options), RangeError);
    }
  });

  it('has one root also when several processes make it at the same time', async () => {
    const folder = path.join(base, 'raced');
    const program = path.join(path.dirname(fileURLToPath(import.meta.url)), 'authority.test.racer.js');
    const racers = Array.from({ length: 4 }, () =>
      fork(program, [folder], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
    );
    await Promise.all(racers.map((racer) => once(racer, 'message')));
    for (const racer of racers) racer.send('go');
    const roots = await Promise.all(
      racers.map(async (racer) => ((await once(racer, 'message')) as [string])[0]),
    );
    assert.match(roots[0] ?? '', /BEGIN CERTIFICATE/);
    assert.deepEqual(new Set(roots), new Set([roots[0]]));
    assert.deepEqual(fs.readdirSync(folder).sort(), ['authority.json', 'root-cert.pem']);
    assert.equal(fs.readFileSync(path.join(folder, 'root-cert.pem'), 'utf8'), roots[0]);
  });
});

describe('a rotation of the root', () => {
  it('trusts both roots, signs with the old one, then with the new one, then trusts the new one alone', () => {
    const { authority } = setup({ maxTtlMs: DAY_MS });
    const [oldRoot] = authority.bundle.pems;
    authority.beginRotation();
    const [, newRoot] = authority.bundle.pems;
    assert.deepEqual(authority.bundle.pems, [oldRoot, newRoot]);
    assert.equal(rootsIn(authority), `${oldRoot}${newRoot}`);
    assert.equal(authority.sign(request(), web).rootPem, oldRoot);
    assert.deepEqual(
      authority.status.roots.map(({ signs }) => signs),
      [true, false],
    );
    authority.switchSigning();
    assert.deepEqual(authority.bundle.pems, [oldRoot, newRoot]);
    assert.equal(rootsIn(authority), `${newRoot}${oldRoot}`, 'the one that signs first');
    assert.equal(authority.sign(request(), web).rootPem, newRoot);
    authority.finishRotation({ force: true });
    assert.deepEqual(authority.bundle.pems, [newRoot]);
    assert.equal(authority.sign(request(), web).rootPem, newRoot);
    assert.equal(authority.status.phase, 'steady');
  });

  it('never refuses a leaf that is in use, if workloads renew between the steps', () => {
    const { authority, clock } = setup({ maxTtlMs: DAY_MS });
    const verifies = (): boolean =>
      authority.bundle.issuerOf(new X509Certificate(chain), clock.nowMs()) !== undefined;
    let chain = authority.sign(request(), web).chainPem;
    authority.beginRotation();
    assert.equal(verifies(), true);
    authority.switchSigning();
    assert.equal(verifies(), true);
    chain = authority.sign(request(), web).chainPem;
    assert.equal(verifies(), true);
    clock.advance(DAY_MS);
    chain = authority.sign(request(), web).chainPem;
    authority.finishRotation();
    assert.equal(verifies(), true);
  });

  it("does not finish while the old root's leaves may be in use, unless forced", () => {
    const { authority, clock } = setup({ maxTtlMs: DAY_MS });
    authority.beginRotation();
    authority.switchSigning();
    clock.advance(DAY_MS - 60_000);
    assert.throws(() => authority.finishRotation(), /another 1 minutes/);
    clock.advance(60_000);
    authority.finishRotation();
  });

  it('takes its steps in order only', () => {
    const { authority } = setup();
    const refused = (step: () => void): void => assert.throws(step, AuthorityStateError);
    refused(() => authority.switchSigning());
    refused(() => authority.finishRotation({ force: true }));
    authority.beginRotation();
    refused(() => authority.beginRotation());
    refused(() => authority.finishRotation({ force: true }));
    authority.switchSigning();
    refused(() => authority.beginRotation());
    refused(() => authority.switchSigning());
  });

  it('goes on where it was after a restart, at every step', () => {
    const { authority, folder, clock } = setup();
    const steps = [
      (it: Authority) => it.beginRotation(),
      (it: Authority) => it.switchSigning(),
      (it: Authority) => it.finishRotation({ force: true }),
    ];
    let current = authority;
    for (const step of steps) {
      step(current);
      const restarted = createAuthority({ folder, trustDomain: 'td', clock });
      assert.deepEqual({ ...restarted.status, signed: 0 }, { ...current.status, signed: 0 });
      assert.equal(restarted.sign(request(), web).rootPem, current.sign(request(), web).rootPem);
      current = restarted;
    }
  });

  it("deletes the old root's key at its end", () => {
    const { authority, folder } = setup();
    const keysStored = (): number =>
      fs.readFileSync(path.join(folder, 'authority.json'), 'utf8').match(/BEGIN PRIVATE KEY/g)?.length ?? 0;
    authority.beginRotation();
    assert.equal(keysStored(), 2);
    authority.switchSigning();
    authority.finishRotation({ force: true });
    assert.equal(keysStored(), 1);
  });

  it('tells whoever distributes the bundle, once for each change of it', () => {
    const { authority } = setup();
    const counts: number[] = [];
    authority.bundle.onChange((bundle: TrustBundle) => counts.push(bundle.roots.length));
    const steps: string[] = [];
    const stop = authority.onRotation(({ status }) => steps.push(status.phase));
    authority.beginRotation();
    authority.switchSigning();
    authority.finishRotation({ force: true });
    assert.deepEqual(counts, [2, 1]);
    assert.deepEqual(steps, ['distributing', 'switched', 'steady']);
    stop();
    authority.beginRotation();
    assert.equal(steps.length, 3);
  });

  it('changes nothing where the new state cannot be stored', () => {
    const { authority, folder } = setup();
    const before = authority.bundle.pems;
    fs.rmSync(folder, { recursive: true });
    assert.throws(() => authority.beginRotation(), PrivateFileError);
    assert.deepEqual(authority.bundle.pems, before);
    assert.equal(authority.status.phase, 'steady');
  });
});

function setup(options: Partial<AuthorityOptions> = {}): {
  authority: Authority;
  folder: string;
  clock: FakeClock;
} {
  const folder = path.join(fs.mkdtempSync(path.join(base, 'case-')), 'authority');
  const clock = new FakeClock(Date.UTC(2026, 10, 21));
  return { authority: createAuthority({ folder, trustDomain: 'td', clock, ...options }), folder, clock };
}

function request(asked: SpiffeId = web): string {
  return createCertificateRequest(generateWorkloadKeyPair(), asked);
}

/** Of the file for those who start. */
function rootsIn(authority: Authority): string {
  return fs.readFileSync(authority.rootsFile, 'utf8');
}

function derOf(pem: string): Buffer {
  return parsePem(pem, 'CERTIFICATE')[0] as Buffer;
}
