import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import tls from 'node:tls';
import { systemClock } from '@heddle/common';
import { requireSpiffeId, type SpiffeId } from '../spiffe-id.js';
import { forgeCertificate, forgeRoot, issuerFromPem, uriName, type ForgeOptions } from '../testing/index.js';
import {
  CertificateRotator,
  TrustBundle,
  acceptCertificate,
  createCertificateRequest,
  generateWorkloadKeyPair,
  verifySvid,
  type SvidVerdict,
  type WorkloadCertificate,
} from '../workload/index.js';
import { createAuthority } from './authority.js';

const base = fs.mkdtempSync(path.join(os.tmpdir(), 'heddle-interop-'));
after(() => fs.rmSync(base, { recursive: true, force: true }));
const folder = path.join(base, 'authority');
const authority = createAuthority({ folder, trustDomain: 'td' });
const web = requireSpiffeId('spiffe://td/ns/shop/sa/web');
const db = requireSpiffeId('spiffe://td/ns/shop/sa/db');
const trustDomains = new Set(['td']);

describe('mutual TLS with certificates of the authority', () => {
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    it(`works by ${version}, and each side reads the other's identity`, async () => {
      const [seenByServer, seenByClient] = await handshake({ version });
      assert.ok(seenByServer.ok && seenByClient.ok);
      assert.equal(seenByServer.spiffeId.uri, web.uri);
      assert.equal(seenByClient.spiffeId.uri, db.uri);
    });
  }

  it('works across a rotation of the root, between workloads that renewed and ones that did not', async () => {
    const rotating = createAuthority({ folder: path.join(base, 'rotating'), trustDomain: 'td' });
    const issueNow = (identity: SpiffeId): WorkloadCertificate => issue(identity, rotating);
    const ca = (): string[] => [...rotating.bundle.pems];
    const works = async (client: WorkloadCertificate, server: WorkloadCertificate): Promise<void> => {
      const verdicts = await handshake({ client: materialOf(client), server: materialOf(server), ca: ca() });
      assert.ok(verdicts.every(({ ok }) => ok));
    };
    const [oldWeb, oldDb] = [issueNow(web), issueNow(db)];
    rotating.beginRotation();
    await works(oldWeb, oldDb);
    rotating.switchSigning();
    const [newWeb, newDb] = [issueNow(web), issueNow(db)];
    await works(newWeb, oldDb);
    await works(oldWeb, newDb);
    rotating.finishRotation({ force: true });
    await works(newWeb, newDb);
    await assert.rejects(works(oldWeb, newDb));
  });

  it('works with what a rotator holds, before and after it renewed', async () => {
    const rotator = new CertificateRotator({
      spiffeId: web,
      clock: systemClock,
      random: Math.random,
      trustBundle: new TrustBundle({ trustDomain: 'td', roots: authority.bundle.pems.join('') }),
      sign: (csr) => Promise.resolve(authority.sign(csr, web).chainPem),
    });
    const next = (): Promise<WorkloadCertificate> =>
      new Promise((resolve) => {
        const remove = rotator.onChange((certificate) => {
          remove();
          resolve(certificate);
        });
      });
    const first = next();
    rotator.start();
    const certificates = [await first];
    const second = next();
    rotator.renewNow();
    certificates.push(await second);
    rotator.stop();
    for (const certificate of certificates) {
      const [verdict] = await handshake({ client: materialOf(certificate) });
      assert.ok(verdict.ok);
    }
  });
});

describe('a wrong certificate', () => {
  const refusedByTls: ReadonlyArray<readonly [string, () => Material]> = [
    ['of another root', () => forged({ issuer: forgeRoot('foreign') })],
    [
      'of a root that only has the same name',
      () => forged({ issuer: { ...signer(), key: forgeRoot().key } }),
    ],
    [
      'that signed itself',
      () => materialOfForged(forgeCertificate({ names: [uriName(web.uri)], commonName: 'x' })),
    ],
    ['that has expired', () => forged({ notAfterMs: Date.now() - 5000 })],
    ['whose time has not come', () => forged({ notBeforeMs: Date.now() + 60_000 })],
    ['for servers only', () => forged({ purposes: ['serverAuth'] })],
  ];
  for (const [what, client] of refusedByTls) {
    it(`${what} does not get through a TLS server`, async () => {
      await assert.rejects(handshake({ client: client() }));
    });
  }

  const refusedBySvid: ReadonlyArray<readonly [string, ForgeOptions, string]> = [
    ['with two URI names', { names: [uriName(web.uri), uriName(db.uri)] }, 'several-uri-names'],
    ['with no name', { names: [], commonName: 'web' }, 'no-uri-name'],
    ['of another trust domain', { names: [uriName('spiffe://other/ns/shop/sa/web')] }, 'other-trust-domain'],
    ['with a NUL in its name', { names: [uriName(`${web.uri}\0x`)] }, 'bad-spiffe-id'],
    [
      'with a look-alike in its name',
      { names: [uriName('spiffe://td/ns/shop/sa/w\u00e8b')] },
      'bad-spiffe-id',
    ],
    ['of an authority', { ca: true, keyUsage: [0, 5] }, 'ca-certificate'],
    ['with a key usage that is not critical', { keyUsageCritical: false }, 'key-usage-not-critical'],
  ];
  for (const [what, options, reason] of refusedBySvid) {
    it(`${what} is signed by our root and still nobody`, async () => {
      const [verdict] = await handshake({ client: forged(options) });
      assert.ok(!verdict.ok);
      assert.equal(verdict.reason, reason);
    });
  }

  it('is what a client without any certificate has', async () => {
    await assert.rejects(handshake({ client: {} }));
  });
});

const openssl = spawnSync('openssl', ['version']);

describe('openssl', { skip: openssl.status === 0 ? false : 'there is no openssl on the PATH' }, () => {
  const write = (name: string, text: string): string => {
    const file = path.join(base, name);
    fs.writeFileSync(file, text);
    return file;
  };
  const run = (...args: readonly string[]): string =>
    execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });

  it('verifies a leaf by its strictest rules, for both sides of TLS', () => {
    const issued = authority.sign(createCertificateRequest(generateWorkloadKeyPair(), web), web);
    const [leaf, root] = [write('leaf.pem', issued.chainPem), write('root.pem', issued.rootPem)];
    for (const purpose of ['sslclient', 'sslserver']) {
      assert.match(run('verify', '-x509_strict', '-purpose', purpose, '-CAfile', root, leaf), /: OK/);
    }
  });

  it('does not verify a leaf by another root', () => {
    const issued = authority.sign(createCertificateRequest(generateWorkloadKeyPair(), web), web);
    const leaf = write('leaf2.pem', issued.chainPem);
    const root = write('foreign.pem', forgeRoot('foreign').certificatePem);
    assert.throws(() => run('verify', '-CAfile', root, leaf), /unable to get local issuer certificate/);
  });

  it('reads the same names, usages and constraints', () => {
    const issued = authority.sign(createCertificateRequest(generateWorkloadKeyPair(), web), web);
    const text = run('x509', '-in', write('leaf3.pem', issued.chainPem), '-noout', '-text');
    assert.match(text, /X509v3 Subject Alternative Name: critical\s+URI:spiffe:\/\/td\/ns\/shop\/sa\/web\n/);
    assert.match(text, /X509v3 Key Usage: critical\s+Digital Signature\n/);
    assert.match(text, /X509v3 Basic Constraints: critical\s+CA:FALSE\n/);
    assert.match(text, /TLS Web Server Authentication, TLS Web Client Authentication/);
    assert.match(text, /Subject: \n/);
    const rootText = run('x509', '-in', write('root3.pem', issued.rootPem), '-noout', '-text');
    assert.match(rootText, /CA:TRUE, pathlen:0/);
    assert.match(rootText, /X509v3 Key Usage: critical\s+Certificate Sign, CRL Sign\n/);
  });

  it('verifies the signature of our requests, and makes ones that we take', () => {
    const ours = write('ours.csr', createCertificateRequest(generateWorkloadKeyPair(), web));
    run('req', '-in', ours, '-noout', '-verify');
    for (const key of [
      ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ['-newkey', 'rsa:2048'],
    ]) {
      const csr = run(
        'req',
        '-new',
        '-nodes',
        ...key,
        '-keyout',
        path.join(base, 'key.pem'),
        '-subj',
        '/CN=x',
      );
      assert.ok(authority.sign(csr, web).chainPem);
    }
  });
});

/** What a side of TLS shows. */
interface Material {
  readonly cert?: string;
  readonly key?: string;
}

interface HandshakeOptions {
  readonly client?: Material;
  readonly server?: Material;
  readonly ca?: string[];
  readonly version?: 'TLSv1.2' | 'TLSv1.3';
}

/**
 * One connection on which a byte goes each way; what the server, then the client, found out about the other. It rejects
 * where TLS refuses.
 */
async function handshake(options: HandshakeOptions): Promise<readonly [SvidVerdict, SvidVerdict]> {
  const { client = materialOf(issue(web)), server: serverMaterial = materialOf(issue(db)) } = options;
  const { ca = [...authority.bundle.pems], version = 'TLSv1.3' } = options;
  const shared = { ca, minVersion: version, maxVersion: version };
  const server = tls.createServer({
    ...shared,
    ...serverMaterial,
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const atServer = new Promise<SvidVerdict>((resolve, reject) => {
    server.once('tlsClientError', reject);
    server.once('secureConnection', (socket) => {
      socket.on('error', reject);
      const verdict = verdictOn(socket);
      socket.once('data', () => {
        socket.end('y');
        resolve(verdict);
      });
    });
  });
  const socket = tls.connect({
    ...shared,
    ...client,
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    rejectUnauthorized: true,
    checkServerIdentity: () => undefined,
  });
  const atClient = new Promise<SvidVerdict>((resolve, reject) => {
    let verdict: SvidVerdict | undefined;
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      verdict = verdictOn(socket);
      socket.write('x');
    });
    // Under TLS 1.3 only an answer proves that the server took the client's certificate.
    socket.once('data', () =>
      verdict === undefined ? reject(new Error('data came early')) : resolve(verdict),
    );
    socket.once('close', () => reject(new Error('closed before an answer')));
  });
  try {
    return await Promise.all([atServer, atClient]);
  } finally {
    await Promise.allSettled([atClient]);
    socket.destroy();
    server.close();
    await once(server, 'close');
  }
}

function verdictOn(socket: tls.TLSSocket): SvidVerdict {
  const raw = socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0);
  return verifySvid(raw, { trustDomains, nowMs: Date.now() });
}

function issue(identity: SpiffeId, by = authority): WorkloadCertificate {
  const keyPair = generateWorkloadKeyPair();
  const { chainPem } = by.sign(createCertificateRequest(keyPair, identity), identity);
  return acceptCertificate({
    keyPair,
    spiffeId: identity,
    chainPem,
    nowMs: Date.now(),
    trustBundle: by.bundle,
  });
}

function materialOf(certificate: WorkloadCertificate): Material {
  return { cert: certificate.chainPem, key: certificate.privateKeyPem() };
}

function materialOfForged({ certificatePem, keyPem }: { certificatePem: string; keyPem: string }): Material {
  return { cert: certificatePem, key: keyPem };
}

/** What the authority signs with, taken from its folder. */
function signer(): ReturnType<typeof issuerFromPem> {
  const state = JSON.parse(fs.readFileSync(path.join(folder, 'authority.json'), 'utf8')) as {
    roots: [{ certificatePem: string; privateKeyPem: string }];
  };
  return issuerFromPem(state.roots[0]);
}

/** A certificate that our own root signed, wrong in the given way. */
function forged(options: ForgeOptions): Material {
  return materialOfForged(forgeCertificate({ issuer: signer(), names: [uriName(web.uri)], ...options }));
}
