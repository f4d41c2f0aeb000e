import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { Clock, LogLevel, Logger } from '@heddle/common';
import type { ClusterConfig, ListenerConfig } from '@heddle/engine';
import { SharedSockets } from '@heddle/supervisor/shared-sockets';
import { LogWriter } from '../../access-log/log-writer.js';
import type { BootstrapConfig, ConfigText } from '../../bootstrap.js';
import type { CommandLine } from '../../bootstrap/command-line.js';
import type { ApplyProblem, ClusterStatus } from '../../cluster/cluster-manager.js';
import { removeStaleSocket, type SocketSource } from '../../listener/bind-server.js';
import type { DrainOptions, ListenerStatus } from '../../listener/listener-manager.js';
import type { MemoryUse } from '../../overload/memory-use.js';
import { SharedCells } from '../../shared/shared-cells.js';
import { ThreadLink } from '../../shared/thread-link.js';
import type { LabelledMetrics } from '../../stats/istio/labelled-metrics.js';
import { mergedStats, ReceivedStats } from '../../stats/published-stats.js';
import type { StatsStore } from '../../stats/stats-store.js';
import type { ContextCertificates } from '../../tls/transport.js';
import {
  WORKLOAD_CERTIFICATE_SECRET,
  WORKLOAD_TRUST_SECRET,
  type SecretSource,
} from '../../tls/secret-source.js';
import type { MainThread, ServedClusters, ServedListeners, ServingThreads } from '../thread-parts.js';
import { mergedClusters, mergedLabelled } from './merged-view.js';
import type { ToMain, ToWorker, WorkerStart, WorkerView } from './messages.js';
import { ResourceRelay } from './resource-relay.js';
import { plainSecret } from './secret-transfer.js';
import { SharedMemoryUse } from './shared-memory-use.js';
import { WatchRelay } from './watch-relay.js';

export interface WorkersOptions {
  readonly config: BootstrapConfig;
  readonly commandLine: CommandLine;
  readonly texts: readonly ConfigText[];
  readonly count: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Who holds our listening sockets, if somebody does. */
  readonly heldSockets: Pick<SocketSource, 'listen' | 'unlisten'> | undefined;
  /** A thread ended that should not have: nothing of the process is to be trusted any more. */
  readonly onCrash: (worker: number, error: unknown) => void;
}

interface WorkerThread {
  readonly thread: Worker;
  readonly link: ThreadLink<ToWorker, ToMain>;
  readonly stats: ReceivedStats;
  readonly relay: ResourceRelay;
}

/** Pages that show what only the workers know. */
const SHOWN_BY_WORKERS = /^\/(clusters|listeners|certs|config_dump|stats)\b/;
const SHOWS_LABELLED = /^\/stats\b.*prometheus/;

const NO_VIEW: WorkerView = { clusters: [], listeners: [], certificates: [], labelled: [] };

/**
 * The worker threads of a proxy, seen from its main thread: whatever is applied is applied in all of them, whatever is shown is what
 * they have together.
 *
 * Source: Envoy's threading model: the main thread talks to the control plane and to operators, each connection belongs to one worker.
 */
export class Workers implements ServingThreads {
  readonly clusters: ServedClusters;
  readonly listeners: ServedListeners;
  readonly #options: WorkersOptions;
  readonly #sockets: SharedSockets;
  readonly #logs = new LogWriter();
  readonly #workers: WorkerThread[] = [];
  readonly #watches = new WatchRelay(this.#workers);
  readonly #memory: SharedArrayBuffer;
  readonly #memoryUse: SharedMemoryUse;
  readonly #clusterConfigs = new Map<string, ClusterConfig>();
  readonly #listenerConfigs = new Map<string, ListenerConfig>();
  #views: readonly WorkerView[] = [];
  #isEnding = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#sockets = new SharedSockets(options.heldSockets);
    this.#memory = SharedMemoryUse.allocate(options.count + 1);
    this.#memoryUse = new SharedMemoryUse(this.#memory, 0);
    for (const config of options.config.clusters) this.#clusterConfigs.set(config.name, config);
    for (const config of options.config.listeners) this.#listenerConfigs.set(config.name, config);
    this.clusters = {
      apply: (added, removed, bytes) => this.#apply('clusters', this.#clusterConfigs, added, removed, bytes),
      onReady: (callback) => this.#whenWarm('clusters', callback),
      status: () => this.#clusterStatus(),
      close: () => undefined,
    };
    this.listeners = {
      apply: (added, removed, bytes) =>
        this.#apply('listeners', this.#listenerConfigs, added, removed, bytes),
      onReady: (callback) => this.#whenWarm('listeners', callback),
      status: () => this.#listenerStatus(),
      drain: (drainOptions, onDrained) => this.#drain(drainOptions, onDrained),
      close: () => this.#close(),
      // What is in flight each worker tells for itself.
      activeConnections: 0,
      activeRequests: 0,
      acceptedConnections: 0,
    };
  }

  get count(): number {
    return this.#options.count;
  }

  readonly memoryUse = (): MemoryUse => this.#memoryUse.look();

  async start(main: MainThread): Promise<string | undefined> {
    const { count, commandLine, texts } = this.#options;
    const cells = SharedCells.allocate();
    const ticketSecret = randomBytes(32);
    const ownSecrets =
      main.ownSecrets === undefined ? [] : [WORKLOAD_CERTIFICATE_SECRET, WORKLOAD_TRUST_SECRET];
    for (let index = 0; index < count; index++) {
      const start: WorkerStart = {
        index,
        count,
        commandLine,
        texts,
        cells,
        memoryUse: this.#memory,
        ticketSecret,
        ownSecrets,
      };
      this.#workers.push(this.#spawn(start, main));
    }
    if (main.ownSecrets !== undefined) this.#handDown(main.ownSecrets, ownSecrets);
    const problems = await Promise.all(this.#workers.map(({ link }) => link.ask('start', undefined)));
    await this.#look(false);
    return problems.find((problem) => problem !== undefined);
  }

  mergedStats(own: StatsStore): StatsStore {
    return mergedStats(
      own,
      this.#workers.map(({ stats }) => stats),
    );
  }

  mergedLabelled(own: LabelledMetrics): LabelledMetrics {
    return mergedLabelled(
      this.#options.clock,
      own,
      this.#views.map(({ labelled }) => labelled),
    );
  }

  certificates(): readonly ContextCertificates[] {
    return this.#views[0]?.certificates ?? [];
  }

  async prepare(path: string): Promise<void> {
    if (SHOWN_BY_WORKERS.test(path)) await this.#look(SHOWS_LABELLED.test(path));
  }

  setLogLevel(level: LogLevel): void {
    for (const { link } of this.#workers) link.tell('logLevel', level);
  }

  modifyRuntime(changes: ReadonlyMap<string, string>): void {
    for (const { link } of this.#workers) link.tell('runtime', changes);
  }

  resetCounters(): void {
    for (const { link } of this.#workers) link.tell('resetCounters', undefined);
  }

  reopenLogs(): void {
    for (const { link } of this.#workers) link.tell('reopenLogs', undefined);
  }

  #spawn(start: WorkerStart, main: MainThread): WorkerThread {
    const { index } = start;
    const thread = new Worker(new URL('./worker.js', import.meta.url), {
      name: `worker-${index}`,
      workerData: start,
    });
    const stats = new ReceivedStats();
    const relay = new ResourceRelay(main, (message) => link.tell('resource', message));
    const link: WorkerThread['link'] = new ThreadLink<ToWorker, ToMain>(thread, {
      watch: (message) => relay.watch(message),
      unwatch: ({ watch }) => relay.unwatch(watch),
      listen: ({ owner, host, port, ipv6Only }) => this.#sockets.listen(index, owner, host, port, ipv6Only),
      listenAt: ({ owner, path }) => this.#sockets.listenAt(index, owner, path, removeStaleSocket),
      unlisten: ({ host, port }) => this.#sockets.unlisten(index, host, port),
      logLine: (line) => void process.stderr.write(line),
      openLog: ({ path }) => this.#logs.open(path),
      writeLog: ({ path, bytes }) => this.#logs.write(path, bytes),
      releaseLog: ({ path }) => this.#logs.release(path),
      metrics: (changes) => stats.receive(changes),
      health: (clusters) => this.#watches.health(index, clusters),
      names: (names) => this.#watches.names(index, names),
      follow: (names) => this.#watches.follow(index, names),
    });
    thread.on('error', (error) => this.#options.onCrash(index, error));
    thread.on('exit', (code) => {
      if (!this.#isEnding) this.#options.onCrash(index, `it ended with ${code}`);
    });
    return { thread, link, stats, relay };
  }

  /** Every version of the secrets that this process holds itself, in memory and in the clear. */
  #handDown(source: SecretSource, names: readonly string[]): void {
    for (const name of names) {
      const tell = (secret: Parameters<typeof plainSecret>[0] | undefined): void => {
        const plain = secret && plainSecret(secret);
        for (const { link } of this.#workers) link.tell('ownSecret', { name, secret: plain });
      };
      source.watch(name, { onSecret: tell, onRemoved: () => tell(undefined) });
    }
  }

  /** A resource is accepted when every worker took it. */
  async #apply<T extends { readonly name: string }>(
    kind: 'clusters' | 'listeners',
    configs: Map<string, T>,
    values: readonly T[],
    removed: readonly string[],
    added: readonly Uint8Array[],
  ): Promise<readonly ApplyProblem[]> {
    const answers = await Promise.all(this.#workers.map(({ link }) => link.ask(kind, { added, removed })));
    const problems = new Map<string, ApplyProblem>();
    for (const problem of answers.flat()) problems.set(`${problem.resource} ${problem.message}`, problem);
    for (const name of removed) configs.delete(name);
    const refused = new Set([...problems.values()].map(({ resource }) => resource));
    for (const value of values) if (!refused.has(value.name)) configs.set(value.name, value);
    return [...problems.values()];
  }

  #whenWarm(what: 'clusters' | 'listeners', callback: () => void): void {
    void Promise.all(this.#workers.map(({ link }) => link.ask('warm', what))).then(callback);
  }

  async #look(labelled: boolean): Promise<void> {
    this.#views = await Promise.all(this.#workers.map(({ link }) => link.ask('view', { labelled })));
  }

  #clusterStatus(): readonly ClusterStatus[] {
    return mergedClusters(
      this.#views.map(({ clusters }) => clusters),
      this.#clusterConfigs,
    );
  }

  #listenerStatus(): readonly ListenerStatus[] {
    const [first = NO_VIEW, ...others] = this.#views;
    return first.listeners.flatMap((listener): ListenerStatus[] => {
      const config = this.#listenerConfigs.get(listener.name);
      if (config === undefined) return [];
      const same = others.flatMap(({ listeners }) => listeners.filter(({ name }) => name === listener.name));
      return [
        {
          ...listener,
          config,
          state: same.some(({ state }) => state === 'warming') ? 'warming' : listener.state,
          connections: same.reduce((sum, { connections }) => sum + connections, listener.connections),
        },
      ];
    });
  }

  #drain({ inboundOnly = false, keepsIdle = false }: DrainOptions = {}, onDrained?: () => void): void {
    if (onDrained === undefined) {
      for (const { link } of this.#workers) link.tell('drainListeners', { inboundOnly });
      return;
    }
    this.#isEnding = true;
    const timeoutMs = this.#options.config.signalDrainTimeMs;
    void Promise.all(
      this.#workers.map(({ link }) => link.ask('drain', { timeoutMs, isReplaced: keepsIdle })),
    ).then(onDrained);
  }

  async #close(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#workers.map(({ link }) => link.ask('close', undefined)));
    await Promise.all(this.#workers.map(({ thread }) => thread.terminate()));
    for (const { relay } of this.#workers) relay.close();
    this.#sockets.close();
    await this.#logs.close();
  }
}
