import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { callApi } from './ca-client.js';
import { startControlPlane, type RunningControlPlane } from './mesh-folder.js';

interface Described {
  readonly trustDomain: string;
  readonly rotation: string;
  readonly oldLeavesUntil?: string;
  readonly roots: readonly { readonly fingerprint: string; readonly signs: boolean }[];
  readonly serving: { readonly serial: string; readonly alarm: string };
}

describe('the API of the certificate authority', () => {
  let plane: RunningControlPlane;
  before(async () => {
    plane = await startControlPlane({}, { identity: { trustDomain: 'mesh.example' } });
  });
  after(() => plane.close());
  const post = (path: string, body?: unknown): ReturnType<typeof callApi> =>
    callApi(plane.apiPort, 'POST', path, body);
  const authority = async (): Promise<Described> =>
    JSON.parse((await callApi(plane.apiPort, 'GET', '/api/v1/ca')).text) as Described;

  it('tells of the authority', async () => {
    const told = await authority();
    assert.deepEqual(
      [told.trustDomain, told.rotation, told.serving.alarm],
      ['mesh.example', 'steady', 'none'],
    );
    assert.deepEqual(
      told.roots.map(({ signs }) => signs),
      [true],
    );
  });

  it('gives the roots as PEM and as a SPIFFE bundle', async () => {
    const { text: pem } = await callApi(plane.apiPort, 'GET', '/api/v1/ca/roots');
    assert.equal(pem, readFileSync(plane.rootsFile, 'utf8'));
    const { text } = await callApi(plane.apiPort, 'GET', '/api/v1/ca/roots?format=spiffe');
    const { keys } = JSON.parse(text) as { keys: readonly { use: string; x5c: readonly string[] }[] };
    assert.equal(keys[0]?.use, 'x509-svid');
    assert.equal(keys[0]?.x5c[0], new X509Certificate(pem).raw.toString('base64'));
    assert.equal((await callApi(plane.apiPort, 'GET', '/api/v1/ca/roots?format=der')).status, 400);
  });

  it('makes tokens for identities that there can be, for a time that there may be', async () => {
    const wanted = { namespace: 'shop', serviceAccount: 'web' };
    const { status, text } = await post('/api/v1/ca/tokens', { ...wanted, ttlSeconds: 60 });
    assert.equal(status, 200);
    const issued = JSON.parse(text) as { id: string; identity: string; expires: string; token: string };
    assert.equal(issued.identity, 'spiffe://mesh.example/ns/shop/sa/web');
    assert.ok(Math.abs(Date.parse(issued.expires) - Date.now() - 60_000) < 5_000);
    for (const [body, reason] of [
      ['x', /not a JSON object/],
      [{ namespace: 'shop' }, /namespace and serviceAccount/],
      [{ ...wanted, ttlSeconds: 0 }, /ttlSeconds/],
      [{ ...wanted, ttlSeconds: 31 * 86_400 }, /ttlSeconds/],
      [{ namespace: 'shop', serviceAccount: '../root' }, /slash/],
      [{ namespace: 'shop', serviceAccount: '' }, /empty-path-segment/],
      [{ namespace: 'shop/sa/root', serviceAccount: 'web' }, /slash/],
    ] as const) {
      const refused = await post('/api/v1/ca/tokens', body);
      assert.equal(refused.status, 400, refused.text);
      assert.match(refused.text, reason);
    }
    assert.equal((await callApi(plane.apiPort, 'DELETE', '/api/v1/ca/tokens/nothing')).status, 400);
  });

  it('goes through a root rotation in order, and shows a new certificate of its own after the switch', async () => {
    const { serving, roots } = await authority();
    assert.equal((await post('/api/v1/ca/rotation/switch')).status, 409);
    assert.equal((await post('/api/v1/ca/rotation/begin')).status, 200);
    assert.equal((await authority()).roots.length, 2);
    assert.equal((await post('/api/v1/ca/rotation/switch')).status, 200);
    const early = await post('/api/v1/ca/rotation/finish');
    assert.equal(early.status, 409);
    assert.match(early.text, /leaves of the old root may be in use/);
    assert.equal((await post('/api/v1/ca/rotation/finish?force=true')).status, 200);
    assert.equal((await post('/api/v1/ca/rotation/sideways')).status, 404);
    const after_ = await authority();
    assert.equal(after_.rotation, 'steady');
    assert.notEqual(after_.roots[0]?.fingerprint, roots[0]?.fingerprint);
    assert.notEqual(after_.serving.serial, serving.serial);
  });

  it('changes nothing for who has no token', async () => {
    for (const [method, path] of [
      ['POST', '/api/v1/ca/tokens'],
      ['DELETE', `/api/v1/ca/tokens/${'0'.repeat(32)}`],
      ['POST', '/api/v1/ca/rotation/begin'],
    ] as const) {
      assert.equal(await statusWithoutToken(plane.apiPort, method, path), 401, path);
    }
    assert.equal((await authority()).rotation, 'steady');
  });

  it('is 404 where heddled is no authority', async () => {
    const without = await startControlPlane({});
    for (const [method, path] of [
      ['GET', '/api/v1/ca'],
      ['POST', '/api/v1/ca/tokens'],
    ] as const) {
      const { status, text } = await callApi(
        without.apiPort,
        method,
        path,
        method === 'POST' ? {} : undefined,
      );
      assert.equal(status, 404);
      assert.match(text, /--ca-dir/);
    }
    await without.close();
  });
});

function statusWithoutToken(port: number, method: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end();
  });
}
