import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  clusterConfig,
  endpoint,
  forwardRoute,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  routeTo,
  startBackend,
  TestProxy,
} from '../testing/proxy-under-test.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function send(port: number, options: RequestOptions, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, agent: false, ...options }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('a proxied request', () => {
  let proxy: TestProxy;
  let backend: Awaited<ReturnType<typeof startBackend>>;

  beforeEach(async () => {
    proxy = new TestProxy();
    backend = await startBackend((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        response.setHeader('x-backend', 'yes');
        response.end(
          JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }),
        );
      });
    });
  });

  afterEach(async () => {
    await proxy.close();
    await backend.close();
  });

  async function serve(...routes: Parameters<typeof routeConfig>[0]): Promise<number> {
    proxy.clusters.apply([clusterConfig('backend', [endpoint(backend.port)])], []);
    const manager = managerConfig(routeConfig(routes), { accessLogs: [proxy.accessLog()] });
    const problems = await proxy.listeners.apply([listenerConfig(manager)], []);
    assert.deepEqual(problems, []);
    return proxy.port();
  }

  it('reaches the upstream with its body and comes back with the fields that a proxy adds', async () => {
    const port = await serve(forwardRoute('/', 'backend'));
    const answer = await send(port, { method: 'POST', path: '/a?b=c', headers: { host: 'shop' } }, 'hello');
    const seen = JSON.parse(answer.body) as { url: string; body: string; headers: IncomingHttpHeaders };
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['x-backend'], 'yes');
    assert.equal(answer.headers['server'], 'heddle');
    assert.match(String(answer.headers['x-envoy-upstream-service-time']), /^\d+$/);
    assert.equal(seen.url, '/a?b=c');
    assert.equal(seen.body, 'hello');
    assert.equal(seen.headers.host, 'shop');
    assert.match(String(seen.headers['x-request-id']), /^[0-9a-f-]{36}$/);
    assert.equal(seen.headers['x-forwarded-proto'], 'http');
    assert.equal(seen.headers['x-envoy-expected-rq-timeout-ms'], '15000');
    assert.equal(proxy.counter('http.downstream_rq_total'), 1);
    assert.equal(proxy.counter('http.downstream_rq_active'), 0);
    assert.equal(proxy.counter('cluster.upstream_rq_total'), 1);
    const [line] = await proxy.logLines();
    assert.equal(line?.['response_code'], 200);
    assert.equal(line?.['upstream_cluster'], 'backend');
    assert.equal(line?.['upstream_host'], `127.0.0.1:${backend.port}`);
    assert.equal(line?.['response_code_details'], 'via_upstream');
  });

  it('reuses the connections of both sides', async () => {
    const port = await serve(forwardRoute('/', 'backend'));
    const client = new RawClient(port);
    for (let i = 1; i <= 3; i++) {
      client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
      await client.until((text) => text.split('HTTP/1.1 200').length === i + 1 && text.endsWith('}'));
    }
    client.close();
    assert.equal(proxy.counter('http.downstream_cx_total'), 1);
    assert.equal(proxy.counter('cluster.upstream_cx_total'), 1);
    assert.equal(proxy.counter('cluster.upstream_rq_total'), 3);
  });

  it('is answered 404 with NR when no route matches', async () => {
    const port = await serve(forwardRoute('/only', 'backend'));
    const answer = await send(port, { path: '/other' });
    assert.equal(answer.status, 404);
    assert.equal(answer.body, '');
    const [line] = await proxy.logLines();
    assert.equal(line?.['response_flags'], 'NR');
    assert.equal(line?.['response_code_details'], 'route_not_found');
    assert.notEqual(line?.['reason'], null);
  });

  it('is answered 503 with NC when the cluster is not known', async () => {
    const port = await serve(forwardRoute('/', 'nowhere'));
    assert.equal((await send(port, { path: '/' })).status, 503);
    const [line] = await proxy.logLines();
    assert.equal(line?.['response_flags'], 'NC');
    assert.equal(line?.['response_code_details'], 'cluster_not_found');
  });

  it('is answered 503 with UH when the cluster has no endpoint', async () => {
    const port = await serve(forwardRoute('/', 'empty'));
    proxy.clusters.apply([clusterConfig('empty', [])], []);
    const answer = await send(port, { path: '/' });
    assert.equal(answer.status, 503);
    assert.equal(answer.body, 'no healthy upstream');
    const [line] = await proxy.logLines();
    assert.equal(line?.['response_flags'], 'UH');
  });

  it('is answered 503 with UF when nothing listens at the endpoint', async () => {
    const port = await serve(forwardRoute('/', 'closed'));
    const gone = await startBackend(() => undefined);
    await gone.close();
    proxy.clusters.apply([clusterConfig('closed', [endpoint(gone.port)])], []);
    const answer = await send(port, { path: '/' });
    assert.equal(answer.status, 503);
    assert.match(answer.body, /^upstream connect error or disconnect\/reset before headers\. reset reason: /);
    const [line] = await proxy.logLines();
    assert.equal(line?.['response_flags'], 'UF');
    assert.match(String(line?.['reason']), /no connection to the upstream/);
  });

  it('is redirected and answered directly without an upstream', async () => {
    const port = await serve(
      routeTo('/old', {
        kind: 'redirect',
        httpsRedirect: true,
        schemeRedirect: '',
        hostRedirect: 'new.example',
        portRedirect: 0,
        pathRedirect: '/new',
        prefixRewrite: '',
        regexRewrite: undefined,
        status: 301,
        stripQuery: false,
      }),
      routeTo(
        '/direct',
        { kind: 'direct-response', status: 418, body: 'teapot' },
        {
          responseHeaders: {
            remove: [],
            set: [
              {
                name: 'x-added',
                rawName: 'x-added',
                value: 'yes',
                hasOperators: false,
                action: 'overwrite-if-exists-or-add',
                keepEmptyValue: false,
              },
            ],
          },
        },
      ),
    );
    const redirected = await send(port, { path: '/old?q=1' });
    assert.equal(redirected.status, 301);
    assert.equal(redirected.headers.location, 'https://new.example/new?q=1');
    const direct = await send(port, { path: '/direct' });
    assert.equal(direct.status, 418);
    assert.equal(direct.body, 'teapot');
    assert.equal(direct.headers['x-added'], 'yes');
  });

  it('reaches the upstream under the rewritten path and host', async () => {
    const port = await serve(
      forwardRoute('/api/', 'backend', {
        prefixRewrite: '/v1/',
        hostRewrite: { kind: 'literal', value: 'inside' },
      }),
    );
    const answer = await send(port, { path: '/api/items?x=1', headers: { host: 'outside' } });
    const seen = JSON.parse(answer.body) as { url: string; headers: IncomingHttpHeaders };
    assert.equal(seen.url, '/v1/items?x=1');
    assert.equal(seen.headers.host, 'inside');
    assert.equal(seen.headers['x-envoy-original-path'], '/api/items?x=1');
    const [line] = await proxy.logLines();
    assert.equal(line?.['path'], '/api/items?x=1');
  });
});
