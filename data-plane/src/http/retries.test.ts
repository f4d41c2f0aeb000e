import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import { RETRY_ON, type ClusterConfig, type RetryConfig } from '@heddle/engine';
import {
  clusterConfig,
  endpoint,
  eventually,
  forwardRoute,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  TestProxy,
} from '../testing/proxy-under-test.js';

/** What the upstream does with one whole request. */
type Behaviour = (socket: Socket, request: string) => void;

const OK: Behaviour = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
const FAIL: Behaviour = (socket) => socket.write('HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n');
const CLOSE: Behaviour = (socket) => socket.destroy();

describe('retries', () => {
  let proxy: TestProxy;
  let clock: FakeClock | undefined;
  let upstream: Server;
  /** One for each request, in order; then OK. */
  let script: Behaviour[];
  let requests: string[];
  let bytesRead: number;
  const sockets = new Set<Socket>();
  const clients: RawClient[] = [];

  beforeEach(async () => {
    script = [];
    requests = [];
    bytesRead = 0;
    clock = undefined;
    upstream = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        bytesRead += chunk.length;
        text += chunk.toString('latin1');
        const length = wholeLength(text);
        if (length === undefined) return;
        const request = text.slice(0, length);
        text = text.slice(length);
        requests.push(request);
        (script.shift() ?? OK)(socket, request);
      });
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await proxy.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => upstream.close(resolve));
    assert.equal(clock?.pendingTimers ?? 0, 0);
  });

  async function start(
    retry: Partial<RetryConfig> | undefined,
    more: { cluster?: Partial<ClusterConfig>; timeoutMs?: number; bufferBytes?: number } = {},
  ): Promise<RawClient> {
    const { port } = upstream.address() as AddressInfo;
    proxy = new TestProxy({ random: () => 0.5, ...(clock === undefined ? {} : { clock }) });
    proxy.clusters.apply([clusterConfig('backend', [endpoint(port)], more.cluster ?? {})], []);
    const route = forwardRoute('/', 'backend', {
      timeoutMs: more.timeoutMs ?? 15_000,
      retry: retry === undefined ? undefined : { ...POLICY, ...retry },
      retryBufferLimitBytes: more.bufferBytes ?? Infinity,
    });
    const config = managerConfig(routeConfig([route]), { accessLogs: [proxy.accessLog()] });
    assert.deepEqual(await proxy.listeners.apply([listenerConfig(config)], []), []);
    return connect();
  }

  function connect(): RawClient {
    const client = new RawClient(proxy.port());
    clients.push(client);
    return client;
  }

  it('send head and body again, on a connection that still serves', async () => {
    script = [FAIL, CLOSE];
    const client = await start({ numRetries: 2 });
    client.write('POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody');
    assert.match(await client.until((text) => text.endsWith('ok')), /^HTTP\/1\.1 200 /);
    assert.equal(requests.length, 3);
    for (const request of requests) assert.ok(request.endsWith('\r\n\r\nbody'));
    assert.equal(proxy.counter('cluster.upstream_rq_retry'), 2);
    assert.equal(proxy.counter('cluster.upstream_rq_retry_success'), 1);
  });

  it('wait for the back-off, and a client that leaves meanwhile takes its retry along', async () => {
    clock = new FakeClock();
    script = [FAIL];
    const client = await start({}, { cluster: breakers({ maxRetries: 1 }) });
    client.write('GET /a HTTP/1.1\r\nhost: a\r\n\r\n');
    const open = (): number => proxy.counter('cluster.circuit_breakers.default.rq_retry_open');
    await eventually(() => open() === 1);
    client.close();
    await eventually(() => open() === 0);
    clock.advance(1000);
    assert.equal(requests.length, 1);
  });

  it('send a large body again byte for byte, though the memory it was read into has been read into since', async () => {
    const client = await start({});
    // With a connection that is there, what is read is written at once.
    client.write('GET /first HTTP/1.1\r\nhost: a\r\n\r\n');
    await client.until((text) => text.endsWith('ok'));
    client.text = '';
    requests = [];
    script = [FAIL];
    const body = Array.from({ length: 60_000 }, (_, index) => String(index).padStart(10, '-')).join('');
    client.write(`POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    assert.match(await client.until((text) => text.endsWith('ok')), /^HTTP\/1\.1 200 /);
    assert.equal(requests.length, 2);
    for (const request of requests) {
      assert.ok(request.slice(request.indexOf('\r\n\r\n') + 4) === body, 'the body is another one');
    }
  });

  it('answer 507 when the body outgrows what is kept, while nobody is there to take it', async () => {
    clock = new FakeClock();
    script = [FAIL];
    const client = await start({}, { bufferBytes: 8 });
    client.write('POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n');
    // The upstream answers before it has everything.
    await eventually(() => bytesRead > 0);
    for (const socket of sockets) FAIL(socket, '');
    await eventually(() => proxy.counter('cluster.retry.upstream_rq_completed') === 1);
    client.write('8\r\nabcdefgh\r\n');
    assert.match(
      await client.until((text) => text.endsWith('exceeded request buffer limit while retrying upstream')),
      /^HTTP\/1\.1 507 /,
    );
    assert.equal(proxy.counter('cluster.retry_or_shadow_abandoned'), 1);
  });

  it('end with 504 when the time of the request is up during the back-off', async () => {
    clock = new FakeClock();
    script = [FAIL];
    const client = await start({ backOffBaseMs: 10_000, backOffMaxMs: 10_000 }, { timeoutMs: 1000 });
    client.write('GET /a HTTP/1.1\r\nhost: a\r\n\r\n');
    await eventually(() => proxy.counter('cluster.retry.upstream_rq_completed') === 1);
    clock.advance(1100);
    assert.match(await client.until((text) => text.endsWith('timeout')), /^HTTP\/1\.1 504 /);
    assert.equal((await proxy.logLines()).at(-1)?.['response_flags'], 'UT');
  });

  it('stay within a budget that follows the traffic', async () => {
    const budget = { percent: 50, minConcurrency: 0 };
    const client = await start({}, { cluster: breakers({ retryBudget: budget }) });
    // Of one request none may be retried, of three one.
    script = [FAIL];
    client.write('GET /alone HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await client.until((text) => text.endsWith('\r\n\r\n')), /^HTTP\/1\.1 503 /);
    assert.equal(proxy.counter('cluster.upstream_rq_retry_overflow'), 1);
    const held: Socket[] = [];
    script = [(socket) => held.push(socket), (socket) => held.push(socket), FAIL];
    for (let i = 0; i < 2; i++) connect().write('GET /held HTTP/1.1\r\nhost: a\r\n\r\n');
    await eventually(() => held.length === 2);
    const another = connect();
    another.write('GET /among-three HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await another.until((text) => text.endsWith('ok')), /^HTTP\/1\.1 200 /);
  });

  describe('of a connection that was closed while it was idle', () => {
    it('cost an idempotent request nothing', async () => {
      const client = await start(undefined);
      client.write('GET /first HTTP/1.1\r\nhost: a\r\n\r\n');
      await client.until((text) => text.endsWith('ok'));
      script = [CLOSE];
      client.text = '';
      client.write('GET /second HTTP/1.1\r\nhost: a\r\n\r\n');
      assert.match(await client.until((text) => text.endsWith('ok')), /^HTTP\/1\.1 200 /);
      assert.equal(requests.length, 3);
      assert.equal(proxy.counter('cluster.upstream_rq_moved'), 1);
    });

    it('are made once, and never after the first use of a connection', async () => {
      const client = await start(undefined);
      script = [CLOSE];
      client.write('GET /first HTTP/1.1\r\nhost: a\r\n\r\n');
      assert.match(await client.until((text) => text.includes('connection termination')), /^HTTP\/1\.1 503 /);
      assert.equal(requests.length, 1);
      client.text = '';
      client.write('GET /second HTTP/1.1\r\nhost: a\r\n\r\n');
      await client.until((text) => text.endsWith('ok'));
      script = [CLOSE, CLOSE];
      client.text = '';
      client.write('GET /third HTTP/1.1\r\nhost: a\r\n\r\n');
      assert.match(await client.until((text) => text.includes('connection termination')), /^HTTP\/1\.1 503 /);
      assert.equal(requests.length, 4);
    });

    it('never happen to a POST that was written, with or without a body', async () => {
      const client = await start(undefined);
      for (const body of ['', 'once']) {
        client.text = '';
        client.write('GET /first HTTP/1.1\r\nhost: a\r\n\r\n');
        await client.until((text) => text.endsWith('ok'));
        const before = requests.length;
        script = [CLOSE];
        client.text = '';
        client.write(`POST /pay HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
        assert.match(await client.until((text) => text.includes('termination')), /^HTTP\/1\.1 503 /);
        assert.equal(requests.length, before + 1);
      }
    });
  });
});

const POLICY: RetryConfig = {
  conditions: RETRY_ON['5xx'],
  numRetries: 1,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  retriableStatusCodes: [],
  retriableHeaders: [],
  retriableRequestHeaders: [],
  backOffBaseMs: 1,
  backOffMaxMs: 1,
  rateLimitedBackOff: undefined,
  hostSelectionRetryMaxAttempts: 1,
  avoidPreviousHosts: false,
};

function breakers(
  thresholds: Partial<ClusterConfig['circuitBreakers']['default']>,
): Pick<ClusterConfig, 'circuitBreakers'> {
  const { circuitBreakers } = clusterConfig('any', []);
  return { circuitBreakers: { ...circuitBreakers, default: { ...circuitBreakers.default, ...thresholds } } };
}

/** How long the request at the start of the text is; undefined while some of it is to come. */
function wholeLength(text: string): number | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1 || text.includes('transfer-encoding: chunked')) return undefined;
  const length = end + 4 + Number(/content-length: (\d+)/.exec(text.slice(0, end))?.[1] ?? 0);
  return text.length < length ? undefined : length;
}
