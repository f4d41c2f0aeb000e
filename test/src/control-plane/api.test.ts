import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { typeUrls } from '@heddle/xds-protos';
import { eventually } from '../support/eventually.js';
import { AdsClient, sidecarNode } from './ads-client.js';
import {
  clusterName,
  service,
  startControlPlane,
  TOKEN,
  workloads,
  type RunningControlPlane,
} from './mesh-folder.js';

const authorization = `Bearer ${TOKEN}`;

describe('the API of heddled', () => {
  let plane: RunningControlPlane;
  let client: AdsClient;
  before(async () => {
    plane = await startControlPlane({ 'a.yaml': service('a'), 'a-run.yaml': workloads('a', ['10.0.0.1']) });
    client = new AdsClient(plane.xdsPort, 'delta');
    client.start(sidecarNode('caller'));
    await client.until(() => client.has(typeUrls.clusterLoadAssignment, clusterName('a')));
  });
  after(async () => {
    client.close();
    await plane.close();
  });

  const call = (
    method: string,
    path: string,
    body = '',
    headers: Record<string, string> = {},
  ): Promise<{ readonly status: number; readonly text: string }> =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: plane.apiPort, method, path, headers, agent: false };
      const sent = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const json = async (path: string): Promise<Record<string, unknown>> =>
    JSON.parse((await call('GET', path)).text) as Record<string, unknown>;

  it('puts a resource into force before it answers, and takes it away again', async () => {
    const path = '/api/v1/resources/Service/default/b';
    const put = await call('PUT', path, service('b'), { authorization });
    assert.equal(put.status, 200, put.text);
    assert.equal((await call('GET', path)).status, 200);
    await client.until(() => client.has(typeUrls.cluster, clusterName('b')));
    assert.equal((await call('DELETE', path, '', { authorization })).status, 200);
    assert.equal((await call('GET', path)).status, 404);
    await client.until(() => !client.has(typeUrls.cluster, clusterName('b')));
    assert.equal((await call('DELETE', path, '', { authorization })).status, 404);
  });

  it('changes nothing without the token, with another name than the path says, or with mistakes', async () => {
    const path = '/api/v1/resources/Service/default/c';
    assert.equal((await call('PUT', path, service('c'))).status, 401);
    assert.equal((await call('DELETE', '/api/v1/resources/Service/default/a')).status, 401);
    assert.equal((await call('PUT', path, service('d'), { authorization })).status, 422);
    const wrong = service('c').replace('port: 80', 'prot: 80');
    const refused = await call('PUT', path, wrong, { authorization });
    assert.equal(refused.status, 422);
    assert.match(refused.text, /prot/);
    assert.equal((await call('GET', path)).status, 404);
  });

  it('keeps whatever names a request gives inside its folder', async () => {
    const above = join(plane.folder, '..');
    const seen = readdirSync(above).length;
    for (const path of [
      '/api/v1/resources/Service/default/..%2F..%2Fevil',
      '/api/v1/resources/..%2F..%2FService/default/evil',
      '/api/v1/resources/Service/%2e%2e/evil',
      '/api/v1/resources/Service/default/a%00b',
      `/api/v1/resources/Service/default/${'x'.repeat(4_000)}`,
    ]) {
      const put = await call('PUT', path, service('evil'), { authorization });
      assert.ok([404, 422].includes(put.status), `${path}: ${put.status}`);
      const deleted = await call('DELETE', path, '', { authorization });
      assert.equal(deleted.status, 404, path);
    }
    assert.equal(existsSync(join(plane.folder, '..', 'evil')), false);
    assert.ok(readdirSync(above).length <= seen + 50);
  });

  it('refuses other hosts, other sites and bodies beyond its bound', async () => {
    assert.equal((await call('GET', '/api/v1/status', '', { host: 'evil.example' })).status, 403);
    assert.equal((await call('GET', '/api/v1/status', '', { origin: 'http://evil.example' })).status, 403);
    assert.equal((await call('POST', '/api/v1/validate', 'x'.repeat(1024 * 1024 + 1))).status, 413);
  });

  it('survives a caller that leaves in the middle of its body', async () => {
    const socket = connect(plane.apiPort, '127.0.0.1');
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    socket.write('POST /api/v1/validate HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nkind:');
    await call('GET', '/api/v1/status');
    socket.destroy();
    assert.equal((await call('GET', '/api/v1/status')).status, 200);
  });

  it('validates text without changing anything', async () => {
    const good = await call('POST', '/api/v1/validate', service('e'));
    assert.equal((JSON.parse(good.text) as { valid: boolean }).valid, true);
    const bad = await call('POST', '/api/v1/validate', 'kind: Nothing');
    assert.equal((JSON.parse(bad.text) as { valid: boolean }).valid, false);
    assert.equal((await call('GET', '/api/v1/resources/Service/default/e')).status, 404);
  });

  it('shows a proxy what it is served, by type, and refuses types that there are not', async () => {
    const id = encodeURIComponent('sidecar~127.0.0.1~caller.default~local');
    const config = await json(`/api/v1/proxies/${id}/config?type=clusters`);
    const clusters = config['clusters'] as { readonly name: string }[];
    assert.deepEqual(
      clusters.map(({ name }) => name),
      [clusterName('a')],
    );
    for (const type of ['nothing', 'constructor', '__proto__'])
      assert.equal((await call('GET', `/api/v1/proxies/${id}/config?type=${type}`)).status, 400, type);
    assert.equal((await call('GET', '/api/v1/proxies/nobody/config')).status, 404);
  });

  it('tells that all proxies have everything, and counts them', async () => {
    let convergence: Record<string, unknown> = {};
    await eventually(
      async () => (convergence = await json('/api/v1/convergence'))['converged'] === true,
      () => JSON.stringify(convergence),
    );
    assert.equal(convergence['proxies'], 1);
    assert.match((await call('GET', '/metrics')).text, /^heddled_connected_proxies 1$/m);
  });

  it('describes exactly the routes that it serves', async () => {
    const { paths } = (await json('/openapi.json')) as { paths: Record<string, Record<string, object>> };
    let routes = 0;
    for (const [path, methods] of Object.entries(paths)) {
      // A view that there is not ends the one answer that would go on.
      const concrete = `${path.replace(/\{\w+\}/g, 'none')}?view=none`;
      for (const method of ['get', 'put', 'post', 'delete']) {
        const { status, text } = await call(method.toUpperCase(), concrete);
        assert.equal(status !== 405, method in methods, `${method} ${path}`);
        assert.doesNotMatch(text, /there is nothing at/);
        if (method in methods) routes++;
      }
    }
    assert.ok(routes >= 14, String(routes));
    assert.equal((await call('GET', '/debug')).status, 404);
  });
});
