import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@heddle/common';
import type { ClusterConfig, EndpointsConfig } from '@heddle/engine';
import type { ConnectionPool } from '../codec/stream.js';
import type { ConfigSource, ResourceWatcher } from '../config-source.js';
import { clusterConfig, endpoint } from '../testing/proxy-under-test.js';
import { StatsStore } from '../stats/stats-store.js';
import { ClientAddress } from './client-address.js';
import { tellGone, type ClientConnection } from './client-connection.js';
import { createClusterManager } from './cluster-manager.js';
import type { DnsResolver, ResolvedAddress } from './dns-resolver.js';

describe('ClusterManager', () => {
  it('uses a static cluster at once', () => {
    const { manager } = setup();
    manager.apply([clusterConfig('a', [endpoint(1)])], []);
    assert.equal(manager.ready, true);
    assert.equal(manager.cluster('a')?.pickHost(undefined)?.addressText, '127.0.0.1:1');
  });

  it('warms an EDS cluster until its first endpoints come', () => {
    const { manager, source } = setup();
    let ready = 0;
    manager.apply([eds('a')], []);
    manager.onReady(() => ready++);
    assert.equal(manager.cluster('a'), undefined);
    assert.equal(ready, 0);
    source.watcher('a').onUpdate(endpoints('a', [1]));
    assert.equal(ready, 1);
    assert.equal(manager.cluster('a')?.pickHost(undefined)?.addressText, '127.0.0.1:1');
  });

  it('uses an EDS cluster without endpoints when none came in time', () => {
    const { manager, source } = setup();
    manager.apply([eds('a')], []);
    source.watcher('a').onAbsent('timeout');
    assert.equal(manager.ready, true);
    assert.equal(manager.cluster('a')?.pickHost(undefined), undefined);
  });

  it('serves the older version while the newer one warms, and keeps its hosts and pools', () => {
    const { manager, source, pools } = setup();
    manager.apply([eds('a')], []);
    source.watcher('a').onUpdate(endpoints('a', [1]));
    const older = manager.cluster('a');
    const host = older?.pickHost(undefined);
    assert.ok(older && host);
    older.pool(host, 'http1', 'default');
    manager.apply([{ ...eds('a'), panicThresholdPercent: 0 }], []);
    assert.equal(manager.cluster('a'), older);
    source.watcher('a').onUpdate(endpoints('a', [1, 2]));
    const newer = manager.cluster('a');
    assert.notEqual(newer, older);
    assert.equal(newer?.hosts.get('127.0.0.1:1'), host);
    assert.equal(pools.length, 1);
    assert.equal(pools[0]?.drained, false);
  });

  it('keeps the last good endpoints when the newer version gets none in time', () => {
    const { manager, source } = setup();
    manager.apply([eds('a')], []);
    source.watcher('a').onUpdate(endpoints('a', [1]));
    manager.apply([{ ...eds('a'), panicThresholdPercent: 0 }], []);
    source.watcher('a').onAbsent('timeout');
    assert.equal(manager.cluster('a')?.pickHost(undefined)?.addressText, '127.0.0.1:1');
  });

  it('drains the pools of a version whose connections are made differently', () => {
    const { manager, pools } = setup();
    manager.apply([clusterConfig('a', [endpoint(1)])], []);
    usePool(manager.cluster('a'));
    manager.apply([clusterConfig('a', [endpoint(1)], { connectTimeoutMs: 1 })], []);
    assert.equal(pools[0]?.drained, true);
  });

  it('drains the pools of hosts that leave, and of clusters that are removed', () => {
    const { manager, source, pools } = setup();
    manager.apply([eds('a'), clusterConfig('b', [endpoint(9)])], []);
    source.watcher('a').onUpdate(endpoints('a', [1]));
    usePool(manager.cluster('a'));
    usePool(manager.cluster('b'));
    source.watcher('a').onUpdate(endpoints('a', [2]));
    assert.equal(pools[0]?.drained, true);
    manager.apply([], ['b']);
    assert.equal(pools[1]?.drained, true);
    assert.equal(manager.cluster('b'), undefined);
  });

  it('keeps a pool for each client whose address connections come from, within a bound, and drains them with the host', () => {
    const { manager, pools, stats } = setup();
    manager.apply([clusterConfig('a', [endpoint(1)])], []);
    const cluster = manager.cluster('a');
    const host = cluster?.pickHost(undefined);
    assert.ok(cluster && host);
    const poolOf = (ip: string): unknown => cluster.pool(host, 'http1', 'default', clientFrom(ip));
    const first = poolOf('10.0.0.1');
    assert.equal(poolOf('10.0.0.1'), first);
    assert.notEqual(poolOf('10.0.0.2'), first);
    assert.notEqual(cluster.pool(host, 'http1', 'default'), first);
    for (const pool of pools) pool.connections = 1;
    for (let client = 0; client < 1_024; client++) {
      poolOf(`10.1.${client >> 8}.${client & 255}`);
      const made = pools.at(-1);
      if (made !== undefined) made.connections = 1;
    }
    assert.equal(pools.filter(({ drained }) => drained).length, 2, 'the oldest made room');
    assert.equal(
      stats.counter('cluster.client_address_pools_dropped', [['envoy_cluster_name', 'a']]).value,
      2,
    );
    manager.apply([], ['a']);
    assert.equal(pools.filter(({ drained }) => !drained).length, 0);
  });

  it('drains the pools of a client that hosts are told of once its connection has closed, and no others', () => {
    const { manager, pools } = setup();
    const transportSocket = { kind: 'raw', proxyProtocol: 1 } as const;
    manager.apply([{ ...clusterConfig('a', [endpoint(1)]), transportSocket }], []);
    const cluster = manager.cluster('a');
    const host = cluster?.pickHost(undefined);
    assert.ok(cluster && host);
    const [leaving, staying] = [clientFrom('10.0.0.1'), clientFrom('10.0.0.2')];
    const first = cluster.pool(host, 'http1', 'default', leaving);
    const other = cluster.pool(host, 'http1', 'default', staying);
    assert.equal(cluster.pool(host, 'http1', 'default', leaving), first);
    for (const pool of pools) pool.connections = 1;
    tellGone(leaving);
    assert.deepEqual(
      pools.map(({ drained }) => drained),
      [true, false],
    );
    assert.notEqual(cluster.pool(host, 'http1', 'default', leaving), first);
    assert.equal(cluster.pool(host, 'http1', 'default', staying), other);
    cluster.drainConnections();
    assert.equal(staying.whenGone?.size, 0, 'a pool that is gone already is not remembered');
  });

  it('resolves names, asks again, and keeps the last good addresses', () => {
    const { manager, clock, dns } = setup();
    manager.apply([strictDns('a', 'shop.local')], []);
    assert.equal(manager.cluster('a'), undefined);
    dns.answer([{ address: '10.0.0.1', family: 4 }]);
    assert.deepEqual([...(manager.cluster('a')?.hosts.keys() ?? [])], ['10.0.0.1:80']);
    clock.advance(5500);
    dns.fail();
    assert.deepEqual([...(manager.cluster('a')?.hosts.keys() ?? [])], ['10.0.0.1:80']);
    clock.advance(600);
    dns.answer([
      { address: '10.0.0.1', family: 4 },
      { address: '10.0.0.2', family: 4 },
    ]);
    assert.deepEqual([...(manager.cluster('a')?.hosts.keys() ?? [])], ['10.0.0.1:80', '10.0.0.2:80']);
    manager.close();
    assert.equal(clock.pendingTimers, 0);
  });

  it('becomes ready when a name cannot be resolved', () => {
    const { manager, dns } = setup();
    manager.apply([strictDns('a', 'nowhere.local')], []);
    dns.fail();
    assert.equal(manager.ready, true);
    assert.equal(manager.cluster('a')?.pickHost(undefined), undefined);
  });

  it('makes a host for each original destination, and forgets it when nobody uses it', () => {
    const { manager, clock } = setup();
    manager.apply(
      [
        clusterConfig('a', [], {
          discovery: { kind: 'original-dst', useHttpHeader: false, portOverride: 0 },
          lbPolicy: { kind: 'cluster-provided' },
        }),
      ],
      [],
    );
    const cluster = manager.cluster('a');
    const destination = { kind: 'socket', host: '10.0.0.7', port: 99, protocol: 'tcp' } as const;
    const host = cluster?.pickHost(destination);
    assert.equal(host?.addressText, '10.0.0.7:99');
    assert.equal(cluster?.pickHost(destination), host);
    assert.equal(cluster?.pickHost(undefined), undefined);
    clock.advance(5000);
    assert.equal(cluster?.hosts.size, 0);
    assert.equal(clock.pendingTimers, 0);
  });

  it('refuses EDS where there is no source of configuration, and applies the rest', () => {
    const { manager } = setup({ withoutSource: true });
    const problems = manager.apply([eds('a'), clusterConfig('b', [endpoint(1)])], []);
    assert.deepEqual(
      problems.map((problem) => problem.resource),
      ['a'],
    );
    assert.ok(manager.cluster('b'));
  });
});

function usePool(cluster: ReturnType<ReturnType<typeof createClusterManager>['cluster']>): void {
  const host = cluster?.pickHost(undefined);
  assert.ok(cluster && host);
  cluster.pool(host, 'http1', 'default');
}

function eds(name: string): ClusterConfig {
  return clusterConfig(name, [], {
    discovery: { kind: 'eds', serviceName: name, initialFetchTimeoutMs: 15_000 },
  });
}

function endpoints(name: string, ports: readonly number[]): EndpointsConfig {
  const { discovery } = clusterConfig(
    name,
    ports.map((port) => endpoint(port)),
  );
  assert.equal(discovery.kind, 'static');
  return discovery.kind === 'static' ? discovery.endpoints : assert.fail();
}

function strictDns(name: string, host: string): ClusterConfig {
  const config = clusterConfig(name, [
    endpoint(80, { address: { kind: 'socket', host, port: 80, protocol: 'tcp' } }),
  ]);
  assert.equal(config.discovery.kind, 'static');
  if (config.discovery.kind !== 'static') assert.fail();
  return {
    ...config,
    discovery: {
      kind: 'strict-dns',
      endpoints: config.discovery.endpoints,
      dns: { refreshRateMs: 5000, respectTtl: false, lookupFamily: 'auto' },
    },
  };
}

class FakePool implements ConnectionPool {
  drained = false;
  readonly activeStreams = 0;
  connections = 0;
  readonly pendingStreams = 0;
  onIdle: (() => void) | undefined = undefined;

  newStream(): undefined {
    return undefined;
  }

  drain(): void {
    this.drained = true;
  }

  close(): void {
    this.drained = true;
  }
}

class FakeSource implements ConfigSource {
  readonly #watchers = new Map<string, ResourceWatcher<EndpointsConfig>>();

  watchEndpoints(name: string, watcher: ResourceWatcher<EndpointsConfig>): { close(): void } {
    this.#watchers.set(name, watcher);
    return { close: () => undefined };
  }

  watchRoutes(): { close(): void } {
    return { close: () => undefined };
  }

  watchRuntime(): { close(): void } {
    return { close: () => undefined };
  }

  watchScopes(): { close(): void } {
    return { close: () => undefined };
  }

  watchExtension(): { close(): void } {
    return { close: () => undefined };
  }

  watcher(name: string): ResourceWatcher<EndpointsConfig> {
    return this.#watchers.get(name) ?? assert.fail(`nobody watches ${name}`);
  }
}

class FakeDns implements DnsResolver {
  #callback: Parameters<DnsResolver['resolve']>[1] | undefined = undefined;

  resolve(_hostname: string, callback: Parameters<DnsResolver['resolve']>[1]): void {
    this.#callback = callback;
  }

  answer(addresses: readonly ResolvedAddress[]): void {
    this.#take()(undefined, addresses, 0);
  }

  fail(): void {
    this.#take()(new Error('not found'), [], 0);
  }

  #take(): Parameters<DnsResolver['resolve']>[1] {
    const callback = this.#callback ?? assert.fail('nothing is being resolved');
    this.#callback = undefined;
    return callback;
  }
}

function clientFrom(ip: string): ClientConnection {
  return {
    ...{
      remoteAddress: `${ip}:1`,
      remoteIp: ip,
      localAddress: '10.9.9.9:80',
      localIp: '10.9.9.9',
      localPort: 80,
    },
    clientAddress: new ClientAddress(ip, new Uint8Array(4), 1, assert.fail),
  };
}

function setup(options: { readonly withoutSource?: boolean } = {}) {
  const clock = new FakeClock();
  const source = new FakeSource();
  const dns = new FakeDns();
  const pools: FakePool[] = [];
  const stats = new StatsStore();
  const manager = createClusterManager({
    clock,
    random: () => 0.5,
    log: silentLogger,
    stats,
    configSource: options.withoutSource === true ? undefined : source,
    resolver: dns,
    createPool: () => {
      const pool = new FakePool();
      pools.push(pool);
      return pool;
    },
  });
  return { manager, clock, source, dns, pools, stats };
}
