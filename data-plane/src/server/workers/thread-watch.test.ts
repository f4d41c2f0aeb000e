import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@heddle/common';
import type { ClusterConfig } from '@heddle/engine';
import type { Cluster } from '../../cluster/cluster.js';
import { createClusterManager, type ClusterManager } from '../../cluster/cluster-manager.js';
import type { ResolvedAddress } from '../../cluster/dns-resolver.js';
import type { Host } from '../../cluster/host.js';
import { SharedCells } from '../../shared/shared-cells.js';
import { StatsStore } from '../../stats/stats-store.js';
import { clusterConfig, endpoint, eventually, startBackend } from '../../testing/proxy-under-test.js';
import { HEALTH_CHECK, OUTLIER_DETECTION } from '../../testing/watched-hosts.js';
import { ThreadWatch } from './thread-watch.js';
import { WatchRelay, type WatchingWorker } from './watch-relay.js';

describe('threads that watch hosts together', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function backend(
    status: () => number,
  ): Promise<{ readonly port: number; readonly asked: () => number }> {
    let asked = 0;
    const { port, close } = await startBackend((_, response) => {
      asked++;
      response.statusCode = status();
      response.end();
    });
    closing.push(close);
    return { port, asked: () => asked };
  }

  function start(): Threads {
    const threads = new Threads();
    closing.push(() => threads.close());
    return threads;
  }

  it('ask a host once for all of them, and all know what it said', async () => {
    const threads = start();
    let status = 200;
    const { port, asked } = await backend(() => status);
    threads.apply(
      clusterConfig('c', [endpoint(port)], { healthCheck: HEALTH_CHECK, panicThresholdPercent: 0 }),
    );
    await eventually(() => threads.managers.every(({ ready }) => ready));
    assert.equal(asked(), 1);
    assert.deepEqual(threads.health('c'), ['healthy', 'healthy']);
    status = 500;
    threads.clock.advance(HEALTH_CHECK.noTrafficHealthyIntervalMs);
    await eventually(() => threads.health('c').every((health) => health === 'unhealthy'));
    assert.equal(threads.managers[1]?.cluster('c')?.pickHost(undefined), undefined);
    assert.equal(asked(), 2);
    status = 200;
    threads.clock.advance(HEALTH_CHECK.noTrafficIntervalMs);
    await eventually(() => threads.health('c').every((health) => health === 'healthy'));
  });

  it('take a host that leaves and comes again for one of which nothing is known', async () => {
    const threads = start();
    const { port, asked } = await backend(() => 200);
    const config = clusterConfig('c', [endpoint(port)], { healthCheck: HEALTH_CHECK });
    threads.apply(config);
    await eventually(() => threads.managers.every(({ ready }) => ready));
    for (const { manager } of threads.all) manager.apply([], ['c']);
    threads.apply(config);
    await eventually(() => threads.managers.every(({ ready }) => ready));
    assert.equal(asked(), 2);
    assert.deepEqual(threads.health('c'), ['healthy', 'healthy']);
  });

  it('hear from any of them that a host asked to be left out', async () => {
    const threads = start();
    const { port } = await backend(() => 200);
    threads.apply(clusterConfig('c', [endpoint(port)], { healthCheck: HEALTH_CHECK }));
    await eventually(() => threads.managers.every(({ ready }) => ready));
    const [, follower] = threads.clusters('c');
    follower.healthChecker?.onPassiveFailure(onlyHost(follower));
    await eventually(() => threads.health('c').every((health) => health === 'unhealthy'));
    threads.clock.advance(HEALTH_CHECK.noTrafficIntervalMs);
    await eventually(() => threads.health('c').every((health) => health === 'healthy'));
  });

  it('eject a host by what all of them met there, and let it back together', async () => {
    const threads = start();
    const outlierDetection = { ...OUTLIER_DETECTION, alwaysEjectOneHost: true };
    threads.apply(clusterConfig('c', [endpoint(1), endpoint(2)], { outlierDetection }));
    const [watcher, follower] = threads.clusters('c');
    const fail = (cluster: Cluster, port: number, times: number): void => {
      for (let i = 0; i < times; i++)
        cluster.outlier?.onResponse(cluster.hosts.get(`127.0.0.1:${port}`) as Host, 503);
    };
    fail(watcher, 1, 2);
    fail(follower, 1, 2);
    assert.deepEqual(threads.health('c'), ['healthy', 'healthy']);
    fail(follower, 1, 1);
    await eventually(() => threads.health('c').every((health) => health === 'unhealthy'));
    assert.equal(threads.counter('cluster.outlier_detection.ejections_enforced_total', 'c'), 1);
    fail(watcher, 2, 5);
    assert.equal(watcher.hosts.get('127.0.0.1:2')?.health, 'healthy', 'one is as many as may be ejected');
    threads.clock.advance(OUTLIER_DETECTION.baseEjectionTimeMs + OUTLIER_DETECTION.intervalMs);
    await eventually(() => threads.health('c').every((health) => health === 'healthy'));
    fail(watcher, 1, 3);
    fail(follower, 1, 1);
    assert.deepEqual(threads.health('c'), ['healthy', 'healthy'], 'it begins anew');
  });

  it('resolve names once, for those that want them later too', async () => {
    const threads = start();
    const config: ClusterConfig = {
      ...clusterConfig('c', []),
      discovery: strictDns('c', 'shop.local'),
    };
    threads.apply(config);
    assert.deepEqual(threads.asked, ['shop.local']);
    threads.answer(['10.0.0.1', '10.0.0.2']);
    await eventually(() => threads.managers.every(({ ready }) => ready));
    const hosts = (): readonly string[] =>
      threads.clusters('c').map(({ hosts: all }) => [...all.keys()].join(' '));
    assert.deepEqual(hosts(), ['10.0.0.1:80 10.0.0.2:80', '10.0.0.1:80 10.0.0.2:80']);
    // Another version wants the same, and finds it known.
    threads.apply({ ...config, panicThresholdPercent: 0 });
    threads.answer(['10.0.0.1', '10.0.0.2']);
    await eventually(() => threads.managers.every(({ ready }) => ready));
    threads.clock.advance(6_000);
    threads.answer(['10.0.0.3']);
    await eventually(() => hosts().every((all) => all === '10.0.0.3:80'));
    const again = threads.join(1);
    again.apply([config], []);
    await eventually(() => again.ready);
    assert.deepEqual([...(again.cluster('c')?.hosts.keys() ?? [])], ['10.0.0.3:80']);
    assert.equal(threads.asked.length, 3);
  });
});

/** Two threads of one process, in one thread of this one. */
class Threads {
  readonly clock = new FakeClock();
  readonly asked: string[] = [];
  readonly #memory = SharedCells.allocate(64);
  readonly #workers: { link: WatchingWorker }[] = [];
  readonly #relay = new WatchRelay(this.#workers);
  readonly #answers: ((addresses: readonly string[]) => void)[] = [];
  readonly all: { readonly manager: ClusterManager; readonly stats: StatsStore }[] = [];

  constructor() {
    this.join(0);
    this.join(1);
  }

  /** One more that stands at this place. */
  join(index: number): ClusterManager {
    const relay = this.#relay;
    const watch = new ThreadWatch(index === 0, new SharedCells(this.#memory), {
      tell: (kind, body) => (relay[kind] as (from: number, body: unknown) => void).call(relay, index, body),
    });
    this.#workers[index] = {
      link: {
        tell: (kind, body) => {
          if (kind === 'health') watch.onTold(body as readonly string[]);
          else watch.onNames(body as Parameters<ThreadWatch['onNames']>[0]);
        },
      },
    };
    const stats = new StatsStore();
    const manager = createClusterManager({
      clock: this.clock,
      random: () => 0,
      log: silentLogger,
      stats,
      cells: new SharedCells(this.#memory),
      watch,
      resolver: {
        resolve: (name, callback) => {
          this.asked.push(name);
          this.#answers.push((addresses) =>
            callback(
              undefined,
              addresses.map((address): ResolvedAddress => ({ address, family: 4 })),
              0,
            ),
          );
        },
      },
    });
    this.all.push({ manager, stats });
    return manager;
  }

  get managers(): readonly ClusterManager[] {
    return this.all.map(({ manager }) => manager);
  }

  apply(config: ClusterConfig): void {
    for (const manager of this.managers) assert.deepEqual(manager.apply([config], []), []);
  }

  answer(addresses: readonly string[]): void {
    for (const answer of this.#answers.splice(0)) answer(addresses);
  }

  clusters(name: string): [Cluster, Cluster] {
    return this.managers.map((manager) => manager.cluster(name)) as [Cluster, Cluster];
  }

  /** Of the first host, in each thread. */
  health(name: string): readonly string[] {
    return this.clusters(name).map((cluster) => [...cluster.hosts.values()][0]?.health ?? 'no host');
  }

  counter(name: string, cluster: string): number {
    const tags = [['envoy_cluster_name', cluster]] as const;
    return this.all.reduce((sum, { stats }) => sum + stats.counter(name, tags).value, 0);
  }

  close(): void {
    for (const manager of this.managers) manager.close();
    assert.equal(this.clock.pendingTimers, 0);
  }
}

function onlyHost({ hosts }: Cluster): Host {
  const [host] = hosts.values();
  assert.ok(host);
  return host;
}

function strictDns(clusterName: string, host: string): ClusterConfig['discovery'] {
  const address = { kind: 'socket', host, port: 80, protocol: 'tcp' } as const;
  return {
    kind: 'strict-dns',
    endpoints: {
      clusterName,
      localities: [
        {
          ...{ region: '', zone: '', subZone: '', priority: 0, weight: 0 },
          endpoints: [{ ...endpoint(80), address }],
        },
      ],
      dropRatio: 0,
      overprovisioningFactorPercent: 140,
    },
    dns: { refreshRateMs: 5000, respectTtl: false, lookupFamily: 'auto' },
  };
}
