import type { Clock, Logger, Random } from '@heddle/common';
import {
  http2WithRuntime,
  InternalAddresses,
  type FormatContext,
  type HttpConnectionManagerConfig,
  type RequestHead,
  type RouteConfig,
  type RouteTable,
  type TrafficDirection,
} from '@heddle/engine';
import { createAccessLogs, type AccessLog } from '../access-log/access-log.js';
import type { AccessLogFiles } from '../access-log/access-log-files.js';
import type { ClusterManager } from '../cluster/cluster-manager.js';
import type { Deadlines } from '../codec/http1/deadline-queue.js';
import { Http2Stats } from '../codec/http2/http2-stats.js';
import type { ConfigSource, ResourceSubscription } from '../config-source.js';
import type { IstioTelemetry } from '../stats/istio/istio-telemetry.js';
import type { OverloadState } from '../overload/overload-state.js';
import type { SharedLimits } from '../shared/shared-limits.js';
import type { Runtime } from '../runtime/runtime.js';
import type { StatsStore } from '../stats/stats-store.js';
import { ConnectionManagerStats } from './connection-manager-stats.js';
import { DateHeader } from './date-header.js';
import type { StreamObserver } from './filter.js';
import type { NamedFilterFactory } from './filter-chain.js';
import { HttpFilters } from './http-filters.js';
import { LiveRoutes } from './live-routes.js';
import { RouterShared } from './filters/router/router-shared.js';
import { ROUTER_TYPE_URL } from './filters/router/type-url.js';
import { ScopedRoutes } from './scoped-routes.js';
import type { StreamState } from './stream-state.js';

export interface ConnectionManagerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly stats: StatsStore;
  readonly clusters: ClusterManager;
  readonly accessLogFiles: AccessLogFiles;
  readonly configSource: ConfigSource | undefined;
  readonly formatContext: FormatContext;
  readonly deadlines: Deadlines;
  readonly telemetry: IstioTelemetry;
  readonly runtime: Runtime;
  readonly overload: OverloadState;
  /** Of the listener. */
  readonly bufferLimitBytes: number;
  readonly trafficDirection: TrafficDirection;
  /** Where the threads of a process limit together; undefined: there is one. */
  readonly limits?: SharedLimits | undefined;
}

/**
 * What all connections of one connection manager share: its configuration made ready, its routes, filters, logs and counters.
 *
 * Routes by RDS replace the table for the next request; streams keep the route that they began with.
 */
export class ConnectionManagerRuntime {
  readonly config: HttpConnectionManagerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  readonly stats: ConnectionManagerStats;
  requestObservers: readonly StreamObserver[] = [];
  responseObservers: readonly StreamObserver[] = [];
  readonly router: RouterShared;
  readonly accessLogs: readonly AccessLog[];
  readonly date: DateHeader;
  readonly bufferLimitBytes: number;
  readonly #routes: LiveRoutes;
  readonly #scopedRoutes: ScopedRoutes | undefined;
  /** undefined: nobody's requests are internal. */
  readonly internalAddresses: InternalAddresses | undefined;
  /** Set when connections should end after what they carry now. */
  draining = false;
  /** What is shed. */
  readonly overload: OverloadState;
  /** Requests in flight. */
  activeRequests = 0;
  readonly #statsStore: StatsStore;
  readonly #settings: Runtime;
  #http2Stats: Http2Stats | undefined = undefined;
  readonly #filters: HttpFilters;
  #hasIdleFilters = false;
  /** Whether a filter may find the route of a request that has none. */
  findsRoutes = false;
  /** Those that streams need without a table, and by table. */
  #neededFilters: readonly NamedFilterFactory[] = [];
  #neededByTable = new WeakMap<RouteTable, readonly NamedFilterFactory[]>();
  #endObservers: readonly StreamObserver[] = [];
  readonly #configSource: ConfigSource | undefined;
  #subscription: ResourceSubscription | undefined = undefined;
  #onWarm: (() => void) | undefined = undefined;
  #warm = false;

  constructor(config: HttpConnectionManagerConfig, options: ConnectionManagerOptions) {
    this.config = config;
    this.internalAddresses = config.internalAddresses && new InternalAddresses(config.internalAddresses);
    this.clock = options.clock;
    this.random = options.random;
    this.deadlines = options.deadlines;
    this.overload = options.overload;
    this.bufferLimitBytes = options.bufferLimitBytes === 0 ? Infinity : options.bufferLimitBytes;
    this.#routes = new LiveRoutes(options);
    this.#configSource = options.configSource;
    this.stats = new ConnectionManagerStats(options.stats, config.statPrefix);
    this.#statsStore = options.stats;
    this.#settings = options.runtime;
    this.accessLogs = createAccessLogs(config.accessLogs, options.accessLogFiles, options.formatContext);
    this.#scopedRoutes =
      config.routes.kind === 'scoped' ? new ScopedRoutes(config.routes.config, options) : undefined;
    this.date = new DateHeader(options.clock);
    const { clusters } = options;
    this.#filters = new HttpFilters(
      config.httpFilters,
      {
        clock: options.clock,
        random: options.random,
        stats: options.stats,
        statPrefix: config.statPrefix,
        runtime: options.runtime,
        limits: options.limits,
        trafficDirection: options.trafficDirection,
        telemetry: options.telemetry,
        istioCluster: (name) => clusters.cluster(name)?.config.istio,
        fetcher: {
          hasCluster: (name) => clusters.cluster(name) !== undefined,
          host: (head, onAnswer) =>
            (this.#scopedRoutes?.find(head) ?? this.#routes).fetch(head.authority, onAnswer),
          cluster: (name, onAnswer) => fetchCluster(name, clusters, options.configSource, onAnswer),
        },
      },
      () => this.#useFilters(),
    );
    this.#useFilters();
    const router = config.httpFilters.at(-1);
    const isRouter = router !== undefined && 'typeUrl' in router && router.typeUrl === ROUTER_TYPE_URL;
    this.router = new RouterShared(isRouter ? router.config : undefined, config, options, this.stats);
  }

  /** Starts watching routes and filters. `onWarm` is called once, maybe inside this call. */
  start(onWarm: () => void): void {
    let waiting = 2;
    const one = (): void => {
      if (--waiting === 0) onWarm();
    };
    this.#onWarm = one;
    this.#filters.start(this.#configSource, one);
    const { routes } = this.config;
    if (this.#scopedRoutes !== undefined) {
      this.#scopedRoutes.start(() => this.#warmUp());
      return;
    }
    if (routes.kind === 'inline') {
      this.#useRoutes(routes.config);
      return;
    }
    if (routes.kind === 'scoped') return;
    this.#subscription = this.#configSource?.watchRoutes(
      routes.name,
      {
        onUpdate: (config) => this.#useRoutes(config),
        // The last good routes stay when there are any.
        onAbsent: () => this.#warmUp(),
      },
      routes.initialFetchTimeoutMs,
    );
    if (this.#subscription === undefined) this.#warmUp();
  }

  /** The routes for a request. undefined: none came yet, or none are for its scope: it is answered 404. */
  routesFor(head: RequestHead): RouteTable | undefined {
    return this.#scopedRoutes === undefined ? this.#routes.table : this.#scopedRoutes.find(head)?.table;
  }

  /** What makes the filters of a stream. Cost: a look-up, and that only where there are such filters. */
  filtersFor(table: RouteTable | undefined): readonly NamedFilterFactory[] {
    if (!this.#hasIdleFilters) return this.#filters.factories;
    if (table === undefined || table.overriddenFilters.size === 0) return this.#neededFilters;
    let needed = this.#neededByTable.get(table);
    if (needed === undefined) {
      needed = this.#filters.factories.filter(
        ({ name, isIdle }) => isIdle !== true || table.overriddenFilters.has(name),
      );
      this.#neededByTable.set(table, needed);
    }
    return needed;
  }

  /** Made with the first connection that speaks HTTP/2. As in Envoy, all of this process count together. */
  http2Stats(): Http2Stats {
    return (this.#http2Stats ??= new Http2Stats(this.#statsStore, 'http2', []));
  }

  /** The configuration for a connection that speaks HTTP/2. */
  http2Config(): HttpConnectionManagerConfig {
    const { config } = this;
    const http2 = http2WithRuntime(config.http2, this.#settings);
    return http2 === config.http2 ? config : { ...config, http2 };
  }

  get observesEnds(): boolean {
    return this.#endObservers.length > 0;
  }

  tellStreamEnd(stream: StreamState): void {
    const observers = this.#endObservers;
    for (let i = 0; i < observers.length; i++) observers[i]?.onStreamEnd?.(stream);
  }

  close(): void {
    this.#filters.close();
    this.#scopedRoutes?.close();
    this.#routes.close();
    this.#subscription?.close();
    this.#subscription = undefined;
  }

  #useFilters(): void {
    const { factories, observers } = this.#filters;
    // A request whose route is found late may turn out to need any of them.
    this.findsRoutes = factories.some(({ findsRoutes }) => findsRoutes === true);
    this.#hasIdleFilters = !this.findsRoutes && factories.some(({ isIdle }) => isIdle === true);
    this.#neededByTable = new WeakMap();
    this.#neededFilters = factories.filter(({ isIdle }) => isIdle !== true);
    this.requestObservers = observers.filter((one) => one.onRequestHeaders !== undefined);
    this.responseObservers = observers.filter((one) => one.onResponseHeaders !== undefined);
    this.#endObservers = observers.filter((one) => one.onStreamEnd !== undefined);
  }

  #useRoutes(config: RouteConfig): void {
    this.#routes.use(config, () => this.#warmUp());
  }

  #warmUp(): void {
    if (this.#warm) return;
    this.#warm = true;
    this.#onWarm?.();
  }
}

/** Asks for a cluster, and waits until it is one that requests may use. */
function fetchCluster(
  name: string,
  clusters: ClusterManager,
  source: ConfigSource | undefined,
  onAnswer: () => void,
): ResourceSubscription | undefined {
  let warming: ResourceSubscription | undefined;
  const asked = source?.fetchCluster?.(name, () => {
    warming = clusters.whenActive(name, onAnswer);
  });
  return (
    asked && {
      close: () => {
        asked.close();
        warming?.close();
      },
    }
  );
}
