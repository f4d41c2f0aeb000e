import { createHash } from 'node:crypto';
import type { ClusterConfig } from '@heddle/engine';
import { CallbacksByName } from './callbacks-by-name.js';
import { Cluster, type ClusterContext } from './cluster.js';
import type {
  ApplyProblem,
  ClusterManager,
  ClusterManagerOptions,
  ClusterStatus,
  HostStatus,
} from './cluster-manager.js';
import { Deadlines } from '../codec/http1/deadline-queue.js';
import type { ResourceSubscription } from '../config-source.js';
import { ClusterStats } from './cluster-stats.js';
import { ClusterTransports, needsTransports, transportProblems } from './cluster-transports.js';
import { createConnectionPool } from './create-connection-pool.js';
import { resolverFor, type DnsResolver } from './dns-resolver.js';
import { startDiscovery, type EndpointDiscovery } from './endpoint-discovery.js';
import type { Host } from './host.js';
import { InternalListeners } from './internal-listeners.js';
import { HOST_COUNTER, HostCounterPages } from './host-counters.js';
import { ResourceManager, type ResourceGauge, type ResourceManagerGauges } from './resource-manager.js';

/** One version of one cluster with what feeds it. */
interface Member {
  readonly cluster: Cluster;
  discovery: EndpointDiscovery | undefined;
  warm: boolean;
}

/** See `ClusterManager`. */
export class ClusterManagerImpl implements ClusterManager {
  readonly internalListeners = new InternalListeners();
  readonly #options: ClusterManagerOptions;
  readonly #resolver: DnsResolver;
  readonly #deadlines: Deadlines;
  readonly #context: ClusterContext;
  /** What requests use. */
  readonly #active = new Map<string, Member>();
  /** Versions that wait for their first endpoints. */
  readonly #warming = new Map<string, Member>();
  readonly #waiting: (() => void)[] = [];
  /** Whoever waits for one cluster. */
  readonly #waitingFor = new CallbacksByName();
  #closed = false;

  constructor(options: ClusterManagerOptions) {
    this.#options = options;
    this.#resolver = options.resolver ?? resolverFor(options.bind?.bindAddress);
    this.#deadlines = new Deadlines(options.clock);
    this.#context = {
      clock: options.clock,
      random: options.random,
      log: options.log,
      createPool:
        options.createPool ?? ((request) => createConnectionPool(request, this.#deadlines, options.runtime)),
      hostCounters: new HostCounterPages(),
      statsStore: options.stats,
      internalListeners: this.internalListeners,
      watch: options.watch,
    };
    if (options.watch !== undefined) options.watch.onHealth = (name) => this.#refreshHealth(name);
  }

  apply(added: readonly ClusterConfig[], removed: readonly string[]): readonly ApplyProblem[] {
    const problems: ApplyProblem[] = [];
    this.#remove(removed);
    for (const config of added) {
      if (config.discovery.kind === 'eds' && this.#options.configSource === undefined) {
        problems.push({
          resource: config.name,
          message: `cluster "${config.name}" gets its endpoints by EDS, but there is no source of configuration`,
        });
        continue;
      }
      const tlsProblems = transportProblems(config, this.#options.tls?.());
      if (tlsProblems.length > 0) {
        problems.push(...tlsProblems.map((message) => ({ resource: config.name, message })));
        continue;
      }
      this.#add(this.#boundByDefault(config));
    }
    this.#settle();
    return problems;
  }

  #boundByDefault(config: ClusterConfig): ClusterConfig {
    const { bind } = this.#options;
    return bind === undefined || config.bindAddress !== undefined ? config : { ...config, ...bind };
  }

  cluster(name: string): Cluster | undefined {
    return this.#active.get(name)?.cluster;
  }

  get ready(): boolean {
    return this.#warming.size === 0;
  }

  onReady(callback: () => void): void {
    if (this.ready) callback();
    else this.#waiting.push(callback);
  }

  whenActive(name: string, callback: () => void): ResourceSubscription {
    if (this.#active.has(name) || !this.#warming.has(name)) {
      callback();
      return { close: () => undefined };
    }
    return this.#waitingFor.add(name, callback);
  }

  status(): readonly ClusterStatus[] {
    const all: ClusterStatus[] = [];
    for (const member of this.#active.values()) all.push(statusOf(member));
    for (const member of this.#warming.values()) all.push(statusOf(member));
    return all.sort((a, b) => (a.config.name < b.config.name ? -1 : a.config.name > b.config.name ? 1 : 0));
  }

  drain(): void {
    for (const member of this.#active.values()) member.cluster.drainConnections();
  }

  close(): void {
    this.#closed = true;
    for (const members of [this.#active, this.#warming]) {
      for (const member of members.values()) {
        member.discovery?.close();
        member.cluster.close();
        member.cluster.transports?.release();
      }
      members.clear();
    }
    this.#waiting.length = 0;
    this.#waitingFor.clear();
    this.#deadlines.stop();
  }

  #add(config: ClusterConfig): void {
    const older = this.#warming.get(config.name);
    if (older !== undefined) {
      this.#warming.delete(config.name);
      older.discovery?.close();
      // Hosts that it shares with the version in service stay.
      if (older.cluster.hosts === this.#active.get(config.name)?.cluster.hosts) older.cluster.handOver();
      else older.cluster.remove();
      older.cluster.transports?.release();
    }
    const current = this.#active.get(config.name);
    const inherits = current !== undefined && connectsAlike(current.cluster.config, config);
    const stats = new ClusterStats(this.#options.stats, statNameOf(config));
    const cluster = new Cluster(
      config,
      stats,
      this.#resources(config, current),
      this.#context,
      // Shared from now on: whichever version is told of endpoints last decides who is a member.
      inherits ? (current.cluster.hosts as Map<string, Host>) : new Map<string, Host>(),
      inherits ? current.cluster.transports?.retain() : this.#createTransports(config),
      this.#options.watch && sharedKeyOf(config),
    );
    const member: Member = { cluster, discovery: undefined, warm: false };
    let waiting = 2;
    const warmUp = (): void => {
      if (--waiting > 0) return;
      member.warm = true;
      this.#activate(member);
    };
    this.#warming.set(config.name, member);
    member.discovery = startDiscovery(
      config,
      {
        onEndpoints: (endpoints) => {
          // The older version must not decide over shared hosts any more.
          if (inherits && !member.warm) current.discovery?.close();
          cluster.setEndpoints(endpoints);
        },
        onWarm: () => {
          // Nothing came in time: better the last good endpoints than none.
          if (inherits && cluster.endpoints === undefined && current.cluster.endpoints !== undefined) {
            cluster.setEndpoints(current.cluster.endpoints);
          }
          cluster.whenChecked(warmUp);
        },
      },
      {
        ...this.#options,
        resolver: this.#resolver,
        configSource: this.#options.configSource,
        watch: this.#options.watch,
        stats,
      },
    );
    if (cluster.transports === undefined) warmUp();
    else cluster.transports.onWarm(warmUp);
  }

  #refreshHealth(name: string): void {
    this.#active.get(name)?.cluster.refreshHealth();
    this.#warming.get(name)?.cluster.refreshHealth();
  }

  #createTransports(config: ClusterConfig): ClusterTransports | undefined {
    if (!needsTransports(config)) return undefined;
    const statTags = [['envoy_cluster_name', statNameOf(config)]] as const;
    return new ClusterTransports(config, this.#options.tls?.(), statTags);
  }

  #activate(member: Member): void {
    if (this.#closed) return;
    const { name } = member.cluster;
    if (this.#warming.get(name) !== member) return;
    this.#warming.delete(name);
    const replaced = this.#active.get(name);
    this.#active.set(name, member);
    if (replaced !== undefined) {
      replaced.discovery?.close();
      if (replaced.cluster.hosts === member.cluster.hosts) replaced.cluster.handOver();
      else replaced.cluster.remove();
      replaced.cluster.transports?.release();
    }
    member.cluster.start();
    this.#waitingFor.tell(name);
    this.#options.log.debug('cluster is active', () => ({ cluster: name, hosts: member.cluster.hosts.size }));
    this.#settle();
  }

  /** Cost: one walk through the metrics of the proxy, however many clusters go at once. */
  #remove(names: readonly string[]): void {
    const statNames = new Set<string>();
    for (const name of names) {
      const warming = this.#warming.get(name);
      const active = this.#active.get(name);
      this.#warming.delete(name);
      this.#active.delete(name);
      for (const member of [warming, active]) {
        member?.discovery?.close();
        member?.cluster.remove();
        member?.cluster.transports?.release();
      }
      this.#waitingFor.tell(name);
      const config = (active ?? warming)?.cluster.config;
      if (config !== undefined) statNames.add(statNameOf(config));
    }
    if (statNames.size > 0) this.#forgetStats(statNames);
  }

  #forgetStats(names: ReadonlySet<string>): void {
    this.#options.stats.forget(
      (entry) =>
        entry.name.startsWith('cluster.') &&
        entry.tags.some(([tag, value]) => tag === 'envoy_cluster_name' && names.has(value)),
    );
  }

  /** Circuit breakers go on counting what the older version has in flight, unless the limits changed. */
  #resources(config: ClusterConfig, current: Member | undefined): Cluster['resources'] {
    const { circuitBreakers } = config;
    const older = current?.cluster;
    if (older !== undefined && sameJson(older.config.circuitBreakers, circuitBreakers))
      return older.resources;
    const name = statNameOf(config);
    const create = (priority: 'default' | 'high'): ResourceManager => {
      const thresholds = circuitBreakers[priority];
      // What an older version has in flight counts against its own limits, in every thread.
      const shared = `breakers ${config.name} ${priority} ${JSON.stringify(thresholds)}`;
      const slot = this.#options.cells?.claim(shared);
      return new ResourceManager(thresholds, this.#gauges(name, priority), slot);
    };
    return { default: create('default'), high: create('high') };
  }

  #gauges(statName: string, priority: 'default' | 'high'): ResourceManagerGauges {
    const gauge = (name: string): ResourceGauge =>
      this.#options.stats.gauge(`cluster.circuit_breakers.${priority}.${name}`, [
        ['envoy_cluster_name', statName],
      ]);
    return {
      cxOpen: gauge('cx_open'),
      rqPendingOpen: gauge('rq_pending_open'),
      rqOpen: gauge('rq_open'),
      rqRetryOpen: gauge('rq_retry_open'),
      remainingCx: gauge('remaining_cx'),
      remainingPending: gauge('remaining_pending'),
      remainingRq: gauge('remaining_rq'),
      remainingRetries: gauge('remaining_retries'),
    };
  }

  #settle(): void {
    while (this.ready && this.#waiting.length > 0) (this.#waiting.shift() as () => void)();
  }
}

/** Whether connections made for one version serve the other just as well. */
function connectsAlike(a: ClusterConfig, b: ClusterConfig): boolean {
  return sameJson(connectionConfig(a), connectionConfig(b));
}

function connectionConfig(config: ClusterConfig): unknown {
  return [
    config.discovery.kind,
    config.discovery.kind === 'eds' ? config.discovery.serviceName : '',
    config.altStatName,
    config.connectTimeoutMs,
    config.perConnectionBufferLimitBytes,
    config.protocol,
    config.transportSocket,
    config.transportSocketMatches,
    config.passthroughMetadata,
    config.tcpKeepalive,
    config.bindAddress,
    config.extraBindAddresses,
    // Pools hold on to the limits that they were made with.
    config.circuitBreakers,
  ];
}

/** The same for those versions of a cluster that have the same hosts. */
function sharedKeyOf(config: ClusterConfig): string {
  const text = JSON.stringify([config.name, connectionConfig(config)]);
  return createHash('sha256').update(text).digest('base64');
}

function statNameOf(config: ClusterConfig): string {
  return config.altStatName === '' ? config.name : config.altStatName;
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function statusOf(member: Member): ClusterStatus {
  return {
    config: member.cluster.config,
    state: member.warm ? 'active' : 'warming',
    hosts: [...member.cluster.hosts.values()].map(hostStatus),
    successRates: member.cluster.outlier?.successRates,
  };
}

function hostStatus(host: Host): HostStatus {
  return {
    address: host.address,
    hostname: host.hostname,
    locality: host.locality,
    priority: host.priority,
    weight: host.weight,
    health: host.configuredHealth,
    healthFlags: host.healthFlags,
    successRate: host.watchedCounter(HOST_COUNTER.externalSuccessRate) - 1,
    localOriginSuccessRate: host.watchedCounter(HOST_COUNTER.localSuccessRate) - 1,
    cxActive: host.counter(HOST_COUNTER.cxActive),
    cxTotal: host.counter(HOST_COUNTER.cxTotal),
    cxConnectFail: host.counter(HOST_COUNTER.cxConnectFail),
    rqActive: host.counter(HOST_COUNTER.rqActive),
    rqTotal: host.counter(HOST_COUNTER.rqTotal),
    rqSuccess: host.counter(HOST_COUNTER.rqSuccess),
    rqError: host.counter(HOST_COUNTER.rqError),
    rqTimeout: host.counter(HOST_COUNTER.rqTimeout),
  };
}
