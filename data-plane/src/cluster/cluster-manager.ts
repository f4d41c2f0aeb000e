import type { Clock, Logger, Random } from '@heddle/common';
import type {
  AddressConfig,
  ClusterConfig,
  EndpointConfig,
  RuntimeSettings,
  UpstreamBindConfig,
} from '@heddle/engine';
import type { ConfigSource, ResourceSubscription } from '../config-source.js';
import type { SharedCells } from '../shared/shared-cells.js';
import type { StatsStore } from '../stats/stats-store.js';
import type { TlsTransports } from '../tls/transport.js';
import type { Cluster } from './cluster.js';
import { ClusterManagerImpl } from './cluster-manager-impl.js';
import type { DnsResolver } from './dns-resolver.js';
import type { InternalListeners } from './internal-listeners.js';
import type { OutlierDetector } from './outlier/outlier-detector.js';
import type { PoolFactory } from './pool-factory.js';
import type { SharedWatch } from './shared-watch.js';

export interface ClusterManagerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly stats: StatsStore;
  /** Where EDS clusters get their endpoints. Without one an EDS cluster is refused. */
  readonly configSource?: ConfigSource | undefined;
  /** Asked when a cluster with TLS comes; without an answer it is refused. */
  readonly tls?: (() => TlsTransports | undefined) | undefined;
  /** Where connections come from, unless a cluster says so itself. Default: as the system chooses. */
  readonly bind?: UpstreamBindConfig | undefined;
  /** Default: the system's resolver; with a bind address one whose questions come from there, too. */
  readonly resolver?: DnsResolver;
  /** What the threads of this process limit together; undefined: there is one. */
  readonly cells?: SharedCells | undefined;
  /** Default: nothing is set. */
  readonly runtime?: RuntimeSettings | undefined;
  /** What they find out about hosts together. */
  readonly watch?: SharedWatch | undefined;
  /** Default: the real connection pools. */
  readonly createPool?: PoolFactory;
}

/** Something wrong with one resource, found while applying it (after translation accepted it). */
export interface ApplyProblem {
  readonly resource: string;
  readonly message: string;
}

/**
 * All clusters, by name. Routes name clusters; every request resolves the name here, so that an update takes effect at once
 * and running streams keep what they began with.
 */
export interface ClusterManager {
  /**
   * Adds, replaces and removes clusters. Unchanged pools go on; hosts that are gone drain their pools.
   * A new cluster is used at once when static, otherwise after its first endpoints; a replaced one serves until the new one is warm.
   */
  apply(added: readonly ClusterConfig[], removed: readonly string[]): readonly ApplyProblem[];
  /** The cluster that serves requests for this name, also while a newer version of it warms. */
  cluster(name: string): Cluster | undefined;
  /** Those of this process, which hosts may be reached by. */
  readonly internalListeners: InternalListeners;
  /** Calls back once, when every cluster known by then is warm (or its fetch timed out); inside the call when that is so already. */
  onReady(callback: () => void): void;
  /** Calls back once: when this cluster is warm or goes; inside the call where it is warm, or there is none. */
  whenActive(name: string, callback: () => void): ResourceSubscription;
  readonly ready: boolean;
  /** What the admin pages show, in order of names. */
  status(): readonly ClusterStatus[];
  /** Closes idle upstream connections and lets busy ones finish. */
  drain(): void;
  /** Closes everything, stops every timer and watch. */
  close(): void;
}

export interface ClusterStatus {
  readonly config: ClusterConfig;
  readonly state: 'warming' | 'active';
  readonly hosts: readonly HostStatus[];
  /** undefined without outlier detection. Percent; -1: nothing to compare. */
  readonly successRates: OutlierDetector['successRates'] | undefined;
}

/** One host as `/clusters` shows it. The counters bear Envoy's names. */
export interface HostStatus {
  readonly address: AddressConfig;
  readonly hostname: string;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly priority: number;
  readonly weight: number;
  readonly health: EndpointConfig['health'];
  /** Bits of `HEALTH_FLAG`. */
  readonly healthFlags: number;
  /** Percent in the last interval of outlier detection; -1: unknown. */
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
  readonly cxActive: number;
  readonly cxTotal: number;
  readonly cxConnectFail: number;
  readonly rqActive: number;
  readonly rqTotal: number;
  readonly rqSuccess: number;
  readonly rqError: number;
  readonly rqTimeout: number;
}

export function createClusterManager(options: ClusterManagerOptions): ClusterManager {
  return new ClusterManagerImpl(options);
}
