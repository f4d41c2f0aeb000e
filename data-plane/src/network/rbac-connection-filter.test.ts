import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import type {
  NetworkFilterConfig,
  NetworkRbacConfig,
  RbacCondition,
  RbacConfig,
  TlsInfo,
} from '@heddle/engine';
import type { ConnectionInfo } from '../http/stream-state.js';
import { StatsStore } from '../stats/stats-store.js';
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
import { RbacConnectionFilter } from './rbac-connection-filter.js';

describe('the RBAC filter of connections', () => {
  let proxy: TestProxy;
  let clock: FakeClock;
  let upstream: Server;
  let reached: number;
  const clients: RawClient[] = [];

  beforeEach(async () => {
    reached = 0;
    clock = new FakeClock();
    proxy = new TestProxy({ clock });
    // Speaks first, as databases do.
    upstream = createServer((socket) => {
      reached++;
      socket.on('error', () => undefined);
      socket.end('welcome');
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await proxy.close();
    await new Promise((resolve) => upstream.close(resolve));
  });

  async function connectThrough(filters: readonly NetworkRbacConfig[], http = false): Promise<RawClient> {
    const { port } = upstream.address() as AddressInfo;
    proxy.clusters.apply([clusterConfig('backend', [endpoint(port)])], []);
    const manager = managerConfig(routeConfig([forwardRoute('/', 'backend')]), {
      accessLogs: [proxy.accessLog()],
    });
    const base = listenerConfig(manager);
    const [chain] = base.filterChains;
    assert.ok(chain);
    const terminal: NetworkFilterConfig = http
      ? { kind: 'http-connection-manager', name: 'hcm', config: manager }
      : {
          kind: 'tcp-proxy',
          name: 'tcp',
          config: {
            statPrefix: 'tcp',
            clusters: [{ name: 'backend', weight: 1 }],
            totalWeight: 1,
            idleTimeoutMs: 0,
            maxConnectAttempts: 1,
            maxDownstreamConnectionDurationMs: 0,
            accessLogs: [
              proxy.accessLog({
                kind: 'json',
                fields: {
                  flags: '%RESPONSE_FLAGS%',
                  details: '%CONNECTION_TERMINATION_DETAILS%',
                  dry: '%DYNAMIC_METADATA(envoy.filters.network.rbac:dry_shadow_engine_result)%',
                },
                omitEmptyValues: false,
              }),
            ],
          },
        };
    const before = filters.map((config): NetworkFilterConfig => ({ kind: 'rbac', name: 'rbac', config }));
    const problems = await proxy.listeners.apply(
      [{ ...base, filterChains: [{ ...chain, filters: [...before, terminal] }] }],
      [],
    );
    assert.deepEqual(problems, []);
    const client = new RawClient(proxy.port());
    clients.push(client);
    return client;
  }

  it('closes who is refused before an upstream that speaks first is asked, and says so', async () => {
    const client = await connectThrough([filterOf(policies('deny', { 'no one': { kind: 'any' } }))]);
    assert.equal(await client.untilEnd(), '');
    await eventually(() => proxy.counter('tcp.downstream_cx_active') === 0);
    assert.equal(reached, 0);
    assert.deepEqual(await proxy.logLines(), [
      { flags: '-', details: 'rbac_access_denied_matched_policy[no_one]', dry: null },
    ]);
    assert.equal(proxy.counter('tcp.rbac.denied'), 1);
    assert.equal(proxy.counter('tcp.downstream_cx_total'), 1);
  });

  it('lets the others through, after every filter of the chain', async () => {
    const here: RbacCondition = {
      kind: 'direct-remote-ip',
      range: { address: '127.0.0.0', prefixLength: 8 },
    };
    const client = await connectThrough([
      filterOf(policies('deny', { p: { kind: 'destination-port', first: 1, end: 2 } })),
      filterOf(policies('allow', { p: here })),
    ]);
    assert.equal(await client.untilEnd(), 'welcome');
    assert.equal(proxy.counter('tcp.rbac.allowed'), 2);
  });

  it('counts what shadow rules would do and leaves it for the log', async () => {
    const client = await connectThrough([
      {
        ...filterOf(undefined),
        shadowRules: policies('deny', { p: { kind: 'any' } }),
        shadowRulesStatPrefix: 'dry_',
      },
    ]);
    assert.equal(await client.untilEnd(), 'welcome');
    client.close();
    await eventually(() => proxy.counter('tcp.downstream_cx_active') === 0);
    assert.deepEqual(
      (await proxy.logLines()).map(({ dry }) => dry),
      ['denied'],
    );
    assert.equal(proxy.counter('tcp.rbac.dry_.shadow_denied'), 1);
  });

  it('leaves who is refused waiting for as long as it is told to, or until the listener goes', async () => {
    const later = { ...filterOf(policies('allow', {})), delayDenyMs: 500 };
    const client = await connectThrough([later]);
    await eventually(() => proxy.counter('tcp.rbac.denied') === 1);
    clock.advance(499);
    assert.equal(client.ended, false);
    clock.advance(1);
    assert.equal(await client.untilEnd(), '');
    const second = await connectThrough([later]);
    await eventually(() => proxy.counter('tcp.rbac.denied') === 2);
    await proxy.listeners.apply([], ['listener']);
    assert.equal(await second.untilEnd(), '');
    assert.equal(clock.pendingTimers, 0);
  });

  it('stands before a connection manager as well', async () => {
    const client = await connectThrough([filterOf(policies('allow', {}))], true);
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.equal(await client.untilEnd(), '');
    assert.equal(proxy.counter('http.downstream_rq_total'), 0);
  });
});

describe('what the RBAC filter of connections knows', () => {
  it('is who the peer proved to be, its server name, and where it came to', () => {
    const peer: RbacCondition = {
      kind: 'authenticated',
      matcher: { kind: 'exact', value: 'spiffe://td/ns/a/sa/b', ignoreCase: false },
    };
    const name: RbacCondition = {
      kind: 'server-name',
      matcher: { kind: 'suffix', value: '.shop', ignoreCase: false },
    };
    const port: RbacCondition = { kind: 'destination-port', first: 5432, end: 5433 };
    const filter = new RbacConnectionFilter(
      filterOf(policies('allow', { p: { kind: 'and', conditions: [peer, name, port] } })),
      new StatsStore(),
    );
    const info = (more: Partial<ConnectionInfo>): ConnectionInfo => ({
      id: 1,
      remoteAddress: '192.0.2.1:4000',
      remoteIp: '192.0.2.1',
      localAddress: '192.0.2.2:5432',
      localIp: '192.0.2.2',
      localPort: 5432,
      requestedServerName: 'db.shop',
      tls: { peer: { uriSans: ['spiffe://td/ns/a/sa/b'], dnsSans: [], subject: '' } } as unknown as TlsInfo,
      originalDestination: undefined,
      dynamicMetadata: undefined,
      ...more,
    });
    assert.equal(filter.check(info({})), undefined);
    for (const other of [{ tls: undefined }, { requestedServerName: '' }, { localPort: 5433 }]) {
      assert.equal(filter.check(info(other))?.reason, 'no rule of the policies that allow matches');
    }
  });
});

function filterOf(rules: RbacConfig | undefined): NetworkRbacConfig {
  return { rules, shadowRules: undefined, statPrefix: 'tcp.', shadowRulesStatPrefix: '', delayDenyMs: 0 };
}

function policies(
  action: RbacConfig['action'],
  conditions: Readonly<Record<string, RbacCondition>>,
): RbacConfig {
  return {
    action,
    policies: Object.entries(conditions).map(([name, condition]) => ({
      name,
      permissions: [condition],
      principals: [{ kind: 'any' }],
    })),
  };
}
