import type { LogLevel } from '@heddle/common';
import type { LogFileSystem } from '../access-log/access-log-files.js';
import type { ClusterManager, ClusterStatus } from '../cluster/cluster-manager.js';
import type { SharedWatch } from '../cluster/shared-watch.js';
import type { SocketSource } from '../listener/bind-server.js';
import type { ListenerManager, ListenerStatus } from '../listener/listener-manager.js';
import type { MemoryUse } from '../overload/memory-use.js';
import type { SharedCells } from '../shared/shared-cells.js';
import type { LabelledMetrics } from '../stats/istio/labelled-metrics.js';
import type { StatsStore } from '../stats/stats-store.js';
import type { SecretConfigSource } from '../tls/configured-secrets.js';
import type { SecretSource } from '../tls/secret-source.js';
import type { ContextCertificates } from '../tls/transport.js';
import type { ConfigTarget } from '../xds/discovered-configuration.js';
import type { ConfigurationClient } from './configuration-client.js';

/** What a worker thread's server has of the main thread, or shares with the other workers. */
export interface ThreadParts {
  readonly stats: StatsStore;
  /** undefined: everything is static. */
  readonly configuration: ConfigurationClient | undefined;
  /** The identity of the workload, where the process has it. */
  readonly ownSecrets: SecretSource | undefined;
  readonly watchBySds: (cluster: string) => SecretConfigSource['watch'];
  readonly sockets: SocketSource;
  readonly logFiles: LogFileSystem;
  readonly memoryUse: () => MemoryUse;
  readonly ticketSecret: Buffer;
  readonly cells: SharedCells;
  readonly watch: SharedWatch;
}

/** What a server serves now. */
export interface ServerView {
  readonly clusters: readonly ClusterStatus[];
  readonly listeners: readonly ListenerStatus[];
  readonly certificates: readonly ContextCertificates[];
  readonly labelled: LabelledMetrics;
}

/** The part of the cluster manager that a server itself asks. */
export type ServedClusters = Pick<ClusterManager, 'onReady' | 'status' | 'close'> &
  ConfigTarget<Parameters<ClusterManager['apply']>[0][number]>;

/** The same of the listener manager. */
export type ServedListeners = Pick<
  ListenerManager,
  'onReady' | 'status' | 'close' | 'drain' | 'activeConnections' | 'activeRequests' | 'acceptedConnections'
> &
  ConfigTarget<Parameters<ListenerManager['apply']>[0][number]>;

/** The workers of a process, as its main thread's server sees them: they serve in the place of managers of its own. */
export interface ServingThreads {
  readonly count: number;
  readonly clusters: ServedClusters;
  readonly listeners: ServedListeners;
  readonly memoryUse: () => MemoryUse;
  /** Starts all; resolves when each serves the static configuration, or with what keeps one from it. */
  start(main: MainThread): Promise<string | undefined>;
  /** Metrics of all threads. */
  mergedStats(own: StatsStore): StatsStore;
  mergedLabelled(own: LabelledMetrics): LabelledMetrics;
  certificates(): readonly ContextCertificates[];
  /** Has the workers tell what a page of this path shows. */
  prepare(path: string): Promise<void>;
  setLogLevel(level: LogLevel): void;
  resetCounters(): void;
  modifyRuntime(changes: ReadonlyMap<string, string>): void;
  reopenLogs(): void;
}

/** What workers ask the main thread's server for. */
export interface MainThread {
  readonly configuration: ConfigurationClient | undefined;
  /** The SDS of a static cluster. */
  readonly sds: (cluster: string) => SdsSource | undefined;
  readonly ownSecrets: SecretSource | undefined;
}

/** A source of secrets that keeps their bytes. */
export interface SdsSource {
  watch(
    name: string,
    watcher: { onUpdate(config: unknown): void; onAbsent(reason: 'removed' | 'timeout'): void },
  ): { close(): void };
  bytesOf(name: string): Uint8Array | undefined;
}
