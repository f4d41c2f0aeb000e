import { BrokenInvariantError, type Clock, type Logger, type Random } from '@heddle/common';
import {
  InternalAddresses,
  createRouteTable,
  type FormatContext,
  type HttpConnectionManagerConfig,
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
import type { StatsStore } from '../stats/stats-store.js';
import { ConnectionManagerStats } from './connection-manager-stats.js';
import { DateHeader } from './date-header.js';
import type { ObserverContext, StreamObserver } from './filter.js';
import type { NamedFilterFactory } from './filter-chain.js';
import { httpFilterOf } from './filters/index.js';
import { RouterShared } from './filters/router/router-shared.js';
import { ROUTER_TYPE_URL } from './filters/router/type-url.js';
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
  readonly overload: OverloadState;
  /** Of the listener. */
  readonly bufferLimitBytes: number;
  readonly trafficDirection: TrafficDirection;
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
  readonly filterFactories: readonly NamedFilterFactory[];
  readonly requestObservers: readonly StreamObserver[];
  readonly responseObservers: readonly StreamObserver[];
  readonly router: RouterShared;
  readonly accessLogs: readonly AccessLog[];
  readonly date: DateHeader;
  readonly bufferLimitBytes: number;
  /** Undefined until the first routes by RDS came: requests are answered 404 then. */
  routeTable: RouteTable | undefined = undefined;
  internalOnlyHeaders: readonly string[] = [];
  /** undefined: nobody's requests are internal. */
  readonly internalAddresses: InternalAddresses | undefined;
  /** Set when connections should end after what they carry now. */
  draining = false;
  /** What is shed. */
  readonly overload: OverloadState;
  /** Requests in flight. */
  activeRequests = 0;
  readonly #statsStore: StatsStore;
  #http2Stats: Http2Stats | undefined = undefined;
  readonly #endObservers: readonly StreamObserver[];
  readonly #formatContext: FormatContext;
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
    this.#formatContext = options.formatContext;
    this.#configSource = options.configSource;
    this.stats = new ConnectionManagerStats(options.stats, config.statPrefix);
    this.#statsStore = options.stats;
    this.accessLogs = createAccessLogs(config.accessLogs, options.accessLogFiles, options.formatContext);
    this.date = new DateHeader(options.clock);
    const { clusters } = options;
    const context: ObserverContext = {
      clock: options.clock,
      random: options.random,
      stats: options.stats,
      statPrefix: config.statPrefix,
      trafficDirection: options.trafficDirection,
      telemetry: options.telemetry,
      istioCluster: (name) => clusters.cluster(name)?.config.istio,
    };
    const observers: StreamObserver[] = [];
    this.filterFactories = config.httpFilters.flatMap((filter) => {
      const { name, typeUrl } = filter;
      if (typeUrl === ROUTER_TYPE_URL) return [];
      const kind = httpFilterOf(typeUrl);
      // Configurations with such a filter are refused: it may be one that keeps somebody out.
      if (kind === undefined) throw new BrokenInvariantError(`HTTP filter ${typeUrl} is not there`);
      if ('create' in kind) {
        return [{ name, create: kind.create(filter.config, context), isOff: filter.disabled }];
      }
      const observer = filter.disabled ? undefined : kind.observe(filter.config, context);
      if (observer !== undefined) observers.push(observer);
      return [];
    });
    this.requestObservers = observers.filter((one) => one.onRequestHeaders !== undefined);
    this.responseObservers = observers.filter((one) => one.onResponseHeaders !== undefined);
    this.#endObservers = observers.filter((one) => one.onStreamEnd !== undefined);
    const router = config.httpFilters.find((filter) => filter.typeUrl === ROUTER_TYPE_URL);
    this.router = new RouterShared(router?.config, config, options, this.stats);
  }

  /** Starts watching the routes. `onWarm` is called once, maybe inside this call. */
  start(onWarm: () => void): void {
    this.#onWarm = onWarm;
    const { routes } = this.config;
    if (routes.kind === 'inline') {
      this.#useRoutes(routes.config);
      return;
    }
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

  /** Made with the first connection that speaks HTTP/2. As in Envoy, all of this process count together. */
  http2Stats(): Http2Stats {
    return (this.#http2Stats ??= new Http2Stats(this.#statsStore, 'http2', []));
  }

  get observesEnds(): boolean {
    return this.#endObservers.length > 0;
  }

  tellStreamEnd(stream: StreamState): void {
    const observers = this.#endObservers;
    for (let i = 0; i < observers.length; i++) observers[i]?.onStreamEnd?.(stream);
  }

  close(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
  }

  #useRoutes(config: RouteConfig): void {
    this.routeTable = createRouteTable(config, this.#formatContext);
    this.internalOnlyHeaders = config.internalOnlyHeaders;
    this.#warmUp();
  }

  #warmUp(): void {
    if (this.#warm) return;
    this.#warm = true;
    this.#onWarm?.();
  }
}
