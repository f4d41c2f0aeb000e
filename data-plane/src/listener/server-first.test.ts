import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import type { FilterChainConfig, ListenerConfig } from '@heddle/engine';
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

const REQUEST = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

describe('a listener that does not know yet what its clients speak', () => {
  let proxy: TestProxy;
  let clock: FakeClock;
  let upstream: Server;
  let accepted: Socket[];
  let greets: boolean;
  const clients: RawClient[] = [];

  beforeEach(async () => {
    clock = new FakeClock();
    greets = true;
    accepted = [];
    proxy = new TestProxy({
      clock,
      originalDestination: () => ({ kind: 'socket', host: '192.0.2.1', port: 3306, protocol: 'tcp' }),
    });
    upstream = createServer((socket) => {
      accepted.push(socket);
      socket.on('error', () => undefined);
      if (greets) socket.write('welcome');
      socket.on('data', (chunk) => socket.end(` you said ${String(chunk)}`));
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await proxy.close();
    for (const socket of accepted) socket.destroy();
    await new Promise((resolve) => upstream.close(resolve));
  });

  /** TLS, HTTP and the rest have chains of their own; the rest is relayed. */
  async function start(
    change: (config: ListenerConfig) => ListenerConfig = (config) => config,
  ): Promise<void> {
    const { port } = upstream.address() as AddressInfo;
    proxy.clusters.apply([clusterConfig('backend', [endpoint(port)])], []);
    const base = listenerConfig(managerConfig(routeConfig([forwardRoute('/', 'nobody')])));
    const [http] = base.filterChains;
    assert.ok(http);
    const relay: FilterChainConfig = {
      ...http,
      name: 'relay',
      filters: [
        {
          kind: 'tcp-proxy',
          name: 'tcp',
          config: {
            statPrefix: 'tcp',
            clusters: [{ name: 'backend', weight: 1 }],
            totalWeight: 1,
            idleTimeoutMs: 0,
            maxConnectAttempts: 1,
            maxDownstreamConnectionDurationMs: 0,
            accessLogs: [proxy.accessLog()],
          },
        },
      ],
    };
    const match = { ...NO_MATCH, transportProtocol: 'raw_buffer', applicationProtocols: ['http/1.1'] };
    const config: ListenerConfig = {
      ...base,
      listenerFilters: [
        { kind: 'original-dst', name: 'o' },
        { kind: 'tls-inspector', name: 't' },
        { kind: 'http-inspector', name: 'h' },
      ],
      listenerFiltersTimeoutMs: 5_000,
      continueOnListenerFiltersTimeout: true,
      filterChains: [{ ...http, match }],
      defaultFilterChain: relay,
    };
    assert.deepEqual(await proxy.listeners.apply([change(config)], []), []);
  }

  function connect(): RawClient {
    const client = new RawClient(proxy.port());
    clients.push(client);
    return client;
  }

  const silent = (): Promise<void> => eventually(() => clock.nextTimerInMs === 50);

  it('lets a server speak first without waiting for the client, and at once from the second connection on', async () => {
    await start();
    const first = connect();
    await silent();
    assert.equal(accepted.length, 0, 'a client is given the time to say something');
    clock.advance(50);
    await first.until((text) => text === 'welcome');
    first.write('hello');
    assert.equal(await first.untilEnd(), 'welcome you said hello');
    first.close();
    const second = connect();
    await second.until((text) => text === 'welcome');
    assert.equal(accepted.length, 2);
    assert.equal(proxy.counter('listener.server_first'), 2);
    assert.equal(proxy.counter('tcp.downstream_cx_total'), 2);
    second.socket.end();
    await second.untilEnd();
    await eventually(() => proxy.counter('cluster.upstream_cx_active') === 0);
    const [line] = await proxy.logLines();
    assert.deepEqual([line?.['bytes_sent'], line?.['bytes_received']], [22, 5]);
  });

  it('connects nowhere for clients that speak at once', async () => {
    await start();
    const client = connect();
    client.write(REQUEST);
    await client.until((text) => text.startsWith('HTTP/1.1 503'));
    assert.equal(proxy.counter('cluster.upstream_cx_total'), 0);
  });

  it('gives up what it connected to ahead for a client that speaks HTTP after all', async () => {
    greets = false;
    await start();
    const client = connect();
    await silent();
    clock.advance(50);
    await eventually(() => accepted.length === 1);
    client.write(REQUEST);
    await client.until((text) => text.startsWith('HTTP/1.1 503'));
    await eventually(() => proxy.counter('cluster.upstream_cx_active') === 0);
    assert.equal(proxy.counter('tcp.downstream_cx_total'), 0);
  });

  it('uses what it connected to ahead for a client that speaks something else', async () => {
    greets = false;
    await start();
    const client = connect();
    await silent();
    clock.advance(50);
    await eventually(() => accepted.length === 1);
    client.write('\0binary');
    assert.equal(await client.untilEnd(), ' you said \0binary');
    assert.equal(accepted.length, 1);
  });

  it('tries again, and tells, when what it connected to ahead could not be reached', async () => {
    await start();
    const { port } = upstream.address() as AddressInfo;
    await new Promise((resolve) => upstream.close(resolve));
    const client = connect();
    await silent();
    clock.advance(50);
    await eventually(() => proxy.counter('cluster.upstream_cx_connect_fail') === 1);
    assert.equal(client.ended, false);
    upstream = createServer((socket) => {
      accepted.push(socket);
      socket.on('error', () => undefined).end('late');
    });
    await new Promise<void>((resolve) => upstream.listen(port, '127.0.0.1', resolve));
    client.write('\0binary');
    assert.equal(await client.untilEnd(), 'late');
  });

  it('passes on the end of an upstream that ended before anybody spoke', async () => {
    greets = false;
    await start();
    const client = connect();
    await silent();
    clock.advance(50);
    await eventually(() => accepted.length === 1);
    accepted[0]?.end();
    await eventually(() => accepted[0]?.writableFinished === true);
    await new Promise((resolve) => setImmediate(resolve));
    client.write('\0binary');
    assert.match(await client.untilEnd(), /^( you said .*)?$/);
  });

  it('forgets a client that leaves while it is silent', async () => {
    greets = false;
    await start();
    const client = connect();
    await silent();
    clock.advance(50);
    await eventually(() => accepted.length === 1);
    client.close();
    await eventually(() => proxy.counter('cluster.upstream_cx_active') === 0);
    await eventually(() => proxy.listeners.status()[0]?.connections === 0);
  });

  it('waits for nobody on a port whose connections all go the same way', async () => {
    await start((config) => ({
      ...config,
      filterChains: [
        ...config.filterChains,
        {
          ...(config.defaultFilterChain as FilterChainConfig),
          match: { ...NO_MATCH, destinationPort: 3306 },
        },
      ],
    }));
    const client = connect();
    await client.until((text) => text === 'welcome');
    assert.equal(proxy.counter('listener.server_first'), 0);
  });
});

const NO_MATCH = {
  destinationPort: undefined,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
  directSourcePrefixRanges: [],
  sourceType: 'any',
  sourcePrefixRanges: [],
  sourcePorts: [],
} as const;
