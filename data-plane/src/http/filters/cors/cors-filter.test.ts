import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { CorsPolicyConfig } from '@heddle/engine';
import {
  clusterConfig,
  endpoint,
  forwardRoute,
  listenerConfig,
  managerConfig,
  routeConfig,
  ROUTER,
  startBackend,
  TestProxy,
} from '../../../testing/proxy-under-test.js';

const NAME = 'envoy.filters.http.cors';
const OTHER = 'https://a.example';
const POLICY: CorsPolicyConfig = {
  enabledRatio: 1,
  allowOrigins: [{ kind: 'exact', value: OTHER, ignoreCase: false }],
  allowMethods: 'GET,PUT',
  allowHeaders: '*',
  exposeHeaders: 'x-id',
  maxAge: '60',
  allowCredentials: true,
  allowPrivateNetworkAccess: false,
  forwardNotMatchingPreflights: true,
};

describe('the CORS filter', () => {
  let proxy: TestProxy;
  let backend: Awaited<ReturnType<typeof startBackend>>;
  const seen: string[] = [];

  beforeEach(async () => {
    seen.length = 0;
    proxy = new TestProxy();
    backend = await startBackend((request, response) => {
      seen.push(request.method ?? '');
      response.end('backend');
    });
  });

  afterEach(async () => {
    await proxy.close();
    await backend.close();
  });

  async function call(
    policy: Partial<CorsPolicyConfig> | undefined,
    method: string,
    headers: Record<string, string>,
  ): Promise<{ status: number; headers: IncomingHttpHeaders }> {
    const perFilterConfig = new Map(policy === undefined ? [] : [[NAME, { ...POLICY, ...policy }]]);
    const routes = routeConfig([forwardRoute('/', 'c', {}, { perFilterConfig })]);
    const typeUrl = 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors';
    const cors = { name: NAME, typeUrl, config: {}, disabled: false };
    proxy.clusters.apply([clusterConfig('c', [endpoint(backend.port)])], []);
    const listener = listenerConfig(managerConfig(routes, { httpFilters: [cors, ROUTER] }));
    assert.deepEqual(await proxy.listeners.apply([listener], []), []);
    return new Promise((resolve, reject) => {
      const request = httpRequest({ port: proxy.port(), agent: false, method, headers }, (response) => {
        response.resume();
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
      });
      request.on('error', reject);
      request.end();
    });
  }

  const preflight = {
    origin: OTHER,
    'access-control-request-method': 'PUT',
    'access-control-request-headers': 'x-a',
  };

  it('answers the preflight of an origin that is allowed', async () => {
    const { status, headers } = await call({}, 'OPTIONS', preflight);
    assert.equal(status, 200);
    assert.deepEqual(seen, []);
    assert.equal(headers['access-control-allow-origin'], OTHER);
    assert.equal(headers['access-control-allow-methods'], 'GET,PUT');
    assert.equal(headers['access-control-allow-headers'], 'x-a');
    assert.equal(headers['access-control-allow-credentials'], 'true');
    assert.equal(headers['access-control-max-age'], '60');
    assert.equal(proxy.counter('http.cors.origin_valid'), 1);
  });

  it('forwards the preflight of another origin, or answers it without permission', async () => {
    const forwarded = await call({}, 'OPTIONS', { ...preflight, origin: 'https://b.example' });
    assert.equal(forwarded.headers['access-control-allow-origin'], undefined);
    assert.deepEqual(seen, ['OPTIONS']);
    assert.equal(proxy.counter('http.cors.origin_invalid'), 1);
    const answered = await call({ forwardNotMatchingPreflights: false }, 'OPTIONS', {
      ...preflight,
      origin: 'https://b.example',
    });
    assert.equal(answered.status, 200);
    assert.equal(answered.headers['access-control-allow-origin'], undefined);
    assert.deepEqual(seen, ['OPTIONS']);
  });

  it('says on answers which origin may read them', async () => {
    const { headers } = await call({}, 'GET', { origin: OTHER });
    assert.equal(headers['access-control-allow-origin'], OTHER);
    assert.equal(headers['access-control-expose-headers'], 'x-id');
    assert.equal(headers['access-control-allow-methods'], undefined);
    assert.deepEqual(seen, ['GET']);
  });

  it('does nothing without a policy, without an origin, and where it is switched off', async () => {
    assert.equal((await call(undefined, 'OPTIONS', preflight)).headers['access-control-max-age'], undefined);
    assert.equal((await call({}, 'GET', {})).headers['access-control-allow-origin'], undefined);
    const off = await call({ enabledRatio: 0 }, 'OPTIONS', preflight);
    assert.equal(off.headers['access-control-allow-origin'], undefined);
    assert.deepEqual(seen, ['OPTIONS', 'GET', 'OPTIONS']);
  });
});
