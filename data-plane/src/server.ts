import { writeFileSync } from 'node:fs';
import { MeshError, systemClock, systemRandom, type Clock, type Logger, type Random } from '@heddle/common';
import { formatAddress, type AddressConfig } from '@heddle/engine';
import type { SupervisorLink } from '@heddle/supervisor/supervisor-link';
import { typeUrls } from '@heddle/xds-protos';
import { AccessLogFiles } from './access-log/access-log-files.js';
import type { ServerState } from './admin/pages/server.js';
import type { AdminServer } from './admin/admin-server.js';
import type { BootstrapConfig } from './bootstrap.js';
import { staticTarget } from './bootstrap/ads-config.js';
import { createClusterManager, type ApplyProblem, type ClusterManager } from './cluster/cluster-manager.js';
import { BatchClock } from './codec/http1/batch-clock.js';
import { writeBatch } from './codec/http1/write-batch.js';
import type { DnsServer } from './dns/dns-server.js';
import type { DiscoveredResources } from './discovered-resources.js';
import { collectGarbage } from './heap-size.js';
import { affordableConnections, memoryLimit, memoryUse } from './overload/memory-use.js';
import { OverloadManager } from './overload/overload-manager.js';
import type { ProxyIdentity } from './identity/proxy-identity.js';
import { createListenerManager, type ListenerManager } from './listener/listener-manager.js';
import { IstioTelemetry } from './stats/istio/istio-telemetry.js';
import { LabelledMetrics } from './stats/istio/labelled-metrics.js';
import { createXdsClient } from './server/create-xds-client.js';
import { originalDestinationFinder } from './server/original-destination-finder.js';
import { ProxyTls } from './server/proxy-tls.js';
import { Runtime } from './runtime/runtime.js';
import { ServerStats } from './stats/server-stats.js';
import { StatsStore } from './stats/stats-store.js';
import { VERSION } from './version.js';
import type { ConfigTargets } from './xds/discovered-configuration.js';
import type { ConfigurationClient } from './server/configuration-client.js';
import type {
  ServedClusters,
  ServedListeners,
  ServerView,
  ServingThreads,
  ThreadParts,
} from './server/thread-parts.js';

/** The static part of the bootstrap cannot run: an address is taken, or something is not supported. */
export class StartError extends MeshError {
  override readonly code = 'MESH_START';
}

export interface ServerOptions {
  readonly config: BootstrapConfig;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Who holds our listening sockets, and our identity for the process after us, if somebody does. */
  readonly supervisor?: Pick<SupervisorLink, 'sockets' | 'keepsake' | 'isReplaced'> | undefined;
  /** Threads that serve in the place of this one, which then only directs them. */
  readonly threads?: ServingThreads | undefined;
  /** What this one has of the main thread, where it is a worker. */
  readonly thread?: ThreadParts | undefined;
}

/** What one line says once the proxy is ready. */
export interface ReadySummary {
  readonly listeners: readonly string[];
  readonly admin: string;
  readonly controlPlane: string;
  readonly state: ServerState;
}

/** How long discovery waits for the first certificate; usually it comes within a tenth of it. */
const FIRST_CERTIFICATE_MS = 500;

/** Of the event loop, each of which accepts one connection at most. */
const MOST_ACCEPTING_TURNS = 2_000;

/** Of clients, where neither the bootstrap nor the descriptors of the process bound them. */
const MOST_CONNECTIONS = 50_000;

/** Where Istio's proxies get their certificates from. */
const SDS_CLUSTER = 'sds-grpc';

const NOTHING_DISCOVERED: DiscoveredResources = {
  versionInfo: '',
  held: [],
  missing: [],
  refused: [],
};

/**
 * Owns every lifetime of a proxy: warms, serves, drains.
 *
 * Shape: `start` resolves once static listeners are open and the admin pages answer; `onReady` tells when the first full
 * configuration is warm; `drain` lets what is in flight finish; `close` ends everything.
 */
export class Server {
  readonly #config: BootstrapConfig;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #stats: StatsStore;
  readonly #serverStats: ServerStats;
  readonly #telemetry: IstioTelemetry;
  readonly #startedAtMs: number;
  readonly #startedMonotonicMs: number;
  readonly #supervisor: ServerOptions['supervisor'];
  readonly #threads: ServingThreads | undefined;
  readonly #thread: ThreadParts | undefined;
  readonly #onQuit: () => void;
  readonly #ready: Promise<void>;
  #resolveReady: () => void = () => undefined;
  #accessLogs: AccessLogFiles | undefined;
  #clusters: ServedClusters | undefined;
  #listeners: ServedListeners | undefined;
  #identity: ProxyIdentity | undefined;
  #tls: ProxyTls | undefined;
  #xds: ConfigurationClient | undefined;
  #admin: AdminServer | undefined;
  #dns: DnsServer | undefined;
  readonly #overload: OverloadManager;
  readonly #runtime: Runtime;
  #state: ServerState = 'PRE_INITIALIZING';
  #healthFailed = false;
  #closed: Promise<void> | undefined;

  /** `onQuit` is called when somebody asks the process to end. */
  constructor(options: ServerOptions, onQuit: () => void = () => undefined) {
    this.#config = options.config;
    this.#log = options.log;
    this.#clock = options.clock ?? new BatchClock(systemClock, writeBatch);
    this.#random = options.random ?? systemRandom;
    this.#supervisor = options.supervisor;
    this.#threads = options.threads;
    this.#thread = options.thread;
    this.#stats = options.thread?.stats ?? new StatsStore();
    this.#onQuit = onQuit;
    this.#startedAtMs = this.#clock.nowMs();
    this.#startedMonotonicMs = this.#clock.monotonicMs();
    this.#serverStats = new ServerStats(this.#stats, options.threads?.count);
    const { node, maxSeries } = options.config;
    this.#telemetry = new IstioTelemetry(
      node,
      new LabelledMetrics({ clock: this.#clock, stats: this.#stats, maxSeries }),
    );
    this.#overload = new OverloadManager({
      config: options.config.overload,
      clock: this.#clock,
      log: this.#log.child('overload'),
      stats: this.#stats,
      memoryUse: (options.threads ?? options.thread)?.memoryUse ?? memoryUse,
      memoryLimit: memoryLimit(),
      collectGarbage,
    });
    // Of workers the main thread counts for all.
    this.#runtime = new Runtime(
      options.config.runtime,
      options.thread === undefined ? this.#stats : undefined,
    );
    this.#ready = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
  }

  /** Resolves when the first full configuration is warm. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  get state(): ServerState {
    return this.#healthFailed && this.#state === 'LIVE' ? 'DRAINING' : this.#state;
  }

  /** undefined without an admin address. */
  get adminAddress(): AddressConfig | undefined {
    return this.#admin?.address;
  }

  /**
   * Starts: admin pages first, so that the rest can be watched; then static clusters, then static listeners, then xDS.
   *
   * Errors: StartError when a static listener or cluster cannot run; the admin server's when its address is taken.
   */
  async start(): Promise<void> {
    const config = this.#config;
    const common = { clock: this.#clock, random: this.#random, stats: this.#stats };
    for (const warning of config.warnings)
      this.#log.warn('a part of the bootstrap has no effect', { warning });
    this.#identity = await this.#createIdentity();
    this.#identity?.start();
    const tls = this.#createTls();
    this.#tls = tls;
    const thread = this.#thread;
    this.#xds =
      thread === undefined
        ? await createXdsClient({
            ...common,
            config,
            log: this.#log.child('xds'),
            identity: this.#identity,
            checkSecret: (secret) => tls.problemOf(secret),
          })
        : thread.configuration;
    const { clusters, listeners } = this.#threads ?? this.#createManagers(tls);
    this.#clusters = clusters;
    this.#listeners = listeners;
    this.#overload.start();
    this.#state = 'INITIALIZING';
    await this.#startAdmin(clusters, listeners);

    await tls.loadFor([...config.clusters, ...config.listeners]);
    if (this.#threads === undefined) await this.#applyStatic(clusters, listeners);
    else {
      const problem = await this.#threads.start({
        configuration: this.#xds,
        sds: (cluster) => tls.sdsClient(cluster),
        ownSecrets: this.#identity?.secrets,
      });
      if (problem !== undefined) throw new StartError(problem);
    }
    const identity = this.#identity;
    const names = await this.#startDns();
    const becomeLive = (): void => {
      if (this.#state !== 'INITIALIZING') return;
      this.#state = 'LIVE';
      this.#resolveReady();
    };
    const onConfigured = (): void => {
      // Nobody could be talked to by mutual TLS before.
      if (identity === undefined) becomeLive();
      else identity.whenCertified(becomeLive);
    };
    const xds = this.#xds;
    if (xds === undefined) clusters.onReady(() => listeners.onReady(onConfigured));
    else {
      xds.onReady(onConfigured);
      // The stream then begins with the certificate at once, and not with the join token first.
      await identity?.settled(FIRST_CERTIFICATE_MS);
      identity?.onCertificate(() => xds.reconnect());
      this.#runtime.start(xds);
      xds.start({
        clusters: {
          apply: async (added, removed, bytes) => {
            await tls.loadFor(added);
            return clusters.apply(added, removed, bytes);
          },
          onReady: (callback) => clusters.onReady(callback),
        },
        listeners: {
          apply: async (added, removed, bytes) => {
            await tls.loadFor(added);
            return listeners.apply(added, removed, bytes);
          },
          onReady: (callback) => listeners.onReady(callback),
        },
        ...(names === undefined ? {} : { names }),
      });
    }
  }

  /** Where it stands, for the one line that a start prints. */
  summary(): ReadySummary {
    const { ads } = this.#config;
    const xds = this.#xds?.state;
    const how = xds?.lastGoodInUse
      ? 'last good configuration'
      : xds?.connected
        ? 'connected'
        : 'not connected';
    return {
      listeners: (this.#listeners?.status() ?? [])
        .filter((listener) => listener.state !== 'draining')
        .map((listener) => `${listener.name} ${listener.addresses.map(formatAddress).join(' ')}`.trimEnd()),
      admin: this.#admin === undefined ? 'none' : formatAddress(this.#admin.address),
      controlPlane: ads === undefined ? 'none' : `${ads.target.name} ${ads.variant} ${how}`,
      state: this.state,
    };
  }

  /** Calls back once, when every cluster or listener that is known by then is warm. */
  whenWarm(what: 'clusters' | 'listeners', callback: () => void): void {
    (what === 'clusters' ? this.#clusters : this.#listeners)?.onReady(callback);
  }

  /** What it serves now, for the main thread's admin pages. */
  view(): ServerView {
    return {
      clusters: this.#clusters?.status() ?? [],
      listeners: this.#listeners?.status() ?? [],
      certificates: this.#tls?.transports?.certificates() ?? [],
      labelled: this.#telemetry.metrics,
    };
  }

  drainListeners(options: { readonly inboundOnly: boolean }): void {
    this.#listeners?.drain(options);
  }

  /** Sets runtime settings, as the admin pages do. */
  modifyRuntime(changes: ReadonlyMap<string, string>): void {
    this.#runtime.modify(changes);
  }

  resetCounters(): void {
    this.#stats.resetCounters();
    this.#telemetry.metrics.resetCounters();
    this.#threads?.resetCounters();
  }

  /** Opens log files anew. */
  reopenLogs(): void {
    this.#accessLogs?.reopen();
    this.#threads?.reopenLogs();
  }

  /**
   * Stops accepting and resolves when nothing is in flight, or after `timeoutMs`. Where another process has taken this one's place,
   * idle connections have that time too: until their clients were told.
   */
  async drain(timeoutMs: number, isReplaced = false): Promise<void> {
    this.#state = 'DRAINING';
    const listeners = this.#listeners;
    if (listeners === undefined) return;
    const kept = this.#xds?.keepLastGood();
    await acceptQueued(listeners);
    const keepsIdle = isReplaced || this.#supervisor?.isReplaced === true;
    if (keepsIdle) this.#admin?.stopAccepting();
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(timeoutMs, () => {
        this.#log.warn('what is in flight is cut off', {
          requests: listeners.activeRequests,
          connections: listeners.activeConnections,
        });
        resolve();
      });
      listeners.drain({ keepsIdle }, () => {
        timer.cancel();
        resolve();
      });
    });
    await kept;
  }

  /** Ends everything now; what is logged and kept is written. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#state = 'DRAINING';
    await this.#xds?.keepLastGood();
    this.#xds?.close();
    const farewell = this.#identity?.stop();
    this.#tls?.close();
    this.#dns?.close();
    this.#overload.stop();
    this.#runtime.close();
    await this.#listeners?.close();
    this.#clusters?.close();
    await this.#admin?.close();
    await this.#accessLogs?.close();
    await farewell;
  }

  #createManagers(tls: ProxyTls): { readonly clusters: ClusterManager; readonly listeners: ListenerManager } {
    const config = this.#config;
    const common = { clock: this.#clock, random: this.#random, stats: this.#stats };
    const thread = this.#thread;
    const clusters = createClusterManager({
      ...common,
      log: this.#log.child('cluster'),
      configSource: this.#xds,
      tls: () => tls.transports,
      bind: config.upstreamBind,
      runtime: this.#runtime,
      cells: thread?.cells,
      watch: thread?.watch,
    });
    this.#accessLogs = new AccessLogFiles({
      clock: this.#clock,
      stats: this.#stats,
      log: this.#log.child('access-log'),
      ...(thread && { system: thread.logFiles }),
    });
    const listeners = createListenerManager({
      runtime: this.#runtime,
      ...common,
      log: this.#log.child('listener'),
      clusters,
      accessLogFiles: this.#accessLogs,
      configSource: this.#xds,
      formatContext: config.formatContext,
      telemetry: this.#telemetry,
      tls: () => tls.transports,
      drainTimeMs: config.drainTimeMs,
      overload: this.#overload.state,
      maxConnections:
        config.overload.maxConnections ??
        Math.min(MOST_CONNECTIONS, affordableConnections() ?? MOST_CONNECTIONS),
      originalDestination: originalDestinationFinder(this.#log.child('listener')),
      heldSockets: thread?.sockets ?? this.#supervisor?.sockets,
      cells: thread?.cells,
    });
    return { clusters, listeners };
  }

  /** Errors: StartError where something of it cannot run. */
  async #applyStatic(clusters: ServedClusters, listeners: ServedListeners): Promise<void> {
    const config = this.#config;
    // The clusters of a control plane and of an agent are for gRPC's own library, and need not be ones that requests can use.
    const forGrpc = [config.ads?.target.name, SDS_CLUSTER];
    const problems = await clusters.apply(config.clusters, [], []);
    refuseProblems(problems.filter((one) => !forGrpc.includes(one.resource)));
    // Without a control plane nothing more comes: listeners open when their clusters are warm.
    if (this.#xds === undefined) await new Promise<void>((resolve) => clusters.onReady(resolve));
    refuseProblems(await listeners.apply(config.listeners, [], []));
  }

  async #createIdentity(): Promise<ProxyIdentity | undefined> {
    const { identity: config, node } = this.#config;
    if (config === undefined) return undefined;
    const keepsake = this.#supervisor?.keepsake;
    const [{ ProxyIdentity }, inherited] = await Promise.all([
      import('./identity/proxy-identity.js'),
      keepsake?.inherit(this.#clock),
    ]);
    return new ProxyIdentity({
      config,
      nodeId: node.id,
      inherited,
      bequeath: keepsake && ((text, untilMs) => keepsake.keep(text, untilMs)),
      clock: this.#clock,
      random: this.#random,
      log: this.#log.child('identity'),
      stats: this.#stats,
    });
  }

  #createTls(): ProxyTls {
    const { secrets, clusters, node, formatContext, ads } = this.#config;
    const thread = this.#thread;
    return new ProxyTls({
      clock: this.#clock,
      random: this.#random,
      log: this.#log.child('tls'),
      stats: this.#stats,
      node,
      environment: formatContext.environment ?? (() => undefined),
      secrets,
      inProcess: thread?.ownSecrets ?? this.#identity?.secrets,
      watchBySds: thread?.watchBySds,
      ticketSecret: thread?.ticketSecret,
      watchByAds:
        ads === undefined
          ? undefined
          : (name, watcher) =>
              (this.#xds as ConfigurationClient).watchSecret(name, {
                onUpdate: (config) => watcher.onUpdate(config),
                onAbsent: () => watcher.onRemoved(),
              }),
      sdsTarget: (name) => {
        const cluster = clusters.find((one) => one.name === name);
        return cluster && staticTarget(cluster);
      },
    });
  }

  /** Answers the application's DNS questions, if they come here. Resolves with what takes the names of the mesh. */
  async #startDns(): Promise<ConfigTargets['names']> {
    const { dns, node, upstreamBind } = this.#config;
    const source = upstreamBind?.bindAddress;
    if (dns === undefined) return undefined;
    const { startDns } = await import('./dns/start-dns.js');
    const started = await startDns({
      config: dns,
      namespace: node.metadata?.fields['NAMESPACE']?.stringValue ?? 'default',
      sourceAddress: source?.kind === 'socket' ? source.host : undefined,
      clock: this.#clock,
      log: this.#log.child('dns'),
      stats: this.#stats,
      heldSockets: this.#supervisor?.sockets,
    }).catch((cause: unknown) => {
      throw new StartError(`DNS cannot be answered on port ${dns.port}`, { cause });
    });
    this.#dns = started.server;
    return started.names;
  }

  async #startAdmin(clusters: ServedClusters, listeners: ServedListeners): Promise<void> {
    const { adminAddress, adminAddressPath, node, source } = this.#config;
    const threads = this.#threads;
    if (adminAddress === undefined) return;
    const [{ AdminServer }, { createAdminPages }] = await Promise.all([
      import('./admin/admin-server.js'),
      import('./admin/pages/index.js'),
    ]);
    const log = this.#log.child('admin');
    const admin = new AdminServer({
      address: adminAddress,
      heldSockets: this.#supervisor?.sockets,
      log,
      prepare: threads && ((path) => threads.prepare(path)),
      pages: createAdminPages({
        runtime: this.#runtime,
        onRuntimeModified: (changes) => this.#threads?.modifyRuntime(changes),
        stats: () => threads?.mergedStats(this.#stats) ?? this.#stats,
        labelledMetrics: () => threads?.mergedLabelled(this.#telemetry.metrics) ?? this.#telemetry.metrics,
        refreshStats: () => {
          this.#serverStats.refresh(this.#uptimeMs(), this.state);
          this.#identity?.refreshStats();
        },
        clusters,
        listeners,
        discovered: (typeUrl) => this.#xds?.resources(typeUrl) ?? NOTHING_DISCOVERED,
        localSecrets: () => this.#tls?.localSecrets() ?? [],
        certificates: () => threads?.certificates() ?? this.#tls?.transports?.certificates() ?? [],
        nowMs: () => this.#clock.nowMs(),
        bootstrap: () => source.bootstrap,
        startedAtMs: this.#startedAtMs,
        identity: { state: () => this.#identity?.state, renew: () => this.#identity?.renewNow() },
        isAddedByApi: (name) => this.#xds?.holds(typeUrls.cluster, name) ?? false,
        server: {
          log,
          version: `${VERSION}/heddle-proxy/node-${process.versions.node}`,
          node,
          uptimeMs: () => this.#uptimeMs(),
          commandLineOptions: {
            concurrency: threads?.count ?? 1,
            configPath: source.configPath,
            configYaml: source.configYaml,
            baseId: source.baseId,
            adminAddressPath: adminAddressPath ?? '',
            logLevel: this.#config.logLevel,
            drainTime: { seconds: Math.round(this.#config.drainTimeMs / 1000) },
          },
          control: {
            state: () => this.state,
            drainListeners: (options) => {
              if (!options.inboundOnly) this.#state = 'DRAINING';
              void this.#xds?.keepLastGood();
              listeners.drain(options);
            },
            quit: this.#onQuit,
            failHealthCheck: (failed) => {
              this.#healthFailed = failed;
            },
            resetCounters: () => this.resetCounters(),
            onLogLevel: (level) => threads?.setLogLevel(level),
            reopenLogs: () => this.reopenLogs(),
          },
        },
      }),
    });
    try {
      await admin.start();
    } catch (cause) {
      throw new StartError(`the admin address ${formatAddress(adminAddress)} cannot be bound`, { cause });
    }
    this.#admin = admin;
    if (adminAddressPath !== undefined) writeFileSync(adminAddressPath, formatAddress(admin.address));
  }

  #uptimeMs(): number {
    return this.#clock.monotonicMs() - this.#startedMonotonicMs;
  }
}

/** Whoever is connected and was not accepted yet would be reset with the socket that it waits in. */
async function acceptQueued(listeners: Pick<ListenerManager, 'acceptedConnections'>): Promise<void> {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  for (let turns = 0; turns < MOST_ACCEPTING_TURNS; turns++) {
    const before = listeners.acceptedConnections;
    await turn();
    await turn();
    if (listeners.acceptedConnections === before) return;
  }
}

function refuseProblems(problems: readonly ApplyProblem[]): void {
  if (problems.length === 0) return;
  throw new StartError(problems.map(({ resource, message }) => `${resource}: ${message}`).join('\n'));
}
