import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, systemClock, type Clock, type Random } from '@heddle/common';
import {
  DEFAULT_HTTP2_CONFIG,
  type AccessLogConfig,
  type AddressConfig,
  type ClusterConfig,
  type EndpointConfig,
  type ForwardAction,
  type HttpConnectionManagerConfig,
  type HttpFilterConfig,
  type ListenerConfig,
  type RouteConfig,
  type RouteEntryConfig,
  type VirtualHostConfig,
} from '@heddle/engine';
import { AccessLogFiles } from '../access-log/access-log-files.js';
import { createClusterManager, type ClusterManager } from '../cluster/cluster-manager.js';
import type { ConfigSource } from '../config-source.js';
import { createListenerManager, type ListenerManager } from '../listener/listener-manager.js';
import { IstioTelemetry, type TelemetryNode } from '../stats/istio/istio-telemetry.js';
import { LabelledMetrics } from '../stats/istio/labelled-metrics.js';
import { StatsStore } from '../stats/stats-store.js';
import type { TestTls } from './tls-under-test.js';

const NO_CHANGES = { remove: [], set: [] };

/** A route that forwards everything below a prefix. */
export function forwardRoute(
  prefix: string,
  cluster: string,
  action: Partial<ForwardAction> = {},
  route: Partial<RouteEntryConfig> = {},
): RouteEntryConfig {
  return routeTo(
    prefix,
    {
      kind: 'forward',
      target: { kind: 'cluster', name: cluster },
      clusterNotFoundStatus: 503,
      prefixRewrite: '',
      regexRewrite: undefined,
      hostRewrite: { kind: 'none' },
      appendXForwardedHost: false,
      timeoutMs: 15_000,
      idleTimeoutMs: undefined,
      maxStreamDurationMs: undefined,
      grpcTimeout: undefined,
      priority: 'default',
      upgradeTypes: [],
      retry: undefined,
      hashPolicies: [],
      rateLimits: [],
      retryBufferLimitBytes: Infinity,
      ...action,
    },
    route,
  );
}

export function routeTo(
  prefix: string,
  action: RouteEntryConfig['action'],
  route: Partial<RouteEntryConfig> = {},
): RouteEntryConfig {
  return {
    name: '',
    match: {
      path: { kind: 'prefix', value: prefix },
      caseSensitive: true,
      headers: [],
      queryParameters: [],
      runtimeFraction: 1,
      grpcOnly: false,
    },
    action,
    requestHeaders: NO_CHANGES,
    responseHeaders: NO_CHANGES,
    perFilterConfig: new Map(),
    decoratorOperation: '',
    effectiveRequestHeaders: [],
    effectiveResponseHeaders: [],
    ...route,
  };
}

export function routeConfig(
  routes: readonly RouteEntryConfig[],
  host: Partial<VirtualHostConfig> = {},
): RouteConfig {
  return {
    name: 'routes',
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        routes,
        requestHeaders: NO_CHANGES,
        responseHeaders: NO_CHANGES,
        rateLimits: [],
        requireTls: 'none',
        includeRequestAttemptCount: false,
        includeAttemptCountInResponse: false,
        includeIsTimeoutRetryHeader: false,
        perFilterConfig: new Map(),
        ...host,
      },
    ],
    requestHeaders: NO_CHANGES,
    responseHeaders: NO_CHANGES,
    mostSpecificHeaderMutationsWins: false,
    ignorePortInHostMatching: false,
    internalOnlyHeaders: [],
    perFilterConfig: new Map(),
  };
}

export const ROUTER: HttpFilterConfig = {
  name: 'envoy.filters.http.router',
  typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
  config: { suppressEnvoyHeaders: false, respectExpectedRequestTimeout: false },
  disabled: false,
};

export function managerConfig(
  routes: RouteConfig,
  config: Partial<HttpConnectionManagerConfig> = {},
): HttpConnectionManagerConfig {
  return {
    statPrefix: 'test',
    codecType: 'auto',
    routes: { kind: 'inline', config: routes },
    httpFilters: [ROUTER],
    accessLogs: [],
    streamIdleTimeoutMs: 300_000,
    requestTimeoutMs: 0,
    requestHeadersTimeoutMs: 0,
    drainTimeoutMs: 5000,
    delayedCloseTimeoutMs: 1000,
    idleTimeoutMs: 3_600_000,
    maxConnectionDurationMs: 0,
    maxStreamDurationMs: 0,
    maxRequestsPerConnection: 0,
    maxRequestHeadersBytes: 60 * 1024,
    maxHeadersCount: 100,
    useRemoteAddress: false,
    internalAddresses: undefined,
    xffNumTrustedHops: 0,
    skipXffAppend: false,
    via: '',
    serverName: 'heddle',
    serverHeaderTransformation: 'overwrite',
    generateRequestId: true,
    proxy100Continue: false,
    preserveExternalRequestId: false,
    alwaysSetRequestIdInResponse: false,
    suppressEnvoyHeaders: false,
    normalizePath: false,
    mergeSlashes: false,
    pathWithEscapedSlashesAction: 'keep-unchanged',
    headersWithUnderscoresAction: 'allow',
    stripMatchingHostPort: false,
    stripAnyHostPort: false,
    stripTrailingHostDot: false,
    acceptHttp10: false,
    defaultHostForHttp10: '',
    allowAbsoluteUrl: true,
    allowChunkedLength: false,
    enableTrailers: true,
    preserveHeaderCase: false,
    http2: DEFAULT_HTTP2_CONFIG,
    upgradeTypes: [],
    ...config,
  };
}

export function listenerConfig(
  manager: HttpConnectionManagerConfig,
  config: Partial<ListenerConfig> = {},
): ListenerConfig {
  return {
    name: 'listener',
    address: { kind: 'socket', host: '127.0.0.1', port: 0, protocol: 'tcp' },
    additionalAddresses: [],
    statPrefix: '',
    filterChains: [
      {
        name: 'chain',
        match: undefined,
        filters: [{ kind: 'http-connection-manager', name: 'hcm', config: manager }],
        transportSocketConnectTimeoutMs: 0,
        transportSocket: { kind: 'raw' },
      },
    ],
    defaultFilterChain: undefined,
    listenerFilters: [],
    listenerFiltersTimeoutMs: 15_000,
    continueOnListenerFiltersTimeout: false,
    perConnectionBufferLimitBytes: 1024 * 1024,
    trafficDirection: 'unspecified',
    bindToPort: true,
    useOriginalDst: false,
    tcpBacklogSize: 128,
    accessLogs: [],
    maxConnections: undefined,
    ...config,
  };
}

export function endpoint(port: number, config: Partial<EndpointConfig> = {}): EndpointConfig {
  return {
    address: { kind: 'socket', host: '127.0.0.1', port, protocol: 'tcp' },
    hostname: '',
    health: 'unknown',
    weight: 1,
    metadata: {},
    ...config,
  };
}

export function clusterConfig(
  name: string,
  endpoints: readonly EndpointConfig[],
  config: Partial<ClusterConfig> = {},
): ClusterConfig {
  const thresholds = {
    maxConnections: 1024,
    maxPendingRequests: 1024,
    maxRequests: 1024,
    maxRetries: 3,
    retryBudget: undefined,
    trackRemaining: false,
  };
  return {
    name,
    altStatName: '',
    discovery: {
      kind: 'static',
      endpoints: {
        clusterName: name,
        localities: [{ region: '', zone: '', subZone: '', priority: 0, weight: 0, endpoints }],
        dropRatio: 0,
        overprovisioningFactorPercent: 140,
      },
    },
    lbPolicy: { kind: 'round-robin' },
    connectTimeoutMs: 5000,
    perConnectionBufferLimitBytes: 1024 * 1024,
    protocol: {
      codec: 'http1',
      idleTimeoutMs: 3_600_000,
      maxConnectionDurationMs: 0,
      maxStreamDurationMs: 0,
      maxRequestsPerConnection: 0,
      maxHeadersCount: 100,
      maxResponseHeadersBytes: 60 * 1024,
      preserveHeaderCase: false,
      http2: DEFAULT_HTTP2_CONFIG,
    },
    circuitBreakers: { default: thresholds, high: thresholds },
    healthCheck: undefined,
    outlierDetection: undefined,
    panicThresholdPercent: 50,
    transportSocket: { kind: 'raw' },
    tcpKeepalive: { enabled: false, idleMs: 0 },
    closeConnectionsOnHostRemoval: false,
    bindAddress: undefined,
    ...config,
  };
}

export interface ProxyOptions {
  /** Who the proxy stands for, and how many series it may have. */
  readonly node?: TelemetryNode;
  readonly maxSeries?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly configSource?: ConfigSource;
  readonly drainTimeMs?: number;
  /** Default: none, so that what asks for TLS is refused. */
  readonly tls?: TestTls;
  /** Where connections were going that count as redirected. */
  readonly originalDestination?: () => AddressConfig | undefined;
}

/** The managers of a whole proxy in this process, with an access log in a folder of its own. */
export class TestProxy {
  readonly stats = new StatsStore();
  /** Lines of the proxy's own log, parsed. */
  readonly log: Record<string, unknown>[] = [];
  readonly telemetry: IstioTelemetry;
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly accessLogFiles: AccessLogFiles;
  readonly #folder = mkdtempSync(join(tmpdir(), 'heddle-proxy-test-'));

  constructor(options: ProxyOptions = {}) {
    const { clock = systemClock, random = Math.random, configSource } = options;
    const sink = { write: (line: string) => this.log.push(JSON.parse(line) as Record<string, unknown>) };
    const log = createLogger({ component: 'test', sink, clock });
    const transports = options.tls?.transports({ clock, log, stats: this.stats });
    const shared = { clock, random, log, stats: this.stats, configSource, tls: () => transports };
    const metrics = new LabelledMetrics({ clock, stats: this.stats, maxSeries: options.maxSeries });
    this.telemetry = new IstioTelemetry(options.node ?? {}, metrics);
    this.accessLogFiles = new AccessLogFiles({ ...shared, clock: systemClock });
    this.clusters = createClusterManager(shared);
    this.listeners = createListenerManager({
      ...shared,
      clusters: this.clusters,
      accessLogFiles: this.accessLogFiles,
      telemetry: this.telemetry,
      ...(options.drainTimeMs === undefined ? {} : { drainTimeMs: options.drainTimeMs }),
      ...(options.originalDestination === undefined
        ? {}
        : { originalDestination: options.originalDestination }),
    });
  }

  get logPath(): string {
    return join(this.#folder, 'access.log');
  }

  accessLog(format: AccessLogConfig['format'] = { kind: 'default' }): AccessLogConfig {
    return { name: 'log', sink: { kind: 'file', path: this.logPath }, format, filter: undefined };
  }

  /** The lines written so far, parsed. */
  async logLines(): Promise<Record<string, unknown>[]> {
    await this.accessLogFiles.flush();
    return readFileSync(this.logPath, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  port(listener = 'listener'): number {
    const found = this.listeners.status().find((one) => one.name === listener && one.state !== 'draining');
    const address = found?.addresses[0];
    return address?.kind === 'socket' ? address.port : 0;
  }

  counter(name: string): number {
    let total = 0;
    for (const entry of this.stats.entries()) {
      if (entry.name === name && entry.kind !== 'histogram') total += entry.metric.value;
    }
    return total;
  }

  async close(): Promise<void> {
    await this.listeners.close();
    this.clusters.close();
    await this.accessLogFiles.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** An HTTP server of Node's own as the upstream. */
export async function startBackend(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ server: Server; port: number; close: () => Promise<void> }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    server,
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** A raw client: writes bytes, and waits for what it reads to satisfy a condition. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  ended = false;
  #waiting: (() => void) | undefined = undefined;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
      this.#waiting?.();
    });
    this.socket.on('end', () => {
      this.ended = true;
      this.#waiting?.();
    });
    this.socket.on('close', () => {
      this.ended = true;
      this.#waiting?.();
    });
    this.socket.on('error', () => undefined);
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Resolves once `done` says so of what was read; rejects when the connection ends before that. */
  until(done: (text: string) => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (done(this.text)) {
          this.#waiting = undefined;
          resolve(this.text);
        } else if (this.ended) {
          this.#waiting = undefined;
          reject(new Error(`the connection ended after ${JSON.stringify(this.text)}`));
        }
      };
      this.#waiting = check;
      check();
    });
  }

  /** Resolves once the server has closed its side. */
  untilEnd(): Promise<string> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!this.ended) return;
        this.#waiting = undefined;
        resolve(this.text);
      };
      this.#waiting = check;
      check();
    });
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Resolves once the condition holds, looking at it each turn of the event loop; the test runner's own timeout bounds it. */
export function eventually(condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (condition()) resolve();
      else setImmediate(look);
    };
    look();
  });
}
