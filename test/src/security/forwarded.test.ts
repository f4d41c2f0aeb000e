import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RecordedRequest } from '../support/recording-upstream.js';
import { ProxyUnderAttack, routeTo, statusesOf } from './proxy-under-attack.js';
import { RawHttp2Client, requestFields } from './raw-http2-client.js';

type Fields = readonly (readonly [name: string, value: string])[];

/** What only proxies may say. */
const INTERNAL: Fields = [
  ['x-envoy-original-path', '/forged'],
  ['x-envoy-upstream-rq-timeout-ms', '1'],
  ['x-envoy-upstream-rq-per-try-timeout-ms', '1'],
  ['x-envoy-retry-on', '5xx'],
  ['x-envoy-max-retries', '100'],
  ['x-envoy-internal', 'true'],
  ['x-envoy-expected-rq-timeout-ms', '1'],
  ['x-envoy-decorator-operation', 'forged'],
];

function valuesOf(request: RecordedRequest | undefined, name: string): readonly string[] {
  return (request?.fields ?? []).filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

describe('what a client says of the way its request came', () => {
  let proxy: ProxyUnderAttack;
  before(async () => {
    proxy = await ProxyUnderAttack.start({
      listeners: {
        plain: {},
        // As a gateway: everybody out there is a stranger.
        edge: { manager: { use_remote_address: true } },
        h2: {
          manager: { use_remote_address: true },
          routes: [routeTo('h2')],
        },
      },
    });
  });
  after(() => proxy.close());

  /** By HTTP/1.1 and by HTTP/2; what reached the upstream of each. */
  async function send(fields: Fields, listener = 'edge'): Promise<readonly (RecordedRequest | undefined)[]> {
    const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const exchange = await proxy.raw(`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`, { listener });
    assert.deepEqual(statusesOf(exchange), [200]);
    const client = await RawHttp2Client.connect(proxy.port(listener));
    client.headers(
      1,
      requestFields(
        '/',
        fields.filter(([name]) => name !== 'connection'),
      ),
    );
    assert.deepEqual(await client.outcome(1), { status: 200 });
    client.close();
    const received = proxy.received();
    assert.equal(received.length, 2);
    return received;
  }

  it('1.19 fields of proxies are taken from strangers (CVE-2023-27487, CVE-2024-45806)', async () => {
    for (const request of await send(INTERNAL)) {
      for (const [name, value] of INTERNAL) {
        const found = valuesOf(request, name);
        assert.ok(!found.includes(value), `${name}: ${found.join()}`);
      }
    }
  });

  it('1.20 what a client says of a certificate is dropped where it has shown none', async () => {
    const forged = 'By=spiffe://td/a;URI=spiffe://td/admin';
    for (const listener of ['edge', 'plain']) {
      for (const request of await send([['x-forwarded-client-cert', forged]], listener)) {
        assert.deepEqual(valuesOf(request, 'x-forwarded-client-cert'), []);
      }
    }
  });

  it('1.21 Connection cannot take away what the proxy sets (CVE-2022-31813, CVE-2024-45410)', async () => {
    const named =
      'x-forwarded-for, x-forwarded-proto, x-request-id, x-envoy-expected-rq-timeout-ms, host, x-own';
    const [request] = await send([
      ['connection', named],
      ['x-own', 'for this hop'],
    ]);
    for (const name of ['x-forwarded-for', 'x-forwarded-proto', 'x-request-id', 'host']) {
      assert.equal(valuesOf(request, name).length, 1, name);
    }
    assert.deepEqual(valuesOf(request, 'x-own'), []);
    assert.deepEqual(valuesOf(request, 'connection'), []);
  });

  it('1.23 schemes are written in one way (CVE-2023-35944)', async () => {
    for (const scheme of ['hTTp', 'HTTPS', 'HTTP']) {
      const client = await RawHttp2Client.connect(proxy.port('h2'));
      client.headers(1, [
        [':method', 'GET'],
        [':scheme', scheme],
        [':path', '/'],
        [':authority', 'a'],
      ]);
      assert.deepEqual(await client.outcome(1), { status: 200 });
      client.close();
      const [request] = proxy.h2.take();
      assert.match(String(request?.headers[':scheme']), /^https?$/);
      assert.equal(request?.headers['x-forwarded-proto'], 'http', 'what is true of the connection counts');
    }
    const exchange = await proxy.raw('GET hTTp://b/p HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.deepEqual(statusesOf(exchange), [200]);
    assert.deepEqual(
      proxy.received().map(({ startLine }) => startLine),
      ['GET /p HTTP/1.1'],
    );
  });

  it('1.40 neither a path nor a field nor a host can end a line of the log (CVE-2024-45808)', async () => {
    const fields: Fields = [
      ['user-agent', 'a"} \\n{"forged":"\xe2\x80\xa8\xff'],
      ['x-request-id', 'q"\t,"forged":"1'],
    ];
    await send(fields);
    const text = await proxy.log(/forged/);
    const lines = text.split('\n').filter((line) => line !== '');
    for (const line of lines) assert.equal((JSON.parse(line) as { forged?: string }).forged, undefined);
    // A line break in a field is refused, so that there is nothing to write.
    const client = await RawHttp2Client.connect(proxy.port('edge'));
    client.headers(1, requestFields('/', [['user-agent', 'x\r\n{"forged":"line"}']]));
    assert.deepEqual(await client.outcome(1), { reset: 1 });
    client.close();
    assert.ok(!(await proxy.log(/./)).includes('\n{"forged"'));
    assert.deepEqual(proxy.received(), []);
  });
});
