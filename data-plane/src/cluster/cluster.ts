import type { Clock, Logger, Random } from '@heddle/common';
import {
  createLoadBalancer,
  formatAddress,
  parseAddress,
  type AddressConfig,
  type ClusterConfig,
  type EndpointConfig,
  type EndpointsConfig,
  type FilterState,
  type Hash64,
  type LbLocality,
  type LoadBalancer,
  type StreamInfo,
} from '@heddle/engine';
import type { ConnectionPool } from '../codec/stream.js';
import type { ClientConnection } from './client-connection.js';
import type { ClusterStats } from './cluster-stats.js';
import type { ClusterTransports } from './cluster-transports.js';
import type { InternalListeners } from './internal-listeners.js';
import { HealthCheckStats } from './health-check/health-check-stats.js';
import { FollowedHealth } from './health-check/followed-health.js';
import { HealthChecker } from './health-check/health-checker.js';
import { CHECKED_FLAGS, HEALTH_FLAG } from './health-flag.js';
import { Host, type Locality } from './host.js';
import type { HostCounterPages } from './host-counters.js';
import { OutlierDetector } from './outlier/outlier-detector.js';
import { OutlierStats } from './outlier/outlier-stats.js';
import { connectEventOf, openSocket } from './open-socket.js';
import type { PoolFactory, PoolProtocol } from './pool-factory.js';
import type { ResourceManager } from './resource-manager.js';
import type { SharedSlot } from '../shared/shared-cells.js';
import type { SharedWatch } from './shared-watch.js';
import type { StatsStore } from '../stats/stats-store.js';
import { WatchedSlot } from './watched-slot.js';

/** What every cluster is given by the manager. */
export interface ClusterContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly createPool: PoolFactory;
  readonly hostCounters: HostCounterPages;
  readonly statsStore: StatsStore;
  readonly internalListeners: InternalListeners;
  /** Undefined: there is one thread. */
  readonly watch: SharedWatch | undefined;
}

/** Hosts that no request has used for this long leave an ORIGINAL_DST cluster. */
const ORIGINAL_DST_CLEANUP_MS = 5000;
/** Bound of the hosts of an ORIGINAL_DST cluster; beyond it a request is answered as if no host were healthy. */
const MOST_ORIGINAL_DST_HOSTS = 10_000;

/** Of the memory that threads have of a cluster together: whether it ever had a connection for a request. The first is the lock. */
const HAS_TRAFFIC = 1;

/** Of a host's pools: each protocol has one for either priority. */
const POOL_SLOT: Readonly<Record<PoolProtocol, number>> = { http1: 0, http2: 2, auto: 4 };

const NO_LOCALITY: Locality = Object.freeze({ region: '', zone: '', subZone: '' });
const ORIGINAL_DST_ENDPOINT = Object.freeze({
  hostname: '',
  health: 'unknown',
  weight: 1,
  metadata: Object.freeze({}),
} as const);

/**
 * One cluster as requests see it: its hosts, the load balancer over them, and their connection pools.
 *
 * Whatever discovers endpoints (static config, DNS, EDS) calls `setEndpoints`; see `endpoint-discovery.ts`.
 */
export class Cluster {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  /** Circuit breakers by priority. */
  readonly resources: { readonly default: ResourceManager; readonly high: ResourceManager };
  /** undefined: no host is ejected. */
  readonly outlier: OutlierDetector | undefined;
  /** undefined: bare plain text is spoken to every host. */
  readonly transports: ClusterTransports | undefined;
  /** undefined: nobody asks hosts whether they serve. */
  readonly healthChecker: HealthChecker | FollowedHealth | undefined;
  /** Where its hosts are watched together with other threads. */
  readonly #watch: SharedWatch | undefined;
  readonly #sharedKey: string;
  readonly #shared: SharedSlot | undefined;
  readonly #context: ClusterContext;
  readonly #hosts: Map<string, Host>;
  #balancer: LoadBalancer<Host>;
  #overprovisioning = 140;
  #endpoints: EndpointsConfig | undefined = undefined;
  #cleanup: { cancel(): void } | undefined = undefined;
  #closed = false;

  constructor(
    config: ClusterConfig,
    stats: ClusterStats,
    resources: Cluster['resources'],
    context: ClusterContext,
    hosts: Map<string, Host> = new Map(),
    transports?: ClusterTransports,
    sharedKey = '',
  ) {
    this.config = config;
    this.stats = stats;
    this.resources = resources;
    this.#context = context;
    this.#hosts = hosts;
    this.transports = transports;
    this.#balancer = this.#createBalancer();
    const isWatched = config.healthCheck !== undefined || config.outlierDetection !== undefined;
    this.#watch = isWatched ? context.watch : undefined;
    this.#sharedKey = sharedKey;
    this.#shared = this.#watch?.slot(`watched cluster ${sharedKey}`);
    for (const host of hosts.values()) this.#share(host, false);
    this.outlier = this.#createOutlierDetector();
    this.healthChecker = this.#createHealthChecker();
  }

  get name(): string {
    return this.config.name;
  }

  /** Share of requests to answer with 503 because the endpoints' policy says so, 0..1. */
  get dropRatio(): number {
    return this.#endpoints?.dropRatio ?? 0;
  }

  /** The last endpoints that it was told of. */
  get endpoints(): EndpointsConfig | undefined {
    return this.#endpoints;
  }

  /** All members, by address. */
  get hosts(): ReadonlyMap<string, Host> {
    return this.#hosts;
  }

  /** Whether it is hashes that choose hosts; else nobody needs to make one. */
  get picksByHash(): boolean {
    const { kind } = this.config.lbPolicy;
    return kind === 'ring-hash' || kind === 'maglev';
  }

  /**
   * The host for the next request; undefined when none may be used. `originalDestination` is where an intercepted connection was
   * going; only ORIGINAL_DST clusters look at it. `hash` and `attempt`: see `LoadBalancer.pick`.
   */
  pickHost(
    originalDestination: AddressConfig | undefined,
    hash?: Hash64,
    attempt?: number,
  ): Host | undefined {
    if (this.config.discovery.kind === 'original-dst') return this.#originalDstHost(originalDestination);
    return this.#balancer.pick(hash, attempt);
  }

  /** Where something goes, for `pickHost`: where it was going, unless its metadata says otherwise and the cluster listens to that. */
  destinationOf(
    going: Pick<StreamInfo, 'dynamicMetadata'> & { readonly originalDestination: AddressConfig | undefined },
  ): AddressConfig | undefined {
    const { discovery } = this.config;
    if (discovery.kind !== 'original-dst' || discovery.metadataKey === undefined)
      return going.originalDestination;
    const { namespace, path } = discovery.metadataKey;
    let value: unknown = going.dynamicMetadata?.get(namespace);
    for (const key of path) value = (value as Readonly<Record<string, unknown>> | undefined)?.[key];
    return (typeof value === 'string' ? parseAddress(value) : undefined) ?? going.originalDestination;
  }

  /** What is spoken to the hosts for a request that came by HTTP/2, or by another version. */
  poolProtocol(isHttp2: boolean): PoolProtocol {
    const { codec } = this.config.protocol;
    if (codec === 'use-downstream') return isHttp2 ? 'http2' : 'http1';
    return codec;
  }

  /** The pool for a host, made when first needed: where its connections tell of `client` or come from there, it is that client's alone. */
  pool(
    host: Host,
    protocol: PoolProtocol,
    priority: 'default' | 'high',
    client?: ClientConnection,
  ): ConnectionPool {
    const slot = POOL_SLOT[protocol] + (priority === 'default' ? 0 : 1);
    const clientKey = client === undefined ? undefined : clientKeyOf(host, client);
    if (clientKey !== undefined) {
      const make = (): ConnectionPool =>
        this.#context.createPool({ cluster: this, host, protocol, priority, client });
      const owner = tellsOfClient(host) ? client : undefined;
      return host.clientPool(`${slot} ${clientKey}`, owner, make, () =>
        this.#context.statsStore.counter('cluster.client_address_pools_dropped', this.stats.tags).inc(),
      );
    }
    let pool = host.pools[slot];
    if (pool === undefined) {
      pool = this.#context.createPool({ cluster: this, host, protocol, priority });
      host.pools[slot] = pool;
      if (this.#shared !== undefined) Atomics.store(this.#shared.ints, HAS_TRAFFIC, 1);
    }
    return pool;
  }

  /** A pool for one tunnel that ends here: its bytes go to the host by a TCP connection of their own. */
  tunnelPool(
    host: Host,
    priority: 'default' | 'high',
    filterState: FilterState | undefined,
    client: ClientConnection,
  ): ConnectionPool {
    return this.#context.createPool({ cluster: this, host, protocol: 'tcp', priority, filterState, client });
  }

  /** Replaces the endpoints. The addresses are resolved: every endpoint is a host. */
  setEndpoints(endpoints: EndpointsConfig): void {
    if (this.#closed) return;
    this.#endpoints = endpoints;
    if (endpoints.overprovisioningFactorPercent !== this.#overprovisioning) {
      this.#overprovisioning = endpoints.overprovisioningFactorPercent;
      this.#balancer = this.#createBalancer();
    }
    const kept = new Set<string>();
    const localities: LbLocality<Host>[] = [];
    let changed = false;
    for (const one of endpoints.localities) {
      const locality: Locality = { region: one.region, zone: one.zone, subZone: one.subZone };
      const hosts: Host[] = [];
      for (const endpoint of one.endpoints) {
        const found = this.#describe(endpoint, locality, one.priority);
        if (kept.has(found.addressText)) continue;
        kept.add(found.addressText);
        hosts.push(found);
      }
      localities.push({ priority: one.priority, weight: one.weight, hosts });
    }
    for (const [key, host] of this.#hosts) {
      if (kept.has(key)) continue;
      changed = true;
      this.#remove(key, host);
    }
    const { healthChecker } = this;
    if (healthChecker !== undefined) {
      this.#whenConnectable(() => healthChecker.setHosts(this.#hosts.values()));
    }
    this.#balancer.update(localities);
    if (changed || this.stats.membershipTotal.value !== this.#hosts.size) this.stats.membershipChange.inc();
    this.#countMembers();
  }

  /** Calls back once, when every host's health is known; inside the call where nobody asks for it. */
  whenChecked(callback: () => void): void {
    const { healthChecker } = this;
    if (healthChecker === undefined) callback();
    else this.#whenConnectable(() => healthChecker.whenChecked(callback));
  }

  /** Requests come from now on: what watches the hosts begins. */
  start(): void {
    if (this.outlier !== undefined) this.outlier.start();
    else this.#clearFlags(HEALTH_FLAG.failedOutlierCheck);
    if (this.healthChecker === undefined) this.#clearFlags(CHECKED_FLAGS);
  }

  /** Another thread found out something about the hosts. */
  refreshHealth(): void {
    const nowMs = this.#context.clock.monotonicMs();
    let changed = false;
    for (const host of this.#hosts.values()) if (host.refreshHealth(nowMs)) changed = true;
    if (changed) {
      this.#balancer.hostsChanged();
      this.#countMembers();
      this.outlier?.refresh();
    }
    if (this.healthChecker instanceof FollowedHealth) this.healthChecker.refresh();
  }

  /** Hands the hosts to the newer version of this cluster, which keeps their pools; this one stops being used. */
  handOver(): Map<string, Host> {
    this.#stop();
    return this.#hosts;
  }

  /** Lets busy connections finish and closes idle ones; the cluster is still usable and opens new pools on demand. */
  drainConnections(): void {
    for (const host of this.#hosts.values()) host.drainPools();
  }

  /** The cluster is gone: pools drain. */
  remove(): void {
    this.#stop();
    for (const [key, host] of this.#hosts) this.#remove(key, host);
    this.#countMembers();
  }

  /** Closes every connection now. */
  close(): void {
    this.#stop();
    for (const host of this.#hosts.values()) host.closePools();
  }

  #stop(): void {
    this.#closed = true;
    this.#cleanup?.cancel();
    this.outlier?.stop();
    this.healthChecker?.stop();
  }

  #createOutlierDetector(): OutlierDetector | undefined {
    const { outlierDetection } = this.config;
    if (outlierDetection === undefined) return undefined;
    const { clock, random, log, statsStore } = this.#context;
    return new OutlierDetector({
      config: outlierDetection,
      clusterName: this.config.name,
      hosts: this.#hosts,
      stats: new OutlierStats(statsStore, this.stats.tags),
      clock,
      random,
      log,
      onChange: () => this.#onHealthChange(),
      shared: this.#shared && { slot: this.#shared, isWatcher: this.#watch?.isWatcher === true },
    });
  }

  #createHealthChecker(): HealthChecker | FollowedHealth | undefined {
    const { healthCheck, name } = this.config;
    if (healthCheck === undefined) return undefined;
    const { clock, random, log, statsStore } = this.#context;
    const common = {
      clusterName: name,
      stats: new HealthCheckStats(statsStore, this.stats.tags),
      log,
      onChange: () => this.#onHealthChange(),
    };
    if (this.#watch?.isWatcher === false) return new FollowedHealth(common);
    const speaks = healthCheck.probe.kind === 'http' ? 'http1' : 'any';
    return new HealthChecker({
      ...common,
      config: healthCheck,
      clock,
      random,
      connect: (host, address) => ({
        socket: openSocket(this.config, host, speaks, { address }),
        readyEvent: connectEventOf(host),
      }),
      hasTraffic: () =>
        this.stats.cxTotal.value > 0 ||
        (this.#shared !== undefined && Atomics.load(this.#shared.ints, HAS_TRAFFIC) === 1),
      onFirstResult: () => this.#watch?.tellHealth(name),
      onPassed: (host) => this.outlier?.onHealthCheckPassed(host),
    });
  }

  /** Before their certificates are there, hosts cannot be asked. */
  #whenConnectable(callback: () => void): void {
    if (this.transports === undefined) callback();
    else this.transports.onWarm(callback);
  }

  /** Some host's health is another than before, by what this thread found out. */
  #onHealthChange(): void {
    this.#balancer.hostsChanged();
    this.#countMembers();
    this.#watch?.tellHealth(this.name);
  }

  /** An older version of this cluster set them; nobody here would clear them. */
  #clearFlags(flags: number): void {
    let changed = false;
    for (const host of this.#hosts.values()) {
      if (!host.hasFlag(flags)) continue;
      host.setFlag(flags, false);
      changed = true;
    }
    if (changed) this.#onHealthChange();
  }

  #createBalancer(): LoadBalancer<Host> {
    return createLoadBalancer<Host>({
      policy: this.config.lbPolicy,
      random: this.#context.random,
      nowMs: () => this.#context.clock.monotonicMs(),
      overprovisioningFactorPercent: this.#overprovisioning,
      panicThresholdPercent: this.config.panicThresholdPercent,
      localityWeighted: this.config.localityWeighted ?? false,
      onPanic: () => this.stats.lbHealthyPanic.inc(),
    });
  }

  #describe(endpoint: EndpointConfig, locality: Locality, priority: number): Host {
    const existing = this.#hosts.get(formatAddress(endpoint.address));
    if (existing !== undefined) {
      existing.describe(endpoint, locality, priority);
      this.#chooseTransport(existing);
      return existing;
    }
    const host = this.#add(endpoint.address, endpoint, locality, priority);
    // Whoever is asked is not taken for healthy before it has answered; another thread may have asked already.
    const isKnown = host.shared !== undefined && !this.#isFirstToKnow(host.shared);
    if (this.healthChecker !== undefined && endpoint.healthCheck?.disabled !== true && !isKnown) {
      host.setFlag(HEALTH_FLAG.failedActiveHc, true);
    }
    return host;
  }

  #isFirstToKnow({ isFirst, isAlone }: WatchedSlot): boolean {
    return this.#watch?.isWatcher === true || (isFirst && !isAlone);
  }

  /** Has it watched together with the other threads. Whatever was known of a host that left is forgotten when it comes again. */
  #share(host: Host, isNew: boolean): void {
    if (this.#watch === undefined || host.shared !== undefined) return;
    const slot = new WatchedSlot(this.#watch.slot(`watched host ${host.addressText} ${this.#sharedKey}`));
    if (isNew && this.#watch.isWatcher) slot.reset();
    host.share(slot);
  }

  #add(
    address: AddressConfig,
    endpoint: Omit<EndpointConfig, 'address'>,
    locality: Locality,
    priority: number,
  ): Host {
    const counters = this.#context.hostCounters.take();
    const host = new Host(address, { ...endpoint, address }, locality, priority, counters);
    host.transport = this.transports?.of(host.metadata);
    if (address.kind === 'internal') host.internalListeners = this.#context.internalListeners;
    host.startSlowly(this.#context.clock.monotonicMs());
    this.#share(host, true);
    this.#hosts.set(host.addressText, host);
    return host;
  }

  /** A host that is spoken to otherwise from now on keeps no connection for further requests. */
  #chooseTransport(host: Host): void {
    const transport = this.transports?.of(host.metadata);
    if (transport === host.transport) return;
    host.transport = transport;
    host.drainPools();
  }

  #remove(key: string, host: Host): void {
    this.#hosts.delete(key);
    if (this.config.closeConnectionsOnHostRemoval) host.closePools();
    else host.drainPools();
    host.retire(() => this.#context.hostCounters.release(host.counters));
  }

  #countMembers(): void {
    let healthy = 0;
    let degraded = 0;
    for (const host of this.#hosts.values()) {
      if (host.health === 'healthy') healthy++;
      else if (host.health === 'degraded') degraded++;
    }
    this.stats.membershipTotal.set(this.#hosts.size);
    this.stats.membershipHealthy.set(healthy);
    this.stats.membershipDegraded.set(degraded);
  }

  #originalDstHost(destination: AddressConfig | undefined): Host | undefined {
    if (destination?.kind !== 'socket') return undefined;
    const { discovery } = this.config;
    const port =
      discovery.kind === 'original-dst' && discovery.portOverride !== 0
        ? discovery.portOverride
        : destination.port;
    const address: AddressConfig = { ...destination, port };
    const existing = this.#hosts.get(formatAddress(address));
    if (existing !== undefined) return existing;
    if (this.#hosts.size >= MOST_ORIGINAL_DST_HOSTS) return undefined;
    const host = this.#add(address, ORIGINAL_DST_ENDPOINT, NO_LOCALITY, 0);
    this.#countMembers();
    this.#scheduleCleanup();
    return host;
  }

  #scheduleCleanup(): void {
    this.#cleanup ??= this.#context.clock.setTimer(ORIGINAL_DST_CLEANUP_MS, () => {
      this.#cleanup = undefined;
      for (const [key, host] of this.#hosts) {
        if (!host.hasConnections && host.activeRequests === 0) this.#remove(key, host);
      }
      this.#countMembers();
      if (this.#hosts.size > 0) this.#scheduleCleanup();
    });
  }
}

/** What the connections have in common that are for one client alone; undefined: they are for all. */
function clientKeyOf(host: Host, client: ClientConnection): string | undefined {
  const { transport, address } = host;
  if (tellsOfClient(host)) return `${client.remoteAddress} ${client.localAddress}`;
  if (transport !== undefined || address.kind !== 'socket') return undefined;
  return client.clientAddress?.ip;
}

/** Whether each connection to it tells of the one connection of a client that it is for. */
function tellsOfClient({ transport }: Host): boolean {
  return transport?.wrapping.proxyProtocol !== undefined;
}
