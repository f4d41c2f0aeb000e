import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { appendFileSync, chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type TlsOptions } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { requireSpiffeId } from '@heddle/certs';
import { WorkloadIdentity, type WorkloadIdentityOptions } from '@heddle/certs/client';
import { createAuthority } from '@heddle/certs/authority';
import { createCertificateRequest, generateWorkloadKeyPair } from '@heddle/certs/workload';
import { FakeClock, createLogger, silentLogger, systemRandom } from '@heddle/common';
import { callApi, joinToken } from '../control-plane/ca-client.js';
import { startControlPlane, type RunningControlPlane } from '../control-plane/mesh-folder.js';
import { eventually } from '../support/eventually.js';

const web = requireSpiffeId('spiffe://cluster.local/ns/shop/sa/web');
const HOUR_MS = 3_600_000;
const base = mkdtempSync(join(tmpdir(), 'heddle-identity-'));
const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  rmSync(base, { recursive: true, force: true });
});

describe('the identity of a workload', () => {
  it('gets a certificate by its token, and never shows its key', async () => {
    const plane = await startPlane();
    const { identity, clock } = await identityAt(plane);
    identity.start();
    await hasCertificate(identity);
    const { certificate } = identity;
    assert.equal(certificate?.spiffeId.uri, web.uri);
    assert.equal(identity.state.alarm, 'none');
    assert.equal(identity.trust.roots.length, 1);
    for (const shown of [certificate, identity, identity.state]) {
      assert.ok(!JSON.stringify(shown).includes('PRIVATE KEY'));
    }
    const { renewAtMs = 0 } = identity.state.certificate ?? {};
    const half = clock.nowMs() + 12 * HOUR_MS;
    assert.ok(renewAtMs <= half && renewAtMs >= half - 2.4 * HOUR_MS, 'before half of its time, with jitter');
  });

  it('renews by its certificate when the token is gone', async () => {
    const plane = await startPlane();
    const { identity, clock, tokenFile } = await identityAt(plane);
    identity.start();
    await hasCertificate(identity);
    const first = identity.certificate?.serialHex;
    rmSync(tokenFile);
    await pass(identity, clock, 12 * HOUR_MS);
    assert.equal(identity.state.issued, 2);
    assert.notEqual(identity.certificate?.serialHex, first);
    assert.equal(identity.state.failures, 0);
  });

  it('tries on while the authority is away, ever louder, and keeps its certificate', async () => {
    const caFolder = join(base, 'away');
    const plane = await startPlane({ caFolder });
    const { identity, clock } = await identityAt(plane, { rotation: { retry: { maxMs: HOUR_MS } } });
    identity.start();
    await hasCertificate(identity);
    const first = identity.certificate;
    await plane.close();

    const alarms = new Set<string>();
    await pass(identity, clock, 23 * HOUR_MS, () => alarms.add(identity.state.alarm));
    assert.deepEqual([...alarms], ['none', 'notice', 'warning', 'critical']);
    assert.equal(identity.certificate, first);

    const again = await startPlane({ caFolder, tlsPort: plane.xdsTlsPort });
    await pass(identity, clock, HOUR_MS / 2);
    assert.ok(identity.state.issued >= 2, String(identity.state.lastError));
    assert.equal(identity.state.alarm, 'none');
    assert.equal(again.rootsFile, plane.rootsFile);
  });

  it('follows a root rotation step by step, and heddled knows how far it is', async () => {
    const plane = await startPlane();
    const { identity, clock } = await identityAt(plane);
    identity.start();
    await hasCertificate(identity);
    const rootOf = (): string | undefined => {
      const certificate = new X509Certificate(identity.certificate?.leafDer ?? '');
      return identity.trust.issuerOf(certificate, Date.now())?.fingerprint;
    };
    const [old] = identity.trust.roots;
    await settled(plane, ({ knowsRoots, root }) => knowsRoots && root === old?.fingerprint);

    await step(plane, 'begin');
    await settled(plane, ({ knowsRoots, root }) => knowsRoots && root === old?.fingerprint);
    assert.equal(identity.trust.roots.length, 2);
    assert.equal(identity.state.issued, 1, 'the old root signs still');

    await step(plane, 'switch');
    await eventually(
      () => {
        clock.advance(1_000);
        return identity.state.issued === 2;
      },
      () => JSON.stringify(identity.state),
    );
    const fresh = identity.trust.roots[0]?.fingerprint;
    assert.notEqual(fresh, old?.fingerprint);
    assert.equal(rootOf(), fresh);
    await settled(plane, ({ knowsRoots, root }) => knowsRoots && root === fresh);

    await step(plane, 'finish?force=true');
    await settled(plane, ({ knowsRoots }) => knowsRoots);
    assert.deepEqual(
      identity.trust.roots.map(({ fingerprint }) => fingerprint),
      [fresh],
    );
  });

  it('comes back by its token and the file of roots after a rotation that it slept through', async () => {
    const plane = await startPlane();
    const { identity, clock } = await identityAt(plane);
    identity.start();
    await hasCertificate(identity);
    await identity.stop();
    for (const one of ['begin', 'switch', 'finish?force=true']) await step(plane, one);
    identity.start();
    await eventually(
      () => {
        clock.advance(1_000);
        return identity.state.issued === 2 && identity.state.hearsOfRoots;
      },
      () => JSON.stringify(identity.state),
    );
    assert.equal(identity.trust.roots.length, 1);
  });

  it('is not waited for in a root rotation once it has stopped in good order', async () => {
    const plane = await startPlane();
    const { identity } = await identityAt(plane);
    identity.start();
    await hasCertificate(identity);
    await settled(plane, ({ knowsRoots }) => knowsRoots);
    await identity.stop();
    await eventually(
      async () => (await holders(plane)).workloads.length === 0,
      () => 'it is still waited for',
    );
  });

  it('is the same workload as the process before it while the authority is away, and renews by the age of its certificate', async () => {
    const caFolder = join(base, 'inherited');
    const plane = await startPlane({ caFolder });
    const left: string[] = [];
    const { identity, clock, tokenFile } = await identityAt(plane, { bequeath: (text) => left.push(text) });
    identity.start();
    await hasCertificate(identity);
    const before = identity.certificate;
    await identity.stop();
    await plane.close();
    clock.advance(6 * HOUR_MS);

    const rotation = { retry: { maxMs: HOUR_MS } };
    const heir = identityOf(plane, tokenFile, { clock, inherited: left.at(-1), rotation });
    assert.equal(heir.certificate?.serialHex, before?.serialHex);
    assert.equal(heir.certificate?.privateKeyPem(), before?.privateKeyPem());
    heir.start();
    assert.equal(heir.state.attempts, 0);
    const alarms = new Set<string>();
    await pass(heir, clock, 5 * HOUR_MS, () => alarms.add(heir.state.alarm));
    await pass(heir, clock, 2 * HOUR_MS, () => alarms.add(heir.state.alarm));
    assert.deepEqual([...alarms], ['none', 'notice']);

    const again = await startPlane({ caFolder, tlsPort: plane.xdsTlsPort });
    await pass(heir, clock, HOUR_MS + 60_000);
    assert.ok(heir.state.issued >= 1, String(heir.state.lastError));
    assert.equal(again.rootsFile, plane.rootsFile);
  });

  it('leaves the roots that it knows, which count until the file of roots says something else', async () => {
    const plane = await startPlane();
    const left: string[] = [];
    const folder = mkdtempSync(join(base, 'heir-'));
    const rootsFile = join(folder, 'roots.pem');
    copyFileSync(plane.rootsFile, rootsFile);
    const { identity, clock, tokenFile } = await identityAt(plane, {
      rootsFile,
      bequeath: (text) => left.push(text),
    });
    identity.start();
    await hasCertificate(identity);
    await settled(plane, ({ knowsRoots }) => knowsRoots);
    await step(plane, 'begin');
    await settled(plane, ({ knowsRoots }) => knowsRoots);
    assert.equal(identity.trust.roots.length, 2);
    const inherited = left.at(-1);
    assert.equal(identityOf(plane, tokenFile, { clock, rootsFile, inherited }).trust.roots.length, 2);
    // The same root, but somebody wrote it anew.
    appendFileSync(rootsFile, '\n');
    assert.equal(identityOf(plane, tokenFile, { clock, rootsFile, inherited }).trust.roots.length, 1);
  });

  it('takes nothing over that is of another workload, of another root, at its end, or no legacy at all', async () => {
    const [plane, other] = [await startPlane(), await startPlane({ caFolder: join(base, 'other-root') })];
    const left: string[] = [];
    const { identity, clock, tokenFile } = await identityAt(plane, { bequeath: (text) => left.push(text) });
    identity.start();
    await hasCertificate(identity);
    const [inherited = ''] = left;
    const late = new FakeClock(clock.nowMs() + 25 * HOUR_MS);
    const admin = requireSpiffeId('spiffe://cluster.local/ns/shop/sa/admin');
    const cases: readonly [Partial<WorkloadIdentityOptions>, RegExp][] = [
      [{ clock, inherited, spiffeId: admin }, /it is for .*\/sa\/web, not for .*\/sa\/admin/],
      [{ clock, inherited, rootsFile: other.rootsFile }, /signed by no trusted root/],
      [{ clock: late, inherited }, /expired/],
      [{ clock, inherited: inherited.slice(1) }, /it is no JSON/],
    ];
    for (const [options, reason] of cases) {
      const lines: string[] = [];
      const log = createLogger({ component: 'test', sink: { write: (line) => lines.push(line) } });
      const heir = identityOf(plane, tokenFile, { ...options, log });
      assert.equal(heir.certificate, undefined);
      assert.match(lines.join(''), reason);
      assert.doesNotMatch(lines.join(''), /PRIVATE KEY/);
    }
  });

  it('takes no certificate that is for somebody else', async () => {
    const plane = await startPlane();
    const { identity } = await identityAt(plane, {
      spiffeId: requireSpiffeId('spiffe://cluster.local/ns/shop/sa/admin'),
    });
    identity.start();
    await eventually(
      () => identity.state.failures > 0,
      () => 'no failure',
    );
    assert.match(
      identity.state.lastError ?? '',
      /is for spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web, not for .*admin/,
    );
    assert.equal(identity.certificate, undefined);
    assert.equal(identity.state.alarm, 'critical');
  });

  it('sends its token to no other workload of the mesh that passes for the authority', async () => {
    const caFolder = join(base, 'impersonated');
    const plane = await startPlane({ caFolder });
    // Signed by the right root, and even with the right host name and address in it.
    const authority = createAuthority({ folder: caFolder, trustDomain: 'cluster.local' });
    const keyPair = generateWorkloadKeyPair();
    const thief = requireSpiffeId('spiffe://cluster.local/ns/shop/sa/thief');
    const issued = authority.sign(createCertificateRequest(keyPair, thief), thief, {
      dnsNames: ['heddled', 'localhost'],
      ipAddresses: ['127.0.0.1'],
    });
    const received: Buffer[] = [];
    const port = await tlsServer(
      {
        key: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
        cert: issued.chainPem,
        ALPNProtocols: ['h2'],
      },
      (bytes) => received.push(bytes),
    );
    const { identity } = await identityAt(plane, { caAddress: `127.0.0.1:${port}` });
    identity.start();
    await eventually(
      () => identity.state.failures > 0,
      () => 'no failure',
    );
    assert.match(identity.state.lastError ?? '', /the server is spiffe:.*\/sa\/thief, not .*\/sa\/heddled/);
    assert.equal(Buffer.concat(received).includes('authorization'), false);
  });

  it('uses no token file that others may read, and says so', async () => {
    const plane = await startPlane();
    const { identity, tokenFile } = await identityAt(plane);
    chmodSync(tokenFile, 0o644);
    identity.start();
    await eventually(
      () => identity.state.failures > 0,
      () => 'no failure',
    );
    assert.match(identity.state.lastError ?? '', /open to other users \(mode 0644\)/);
    chmodSync(tokenFile, 0o600);
  });
});

interface Holder {
  readonly id: string;
  readonly identity: string;
  readonly root: string;
  readonly knowsRoots: boolean;
}

async function startPlane(
  identity: Parameters<typeof startControlPlane>[1] extends { identity?: infer I } | undefined
    ? I
    : never = {},
): Promise<RunningControlPlane> {
  const plane = await startControlPlane({}, { identity: identity ?? {} });
  cleanups.push(() => plane.close());
  return plane;
}

async function identityAt(
  plane: RunningControlPlane,
  options: Partial<WorkloadIdentityOptions> = {},
): Promise<{ identity: WorkloadIdentity; clock: FakeClock; tokenFile: string }> {
  const tokenFile = join(mkdtempSync(join(base, 'workload-')), 'token');
  writeFileSync(tokenFile, (await joinToken(plane.apiPort, 'shop', 'web', 86_400)).token, { mode: 0o600 });
  const clock = new FakeClock(Date.now());
  return { identity: identityOf(plane, tokenFile, { clock, ...options }), clock, tokenFile };
}

function identityOf(
  plane: RunningControlPlane,
  tokenFile: string,
  options: Partial<WorkloadIdentityOptions>,
): WorkloadIdentity {
  const identity = new WorkloadIdentity({
    spiffeId: web,
    caAddress: `127.0.0.1:${plane.xdsTlsPort}`,
    rootsFile: plane.rootsFile,
    tokenFile,
    nodeId: 'sidecar~127.0.0.1~web-0.shop~x',
    clock: new FakeClock(Date.now()),
    random: systemRandom,
    log: silentLogger,
    ...options,
  });
  cleanups.push(() => identity.stop());
  return identity;
}

/** Lets time pass, except while an answer is waited for: that takes real time. */
async function pass(
  identity: WorkloadIdentity,
  clock: FakeClock,
  totalMs: number,
  onStep: () => void = () => undefined,
): Promise<void> {
  for (let passedMs = 0; passedMs < totalMs; passedMs += 5_000) {
    clock.advance(5_000);
    onStep();
    if (identity.state.phase !== 'signing') continue;
    await eventually(
      () => identity.state.phase !== 'signing',
      () => 'no end of the attempt',
    );
    onStep();
  }
}

function hasCertificate(identity: WorkloadIdentity): Promise<void> {
  return eventually(
    () => identity.certificate !== undefined,
    () => JSON.stringify(identity.state),
  );
}

async function step(plane: RunningControlPlane, name: string): Promise<void> {
  const { status, text } = await callApi(plane.apiPort, 'POST', `/api/v1/ca/rotation/${name}`);
  assert.equal(status, 200, text);
}

async function holders(plane: RunningControlPlane): Promise<{ readonly workloads: readonly Holder[] }> {
  const { text } = await callApi(plane.apiPort, 'GET', '/api/v1/ca/workloads');
  return JSON.parse(text) as { workloads: readonly Holder[] };
}

/** Resolves when heddled says so of the one workload that there is. */
function settled(plane: RunningControlPlane, check: (holder: Holder) => boolean): Promise<void> {
  let last: readonly Holder[] = [];
  return eventually(
    async () => {
      last = (await holders(plane)).workloads;
      return last.length === 1 && last.every(check);
    },
    () => JSON.stringify(last),
  );
}

function tlsServer(options: TlsOptions, onData: (bytes: Buffer) => void): Promise<number> {
  const server = createServer(options, (socket) => socket.on('data', onData).on('error', () => undefined));
  cleanups.push(() => server.close());
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
