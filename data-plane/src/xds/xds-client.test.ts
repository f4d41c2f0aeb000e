import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { silentLogger, systemClock } from '@heddle/common';
import type { ClusterConfig, EndpointsConfig, ListenerConfig, RouteConfig } from '@heddle/engine';
import { envoy, packAny, typeUrls, type PackedAny } from '@heddle/xds-protos';
import type { ResourceSubscription } from '../config-source.js';
import { StatsStore } from '../stats/stats-store.js';
import type { AdsVariant } from './ads-transport.js';
import { FakeAdsServer, type FakeAdsStream } from './fake-ads-server.test-support.js';
import { createGrpcTransport } from './grpc-transport.js';
import { LastGoodStore } from './last-good-store.js';
import { XdsClient, type XdsClientOptions } from './xds-client.js';

function cluster(name: string, connectTimeoutS = 1): PackedAny {
  return packAny(envoy.config.cluster.v3.Cluster, {
    name,
    type: envoy.config.cluster.v3.Cluster.DiscoveryType.EDS,
    connectTimeout: { seconds: connectTimeoutS },
    edsClusterConfig: { edsConfig: { ads: {} } },
  });
}

/** Two things are wrong with it. */
function badCluster(name: string): PackedAny {
  return packAny(envoy.config.cluster.v3.Cluster, {
    name,
    type: envoy.config.cluster.v3.Cluster.DiscoveryType.EDS,
    connectTimeout: { seconds: -1 },
    lbPolicy: 99,
    edsClusterConfig: { edsConfig: { ads: {} } },
  });
}

function endpoints(name: string, port: number): PackedAny {
  return packAny(envoy.config.endpoint.v3.ClusterLoadAssignment, {
    clusterName: name,
    endpoints: [
      {
        lbEndpoints: [
          { endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: port } } } },
        ],
      },
    ],
  });
}

function listener(name: string, port = 0): PackedAny {
  return packAny(envoy.config.listener.v3.Listener, {
    name,
    address: { socketAddress: { address: '127.0.0.1', portValue: port } },
    filterChains: [
      {
        filters: [
          {
            name: 'tcp',
            typedConfig: packAny(envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, {
              statPrefix: 'tcp',
              cluster: 'a',
            }),
          },
        ],
      },
    ],
  });
}

function routes(name: string): PackedAny {
  return packAny(envoy.config.route.v3.RouteConfiguration, {
    name,
    virtualHosts: [
      { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'a' } }] },
    ],
  });
}

/** Stands for both managers: notes what is applied, subscribes to the endpoints of its clusters, is warm when it has them. */
class FakeTargets {
  readonly log: string[] = [];
  readonly endpoints = new Map<string, EndpointsConfig | 'removed' | 'timeout'>();
  readonly #subscriptions = new Map<string, ResourceSubscription>();
  readonly #changed: (() => void)[] = [];
  readonly #warm: (() => void)[] = [];
  source: XdsClient | undefined;
  refuse = new Map<string, string>();

  readonly clusters = {
    apply: (added: readonly ClusterConfig[], removed: readonly string[]) => {
      this.note('clusters', added, removed);
      for (const name of removed) {
        this.#subscriptions.get(name)?.close();
        this.#subscriptions.delete(name);
        this.endpoints.delete(name);
      }
      for (const { name } of added) {
        if (this.#subscriptions.has(name)) continue;
        this.#subscriptions.set(name, this.watch(name));
      }
      return this.refused(added);
    },
    onReady: (callback: () => void) => {
      this.#warm.push(callback);
      this.settle();
    },
  };

  readonly listeners = {
    apply: (added: readonly ListenerConfig[], removed: readonly string[]) => {
      this.note('listeners', added, removed);
      return Promise.resolve(this.refused(added));
    },
    onReady: (callback: () => void) => callback(),
  };

  private watch(name: string): ResourceSubscription {
    return (this.source as XdsClient).watchEndpoints(name, {
      onUpdate: (config) => this.set(name, config),
      onAbsent: (reason) => this.set(name, reason),
    });
  }

  private set(name: string, value: EndpointsConfig | 'removed' | 'timeout'): void {
    this.endpoints.set(name, value);
    this.log.push(`endpoints ${name}`);
    this.changed();
    this.settle();
  }

  private settle(): void {
    if ([...this.#subscriptions.keys()].some((name) => !this.endpoints.has(name))) return;
    for (const callback of this.#warm.splice(0)) callback();
  }

  private refused(added: readonly { readonly name: string }[]): { resource: string; message: string }[] {
    return added.flatMap(({ name }) => {
      const message = this.refuse.get(name);
      return message === undefined ? [] : [{ resource: name, message }];
    });
  }

  private note(what: string, added: readonly { readonly name: string }[], removed: readonly string[]): void {
    const names = added.map(({ name }) => `+${name}`).concat(removed.map((name) => `-${name}`));
    this.log.push(`${what} ${names.join(' ')}`);
    this.changed();
  }

  private changed(): void {
    for (const callback of this.#changed.splice(0)) callback();
  }

  /** Resolves when the log has this line. */
  async until(line: string): Promise<void> {
    while (!this.log.includes(line)) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }
}

const NODE = envoy.config.core.v3.Node.create({ id: 'node', cluster: 'cluster' });

let server: FakeAdsServer;
let targets: FakeTargets;
let client: XdsClient | undefined;

async function start(
  variant: AdsVariant,
  options: Partial<XdsClientOptions> = {},
  beforehand?: (made: XdsClient) => void,
): Promise<XdsClient> {
  targets = new FakeTargets();
  const made = new XdsClient({
    clock: systemClock,
    random: () => 0,
    log: silentLogger,
    stats: new StatsStore(),
    transport: await createGrpcTransport({
      target: { name: 'test', uri: `ipv4:127.0.0.1:${server.port}`, authority: '', security: 'none' },
      metadata: [],
    }),
    variant,
    node: NODE,
    listeners: true,
    clusters: true,
    ...options,
  });
  targets.source = made;
  client = made;
  beforehand?.(made);
  made.start(targets);
  return made;
}

beforeEach(async () => {
  server = await FakeAdsServer.start();
});

afterEach(() => {
  client?.close();
  client = undefined;
  server.stop();
});

function scope(name: string, key: string): PackedAny {
  return packAny(envoy.config.route.v3.ScopedRouteConfiguration, {
    name,
    routeConfigurationName: `routes of ${name}`,
    key: { fragments: [{ stringKey: key }] },
  });
}

function delta(name: string, version: string, resource: PackedAny): envoy.service.discovery.v3.IResource {
  return { name, version, resource };
}

describe('the ADS client, state of the world', () => {
  async function open(options: Partial<XdsClientOptions> = {}): Promise<FakeAdsStream> {
    await start('sotw', options);
    const stream = await server.nextStream();
    assert.equal(stream.variant, 'sotw');
    const first = await stream.nextSotw();
    assert.equal(first.typeUrl, typeUrls.cluster);
    return stream;
  }

  it('says who it is in the first request alone, and acknowledges with version and nonce', async () => {
    const stream = await open();
    assert.equal(stream.requests[0]?.node?.id, 'node');
    stream.sendSotw({ typeUrl: typeUrls.cluster, versionInfo: 'v1', nonce: 'n1', resources: [] });
    const ack = await stream.nextSotw();
    assert.equal(ack.node, null);
    assert.equal(ack.versionInfo, 'v1');
    assert.equal(ack.responseNonce, 'n1');
    assert.equal(ack.errorDetail, null);
  });

  it('asks for endpoints after clusters, and for listeners once those are warm', async () => {
    const stream = await open();
    stream.sendSotw({ typeUrl: typeUrls.cluster, versionInfo: 'v1', nonce: 'n1', resources: [cluster('a')] });
    assert.equal((await stream.nextSotw()).responseNonce, 'n1');
    const eds = await stream.nextSotw();
    assert.equal(eds.typeUrl, typeUrls.clusterLoadAssignment);
    assert.deepEqual(eds.resourceNames, ['a']);
    assert.ok(stream.requests.every((request) => request.typeUrl !== typeUrls.listener));
    stream.sendSotw({
      typeUrl: typeUrls.clusterLoadAssignment,
      versionInfo: 'e1',
      nonce: 'n2',
      resources: [endpoints('a', 1)],
    });
    const next = [await stream.nextSotw(), await stream.nextSotw()];
    assert.deepEqual(
      next.map((request) => request.typeUrl),
      [typeUrls.clusterLoadAssignment, typeUrls.listener],
    );
    assert.equal(client?.ready, false);
    const ready = new Promise<void>((resolve) => client?.onReady(resolve));
    stream.sendSotw({
      typeUrl: typeUrls.listener,
      versionInfo: 'l1',
      nonce: 'n3',
      resources: [listener('x')],
    });
    await ready;
    assert.deepEqual(targets.log, ['clusters +a', 'endpoints a', 'listeners +x']);
  });

  it('applies the good resources of a partly bad answer and names every problem of the rest', async () => {
    const stream = await open();
    stream.sendSotw({
      typeUrl: typeUrls.cluster,
      versionInfo: 'v1',
      nonce: 'n1',
      resources: [cluster('bad')],
    });
    await stream.nextSotw();
    await stream.nextSotw();
    stream.sendSotw({
      typeUrl: typeUrls.cluster,
      versionInfo: 'v2',
      nonce: 'n2',
      resources: [badCluster('bad'), cluster('good'), badCluster('worse')],
    });
    const nack = await stream.nextSotw();
    assert.equal(nack.versionInfo, 'v1');
    assert.equal(nack.responseNonce, 'n2');
    const text = nack.errorDetail?.message ?? '';
    assert.match(text, /cluster "bad": connect_timeout: /);
    assert.match(text, /cluster "bad": lb_policy: /);
    assert.match(text, /cluster "worse": connect_timeout: /);
    assert.ok(!text.includes('good'));
    // What was refused keeps what it was before, and is not taken for removed.
    assert.deepEqual(
      targets.log.filter((line) => line.startsWith('clusters')),
      ['clusters +bad', 'clusters +good'],
    );
    const state = client?.resources(typeUrls.cluster);
    assert.deepEqual(
      state?.held.map(({ name, version }) => [name, version]),
      [
        ['bad', 'v1'],
        ['good', 'v2'],
      ],
    );
    assert.deepEqual(
      state?.refused.map(({ name, version }) => [name, version]),
      [
        ['bad', 'v2'],
        ['worse', 'v2'],
      ],
    );
  });

  it('asks for scopes of routes when somebody wants them, and refuses a key that is taken', async () => {
    const stream = await open();
    const heard: string[][] = [];
    const subscription = client?.watchScopes({
      onUpdate: (scopes) => heard.push(scopes.map(({ name }) => name)),
      onAbsent: () => assert.fail('they came'),
    });
    const request = await stream.nextSotw();
    assert.equal(request.typeUrl, typeUrls.scopedRouteConfiguration);
    assert.deepEqual(request.resourceNames, []);
    const send = (version: string, ...resources: PackedAny[]): void =>
      stream.sendSotw({
        typeUrl: typeUrls.scopedRouteConfiguration,
        versionInfo: version,
        nonce: version,
        resources,
      });
    send('1', scope('a', 'eu'), scope('b', 'us'));
    assert.equal((await stream.nextSotw()).errorDetail, null);
    send('2', scope('a', 'eu'), scope('b', 'us'), scope('c', 'eu'));
    const nack = await stream.nextSotw();
    assert.match(
      nack.errorDetail?.message ?? '',
      /scope of routes "c": key: is the key of scope "a" as well/,
    );
    send('3', scope('c', 'eu'));
    assert.equal((await stream.nextSotw()).errorDetail, null);
    assert.deepEqual(heard, [['a', 'b'], ['a', 'b'], ['c']]);
    let late: readonly string[] = [];
    client?.watchScopes({
      onUpdate: (scopes) => (late = scopes.map(({ name }) => name)),
      onAbsent: () => undefined,
    });
    assert.deepEqual(late, ['c']);
    subscription?.close();
  });

  it('turns a full answer into what changed and what went', async () => {
    const stream = await open();
    const send = (version: string, ...resources: PackedAny[]): void =>
      stream.sendSotw({ typeUrl: typeUrls.cluster, versionInfo: version, nonce: version, resources });
    send('v1', cluster('a'), cluster('b'), cluster('c'));
    send('v2', cluster('a'), cluster('b', 2));
    await targets.until('clusters +b -c');
    assert.deepEqual(targets.log, ['clusters +a +b +c', 'clusters +b -c']);
  });

  it('refuses a name that is there twice, and bytes that are no resource', async () => {
    const stream = await open();
    stream.sendSotw({
      typeUrl: typeUrls.cluster,
      versionInfo: 'v1',
      nonce: 'n1',
      resources: [
        cluster('a'),
        cluster('a', 2),
        cluster('b'),
        { typeUrl: typeUrls.cluster, value: Buffer.from([0xff, 0xff]) },
        { typeUrl: typeUrls.listener, value: Buffer.alloc(0) },
      ],
    });
    const message = (await stream.nextSotw()).errorDetail?.message ?? '';
    assert.match(message, /cluster "a": is there more than once/);
    assert.match(message, /cannot be decoded/);
    assert.match(message, /expected .*Cluster, found .*Listener/);
    assert.deepEqual(targets.log, ['clusters +b']);
  });

  it('refuses what the manager refuses, with its reason', async () => {
    const stream = await open();
    targets.refuse.set('a', 'the address is taken');
    stream.sendSotw({
      typeUrl: typeUrls.cluster,
      versionInfo: 'v1',
      nonce: 'n1',
      resources: [cluster('a'), cluster('b')],
    });
    assert.equal((await stream.nextSotw()).errorDetail?.message, 'cluster "a": the address is taken');
    assert.deepEqual(
      client?.resources(typeUrls.cluster).held.map(({ name }) => name),
      ['b'],
    );
  });

  it('passes over an answer of a type that was not asked for', async () => {
    const stream = await open();
    stream.sendSotw({
      typeUrl: typeUrls.routeConfiguration,
      versionInfo: 'r',
      nonce: 'r',
      resources: [routes('r')],
    });
    stream.sendSotw({ typeUrl: 'type.googleapis.com/made.Up', versionInfo: 'm', nonce: 'm', resources: [] });
    stream.sendSotw({ typeUrl: typeUrls.cluster, versionInfo: 'v1', nonce: 'n1', resources: [] });
    assert.equal((await stream.nextSotw()).responseNonce, 'n1');
    assert.equal(client?.resources(typeUrls.routeConfiguration).held.length, 0);
  });

  it('tells the version it holds when it comes back, and not after it refused a part', async () => {
    const stream = await open();
    stream.sendSotw({ typeUrl: typeUrls.cluster, versionInfo: 'v1', nonce: 'n1', resources: [] });
    await stream.nextSotw();
    stream.end();
    const second = await server.nextStream();
    const again = await second.nextSotw();
    assert.equal(again.versionInfo, 'v1');
    assert.equal(again.responseNonce, '');
    assert.equal(again.node?.id, 'node');
    second.sendSotw({
      typeUrl: typeUrls.cluster,
      versionInfo: 'v2',
      nonce: 'n2',
      resources: [badCluster('x')],
    });
    while ((await second.nextSotw()).errorDetail === null);
    second.end();
    assert.equal((await (await server.nextStream()).nextSotw()).versionInfo, '');
  });

  it('subscribes to routes as long as somebody watches them', async () => {
    const stream = await open();
    const seen: string[] = [];
    const watcher = {
      onUpdate: (config: RouteConfig) => void seen.push(config.name),
      onAbsent: (reason: string) => void seen.push(reason),
    };
    const one = client?.watchRoutes('r', watcher);
    assert.deepEqual((await stream.nextSotw()).resourceNames, ['r']);
    stream.sendSotw({
      typeUrl: typeUrls.routeConfiguration,
      versionInfo: 'r1',
      nonce: 'n1',
      resources: [routes('r')],
    });
    await stream.nextSotw();
    assert.deepEqual(seen, ['r']);
    // Known already: told at once, and nothing is asked.
    const two = client?.watchRoutes('r', watcher);
    assert.deepEqual(seen, ['r', 'r']);
    one?.close();
    two?.close();
    const dropped = await stream.nextSotw();
    assert.equal(dropped.typeUrl, typeUrls.routeConfiguration);
    assert.deepEqual(dropped.resourceNames, []);
    assert.equal(client?.resources(typeUrls.routeConfiguration).held.length, 0);
  });

  it('tells who waits when a resource does not come in time', async () => {
    await open();
    const reason = await new Promise((resolve) =>
      client?.watchRoutes('never', { onUpdate: () => resolve('update'), onAbsent: resolve }, 5),
    );
    assert.equal(reason, 'timeout');
  });
});

describe('the ADS client, incremental', () => {
  async function open(options: Partial<XdsClientOptions> = {}): Promise<FakeAdsStream> {
    await start('delta', options);
    const stream = await server.nextStream();
    assert.equal(stream.variant, 'delta');
    const first = await stream.nextDelta();
    assert.equal(first.typeUrl, typeUrls.cluster);
    assert.deepEqual(first.resourceNamesSubscribe, []);
    assert.equal(first.node?.id, 'node');
    return stream;
  }

  it('acknowledges by nonce, and subscribes and unsubscribes names as clusters come and go', async () => {
    const stream = await open();
    stream.sendDelta({
      typeUrl: typeUrls.cluster,
      nonce: 'n1',
      resources: [delta('a', '1', cluster('a')), delta('b', '1', cluster('b'))],
    });
    const ack = await stream.nextDelta();
    assert.equal(ack.responseNonce, 'n1');
    assert.equal(ack.errorDetail, null);
    assert.deepEqual((await stream.nextDelta()).resourceNamesSubscribe, ['a', 'b']);
    stream.sendDelta({ typeUrl: typeUrls.cluster, nonce: 'n2', removedResources: ['a'] });
    assert.equal((await stream.nextDelta()).responseNonce, 'n2');
    const eds = await stream.nextDelta();
    assert.deepEqual(eds.resourceNamesUnsubscribe, ['a']);
    assert.deepEqual(eds.resourceNamesSubscribe, []);
    assert.deepEqual(targets.log, ['clusters +a +b', 'clusters -a']);
  });

  it('asks for runtime settings first, and for all else when they have come or are too late', async () => {
    const watcher = { onUpdate: () => undefined, onAbsent: () => undefined };
    await start('delta', {}, (made) => made.watchRuntime('layer', watcher, 0));
    const stream = await server.nextStream();
    const first = await stream.nextDelta();
    assert.deepEqual([first.typeUrl, first.resourceNamesSubscribe], [typeUrls.runtime, ['layer']]);
    const layer = packAny(envoy.service.runtime.v3.Runtime, { name: 'layer' });
    stream.sendDelta({ typeUrl: typeUrls.runtime, nonce: 'n1', resources: [delta('layer', '1', layer)] });
    const acknowledged = await stream.nextDelta();
    assert.deepEqual([acknowledged.typeUrl, acknowledged.responseNonce], [typeUrls.runtime, 'n1']);
    assert.equal((await stream.nextDelta()).typeUrl, typeUrls.cluster);
    client?.close();
    await start('delta', {}, (made) => made.watchRuntime('never', watcher, 5));
    const another = await server.nextStream();
    assert.equal((await another.nextDelta()).typeUrl, typeUrls.runtime);
    assert.equal((await another.nextDelta()).typeUrl, typeUrls.cluster);
  });

  it('asks for a cluster by name beside all others, until it is not there', async () => {
    const stream = await open();
    stream.sendDelta({ typeUrl: typeUrls.cluster, nonce: 'n1' });
    await stream.nextDelta();
    assert.equal((await stream.nextDelta()).typeUrl, typeUrls.listener);
    const answered = new Promise<void>((resolve) => client?.fetchCluster('late', resolve));
    assert.deepEqual((await stream.nextDelta()).resourceNamesSubscribe, ['*', 'late']);
    stream.sendDelta({ typeUrl: typeUrls.cluster, nonce: 'n2', removedResources: ['late'] });
    await answered;
    assert.equal((await stream.nextDelta()).responseNonce, 'n2');
    assert.deepEqual((await stream.nextDelta()).resourceNamesUnsubscribe, ['late']);
  });

  it('refuses a part with every problem while the rest applies, and keeps the last good', async () => {
    const stream = await open();
    stream.sendDelta({ typeUrl: typeUrls.cluster, nonce: 'n1', resources: [delta('a', '1', cluster('a'))] });
    await stream.nextDelta();
    await stream.nextDelta();
    stream.sendDelta({
      typeUrl: typeUrls.cluster,
      nonce: 'n2',
      resources: [
        delta('a', '2', badCluster('a')),
        delta('c', '1', cluster('c')),
        delta('d', '1', cluster('e')),
      ],
    });
    const nack = await stream.nextDelta();
    assert.equal(nack.responseNonce, 'n2');
    assert.match(nack.errorDetail?.message ?? '', /cluster "a": connect_timeout: /);
    assert.match(nack.errorDetail?.message ?? '', /cluster "a": lb_policy: /);
    assert.match(nack.errorDetail?.message ?? '', /cluster "d": .*calls itself "e"/);
    assert.deepEqual(targets.log, ['clusters +a', 'clusters +c']);
    const held = client?.resources(typeUrls.cluster).held.map(({ name, version }) => `${name} ${version}`);
    assert.deepEqual(held, ['a 1', 'c 1']);
  });

  it('does not apply content again that only has a new version', async () => {
    const stream = await open();
    stream.sendDelta({ typeUrl: typeUrls.cluster, nonce: 'n1', resources: [delta('a', '1', cluster('a'))] });
    stream.sendDelta({ typeUrl: typeUrls.cluster, nonce: 'n2', resources: [delta('a', '2', cluster('a'))] });
    stream.sendDelta({
      typeUrl: typeUrls.cluster,
      nonce: 'n3',
      resources: [delta('a', '3', cluster('a', 9))],
    });
    while ((await stream.nextDelta()).responseNonce !== 'n3');
    assert.deepEqual(targets.log, ['clusters +a', 'clusters +a']);
    assert.equal(client?.resources(typeUrls.cluster).held[0]?.version, '3');
  });

  it('tells what it holds when it comes back', async () => {
    const stream = await open();
    stream.sendDelta({ typeUrl: typeUrls.cluster, nonce: 'n1', resources: [delta('a', '7', cluster('a'))] });
    await stream.nextDelta();
    await stream.nextDelta();
    stream.sendDelta({
      typeUrl: typeUrls.clusterLoadAssignment,
      nonce: 'n2',
      resources: [delta('a', '8', endpoints('a', 1))],
    });
    await targets.until('endpoints a');
    stream.end();
    const second = await server.nextStream();
    const clusters = await second.nextDelta();
    const eds = await second.nextDelta();
    assert.deepEqual({ ...clusters.initialResourceVersions }, { a: '7' });
    assert.equal(eds.typeUrl, typeUrls.clusterLoadAssignment);
    assert.deepEqual({ ...eds.initialResourceVersions }, { a: '8' });
    assert.deepEqual(eds.resourceNamesSubscribe, ['a']);
    // What changed meanwhile arrives as a change.
    second.sendDelta({ typeUrl: typeUrls.cluster, nonce: 'n1', removedResources: ['a'] });
    await targets.until('clusters -a');
  });

  it('tells who watches a resource that the server removes', async () => {
    const stream = await open();
    stream.sendDelta({ typeUrl: typeUrls.cluster, nonce: 'n1', resources: [delta('a', '1', cluster('a'))] });
    await stream.nextDelta();
    await stream.nextDelta();
    stream.sendDelta({ typeUrl: typeUrls.clusterLoadAssignment, nonce: 'n2', removedResources: ['a'] });
    await targets.until('endpoints a');
    assert.equal(targets.endpoints.get('a'), 'removed');
  });
});

describe('the ADS client, when the control plane does not answer', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'heddle-last-good-'));
  });

  afterEach(async () => {
    client?.close();
    await rm(folder, { recursive: true, force: true });
  });

  function store(): LastGoodStore {
    return new LastGoodStore({
      directory: folder,
      nodeId: 'node',
      nodeCluster: 'cluster',
      clock: systemClock,
      log: silentLogger,
      stats: new StatsStore(),
      debounceMs: 1_000_000,
    });
  }

  for (const variant of ['sotw', 'delta'] as const) {
    it(`starts from what it last had, and takes over what the server says later (${variant})`, async () => {
      const lastGood = store();
      await start(variant, { lastGood });
      const stream = await server.nextStream();
      const answer = (typeUrl: string, name: string, resource: PackedAny): void => {
        if (variant === 'sotw') {
          stream.sendSotw({ typeUrl, versionInfo: 'v1', nonce: 'n', resources: [resource] });
        } else {
          stream.sendDelta({
            typeUrl,
            systemVersionInfo: 'v1',
            nonce: 'n',
            resources: [delta(name, 'v1', resource)],
          });
        }
      };
      const ready = new Promise<void>((resolve) => client?.onReady(resolve));
      const until = async (typeUrl: string): Promise<void> => {
        while ((await stream.next()).typeUrl !== typeUrl);
      };
      await until(typeUrls.cluster);
      answer(typeUrls.cluster, 'a', cluster('a'));
      await until(typeUrls.clusterLoadAssignment);
      answer(typeUrls.clusterLoadAssignment, 'a', endpoints('a', 4242));
      await until(typeUrls.listener);
      answer(typeUrls.listener, 'x', listener('x'));
      await ready;
      await lastGood.flush();
      client?.close();
      const { port } = server;
      server.stop();

      // Nobody listens there now.
      const again = await start(variant, { lastGood: store() });
      await new Promise<void>((resolve) => again.onReady(resolve));
      assert.deepEqual(targets.log, ['endpoints a', 'clusters +a', 'listeners +x'].sort());
      const held = targets.endpoints.get('a');
      assert.ok(typeof held === 'object');
      assert.equal(again.state.lastGoodInUse, true);
      assert.equal(again.state.connected, false);

      server = await FakeAdsServer.start(port);
      const back = await server.nextStream();
      await back.next();
      if (variant === 'sotw') {
        back.sendSotw({
          typeUrl: typeUrls.cluster,
          versionInfo: 'v2',
          nonce: 'n',
          resources: [cluster('b')],
        });
      } else {
        back.sendDelta({
          typeUrl: typeUrls.cluster,
          nonce: 'n',
          resources: [delta('b', '1', cluster('b'))],
          removedResources: ['a'],
        });
      }
      await targets.until('clusters +b -a');
      while ((await back.next()).responseNonce !== 'n');
      assert.equal(again.state.lastGoodInUse, false);
    });
  }

  it('is not ready without a configuration', async () => {
    server.stop();
    const made = await start('delta', { lastGood: store() });
    const absent = await new Promise((resolve) =>
      made.watchRoutes('r', { onUpdate: () => resolve('update'), onAbsent: resolve }, 20),
    );
    assert.equal(absent, 'timeout');
    assert.equal(made.ready, false);
    assert.deepEqual(targets.log, []);
  });

  it('starts from what it last had when the server takes the stream and says nothing, and says what it holds', async () => {
    const lastGood = store();
    lastGood.save(() => ({
      writtenAtMs: 1,
      types: [
        {
          typeUrl: typeUrls.cluster,
          version: 'v',
          resources: [{ name: 'a', version: '5', typeUrl: typeUrls.cluster, bytes: cluster('a').value }],
        },
        { typeUrl: typeUrls.listener, version: 'v', resources: [] },
      ],
    }));
    await lastGood.flush();
    await start('delta', { lastGood: store(), lastGoodDelayMs: 5 });
    const silent = await server.nextStream();
    assert.deepEqual({ ...(await silent.nextDelta()).initialResourceVersions }, {});
    const second = await server.nextStream();
    assert.deepEqual({ ...(await second.nextDelta()).initialResourceVersions }, { a: '5' });
    assert.deepEqual(targets.log, ['clusters +a']);
  });
});
