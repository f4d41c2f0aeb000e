import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { status, type ServiceError } from '@grpc/grpc-js';
import { requireSpiffeId } from '@heddle/certs';
import { createAuthority, createJoinTokens } from '@heddle/certs/authority';
import { createCertificateRequest, generateWorkloadKeyPair, verifySvid } from '@heddle/certs/workload';
import { createLogger, FakeClock, systemClock } from '@heddle/common';
import { CaClient, callApi, createCertificate, joinToken, type Proof } from './ca-client.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { RunningProgram } from '../support/running-program.js';
import { startControlPlane, TOKEN, type RunningControlPlane } from './mesh-folder.js';

const web = 'spiffe://cluster.local/ns/shop/sa/web';
const admin = 'spiffe://cluster.local/ns/shop/sa/admin';
const base = mkdtempSync(join(tmpdir(), 'heddle-ca-test-'));
after(() => rmSync(base, { recursive: true, force: true }));

describe('the certificate authority of heddled', () => {
  const lines: string[] = [];
  let plane: RunningControlPlane;
  let token = '';
  before(async () => {
    const log = createLogger({
      component: 'heddled',
      level: 'info',
      sink: { write: (line) => lines.push(line) },
    });
    plane = await startControlPlane({}, { identity: {}, log });
    ({ token } = await joinToken(plane.apiPort, 'shop', 'web'));
  });
  after(() => plane.close());

  it('gives the identity of the join token, with the root at the end', async () => {
    const { csr, key } = request(web);
    const [leaf = '', ...roots] = await createCertificate(plane, csr, { token });
    const certificate = new X509Certificate(leaf);
    assert.equal(verified(certificate), web);
    assert.equal(roots.length, 1);
    assert.ok(certificate.verify(new X509Certificate(roots[0] ?? '').publicKey));
    assert.ok(certificate.checkPrivateKey(createPrivateKey(key)));
  });

  it('gives the identity of the caller, whoever the request is for', async () => {
    const { csr } = request(admin);
    const [leaf = ''] = await createCertificate(plane, csr, { token });
    assert.equal(verified(new X509Certificate(leaf)), web);
    assert.ok(!leaf.includes('admin') && !new X509Certificate(leaf).subjectAltName?.includes('admin'));
  });

  it('renews for the client certificate, and for nobody else', async () => {
    const certificate = await certificateOf(plane, token);
    const [renewed = ''] = await createCertificate(plane, request(admin).csr, { certificate });
    assert.equal(verified(new X509Certificate(renewed)), web);
  });

  it('lets a certificate live as long as asked, and no longer than it allows', async () => {
    const lifeOf = async (seconds: number): Promise<number> => {
      const [leaf = ''] = await createCertificate(plane, request(web).csr, { token }, seconds);
      return Math.round((Date.parse(new X509Certificate(leaf).validTo) - Date.now()) / 1000);
    };
    assert.ok(Math.abs((await lifeOf(600)) - 600) < 5);
    assert.ok(Math.abs((await lifeOf(0)) - 86_400) < 5);
    assert.ok(Math.abs((await lifeOf(-7)) - 86_400) < 5);
    assert.ok(Math.abs((await lifeOf(10 ** 12)) - 7 * 86_400) < 5);
  });

  it('gives nothing to a caller without a proof, or with one that is worth nothing, and says why', async () => {
    const stranger = createJoinTokens({ folder: join(base, 'stranger'), trustDomain: 'cluster.local' });
    const [prefix, payload, mac] = token.split('.');
    const other = Buffer.from(
      Buffer.from(payload ?? '', 'base64url')
        .toString()
        .replace('/sa/web', '/sa/root'),
    ).toString('base64url');
    const revoked = await joinToken(plane.apiPort, 'shop', 'web');
    assert.equal((await callApi(plane.apiPort, 'DELETE', `/api/v1/ca/tokens/${revoked.id}`)).status, 200);
    const refused: readonly (readonly [Proof, RegExp])[] = [
      [{}, /neither a client certificate .* nor a join token/],
      [{ token: 'x' }, /not one/],
      [{ token: 'a.b' }, /not one/],
      [{ token: stranger.issue(requireSpiffeId(web)).token }, /not of this authority/],
      [{ token: `${prefix}.${other}.${mac}` }, /not of this authority/],
      [{ token: revoked.token }, /revoked/],
    ];
    for (const [proof, reason] of refused) {
      const error = await failure(createCertificate(plane, request(web).csr, proof));
      assert.equal(error.code, status.UNAUTHENTICATED, error.details);
      assert.match(error.details, reason);
    }
    const { refused: counted } = JSON.parse((await callApi(plane.apiPort, 'GET', '/api/v1/ca')).text) as {
      refused: Record<string, number>;
    };
    assert.deepEqual(
      [counted['no-proof'], counted['token-malformed'], counted['token-forged'], counted['token-revoked']],
      [1, 2, 2, 1],
    );
  });

  it('takes no certificate of another authority for a proof', async () => {
    const foreign = createAuthority({ folder: join(base, 'foreign'), trustDomain: 'cluster.local' });
    const { csr, key } = request(admin);
    const certificate = { key, cert: foreign.sign(csr, requireSpiffeId(admin)).chainPem };
    const error = await failure(createCertificate(plane, request(admin).csr, { certificate }));
    assert.equal(error.code, status.UNAUTHENTICATED);
    // A good token beside it still says who calls.
    const [leaf = ''] = await createCertificate(plane, request(admin).csr, { certificate, token });
    assert.equal(verified(new X509Certificate(leaf)), web);
    const refusal = lines.find((line) => line.includes('client certificate refused')) ?? '';
    assert.match(refusal, /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|signature/i);
  });

  it('gives nothing when certificate and token are of different identities', async () => {
    const certificate = await certificateOf(plane, token);
    const other = await joinToken(plane.apiPort, 'shop', 'admin');
    const error = await failure(
      createCertificate(plane, request(web).csr, { certificate, token: other.token }),
    );
    assert.equal(error.code, status.UNAUTHENTICATED);
    assert.match(error.details, /certificate is for .*sa\/web, the token for .*sa\/admin/);
  });

  it('refuses what is no request, or is not signed with its own key', async () => {
    const { csr } = request(web);
    const lines_ = csr.split('\n');
    const middle = lines_[2] ?? '';
    lines_[2] = (middle.startsWith('A') ? 'B' : 'A') + middle.slice(1);
    for (const bad of ['', 'x', csr.repeat(2), lines_.join('\n'), 'x'.repeat(100_000)]) {
      const error = await failure(createCertificate(plane, bad, { token }));
      assert.equal(error.code, status.INVALID_ARGUMENT, error.details);
    }
  });

  it('writes a line for every certificate: for whom, how that was proven, until when', async () => {
    const [leaf = ''] = await createCertificate(plane, request(web).csr, { token });
    const serial = new X509Certificate(leaf).serialNumber.toLowerCase();
    const line = lines
      .map((text) => JSON.parse(text) as Record<string, unknown>)
      .find((one) => one['serial'] === serial);
    assert.equal(line?.['identity'], web);
    assert.equal(line?.['provenBy'], 'token');
    assert.equal(line?.['component'], 'ca');
    assert.ok(!lines.some((text) => text.includes(token)), 'no token in the log');
  });

  it('keeps one identity from asking without end', async () => {
    const flooding = await joinToken(plane.apiPort, 'shop', 'flood');
    const { csr } = request(web);
    const client = new CaClient(plane, { token: flooding.token });
    const asked = await Promise.all(
      Array.from({ length: 800 }, () =>
        client.create(csr).then(
          () => status.OK,
          (error: ServiceError) => error.code,
        ),
      ),
    );
    client.close();
    assert.ok(asked.filter((code) => code === status.OK).length >= 500);
    assert.ok(asked.includes(status.RESOURCE_EXHAUSTED));
    assert.equal((await createCertificate(plane, csr, { token })).length, 2);
  });
});

describe('the folder of the authority', () => {
  it('is for this user alone, and the root in it outlives a restart', async () => {
    const identity = { caFolder: join(base, 'kept') };
    const first = await startControlPlane({}, { identity });
    const { token } = await joinToken(first.apiPort, 'shop', 'web');
    const [, root] = await createCertificate(first, request(web).csr, { token });
    await first.close();
    assert.equal(statSync(identity.caFolder).mode & 0o777, 0o700);
    for (const name of ['authority.json', 'join-token.key', 'root-cert.pem'])
      assert.equal(statSync(join(identity.caFolder, name)).mode & 0o777, 0o600, name);

    const second = await startControlPlane({}, { identity });
    const [leaf = '', sameRoot] = await createCertificate(second, request(web).csr, { token });
    await second.close();
    assert.equal(sameRoot, root);
    assert.equal(verified(new X509Certificate(leaf)), web);
  });
});

describe('a running heddled', () => {
  it('gives whoever asks in the name of somebody else a certificate of its own, or none', async () => {
    const folder = mkdtempSync(join(base, 'process-'));
    const portsFile = join(folder, 'ports.json');
    const [xds, xdsTls, api] = [await freePort(), await freePort(), await freePort()];
    const heddled = new RunningProgram(
      process.execPath,
      [
        fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/control-plane'))),
        ...['-f', folder, '--ca-dir', join(folder, 'ca'), '--ports-file', portsFile],
        ...['--xds', `127.0.0.1:${xds}`, '--xds-tls', `127.0.0.1:${xdsTls}`, '--api', `127.0.0.1:${api}`],
      ],
      { ...process.env, HEDDLE_TOKEN: TOKEN },
    );
    try {
      await eventually(
        () => existsSync(portsFile),
        () => heddled.output,
      );
      const target = { xdsTlsPort: xdsTls, rootsFile: join(folder, 'ca', 'root-cert.pem') };
      const { token } = await joinToken(api, 'shop', 'web');
      const own = request(web);
      const [cert = ''] = await createCertificate(target, own.csr, { token });
      for (const proof of [{ token }, { certificate: { key: own.key, cert } }]) {
        const [leaf = ''] = await createCertificate(target, request(admin).csr, proof);
        assert.equal(verified(new X509Certificate(leaf)), web);
      }
      const nobody = await failure(createCertificate(target, request(admin).csr, {}));
      assert.equal(nobody.code, status.UNAUTHENTICATED);
      const forged = createAuthority({ folder: join(folder, 'forged'), trustDomain: 'cluster.local' });
      const { csr, key } = request(admin);
      const certificate = { key, cert: forged.sign(csr, requireSpiffeId(admin)).chainPem };
      const impostor = await failure(createCertificate(target, request(admin).csr, { certificate }));
      assert.equal(impostor.code, status.UNAUTHENTICATED);
      await eventually(
        () => heddled.output.match(/"certificate issued","identity":"[^"]*sa\/web"/g)?.length === 3,
        () => heddled.output,
      );
      assert.doesNotMatch(heddled.output, /sa\/admin/);
    } finally {
      await heddled.stop();
    }
  });
});

describe('a join token', () => {
  it('is worth nothing once its time is over', async () => {
    const clock = new FakeClock(Date.now());
    // Timers and the wall clock of the system, but for what the authority takes for now.
    const skewed = { ...systemClock, nowMs: () => clock.nowMs() };
    const plane = await startControlPlane({}, { identity: {}, clock: skewed });
    const { token } = await joinToken(plane.apiPort, 'shop', 'web', 60);
    assert.equal((await createCertificate(plane, request(web).csr, { token })).length, 2);
    clock.advance(60_000);
    const error = await failure(createCertificate(plane, request(web).csr, { token }));
    assert.equal(error.code, status.UNAUTHENTICATED);
    assert.match(error.details, /expired/);
    await plane.close();
  });
});

function request(uri: string): { readonly csr: string; readonly key: string } {
  const keyPair = generateWorkloadKeyPair();
  return {
    csr: createCertificateRequest(keyPair, requireSpiffeId(uri)),
    key: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

async function certificateOf(
  plane: RunningControlPlane,
  token: string,
): Promise<{ readonly key: string; readonly cert: string }> {
  const { csr, key } = request(web);
  const [cert = ''] = await createCertificate(plane, csr, { token });
  return { key, cert };
}

/** Whose certificate it is, by every rule of the standard. */
function verified(certificate: X509Certificate): string {
  const verdict = verifySvid(certificate.raw, {
    trustDomains: new Set(['cluster.local']),
    nowMs: Date.now(),
  });
  return verdict.ok ? verdict.spiffeId.uri : verdict.detail;
}

function failure(attempt: Promise<unknown>): Promise<ServiceError> {
  return attempt.then(
    () => assert.fail('it was answered'),
    (error: unknown) => error as ServiceError,
  );
}
