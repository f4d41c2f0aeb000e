import type { Clock, Random } from '@heddle/common';
import {
  compileHeaderChanges,
  type FormatContext,
  type HttpConnectionManagerConfig,
  type WeightedChanges,
  type WeightedClusterConfig,
} from '@heddle/engine';
import type { ClusterManager } from '../../../cluster/cluster-manager.js';
import type { Deadlines } from '../../../codec/http1/deadline-queue.js';
import type { ConnectionManagerStats } from '../../connection-manager-stats.js';

export interface RouterSharedOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly clusters: ClusterManager;
  readonly deadlines: Deadlines;
  readonly formatContext: FormatContext;
  readonly bufferLimitBytes: number;
}

/** What the engine's parser of the router's config returns, as far as it matters here. */
interface RouterConfigView {
  readonly suppressEnvoyHeaders?: boolean;
  readonly respectExpectedRequestTimeout?: boolean;
}

/** What the routers of one connection manager share. */
export class RouterShared {
  readonly clock: Clock;
  readonly random: Random;
  readonly clusters: ClusterManager;
  readonly deadlines: Deadlines;
  readonly stats: ConnectionManagerStats;
  readonly suppressEnvoyHeaders: boolean;
  /** Whether the time that the proxy before this one waits counts before what is asked for and what the route says. */
  readonly respectsExpectedTimeout: boolean;
  /** Of what a request may hold while it waits for a connection. */
  readonly bufferLimitBytes: number;
  readonly #formatContext: FormatContext;
  readonly #weighted = new WeakMap<WeightedClusterConfig, WeightedChanges>();

  constructor(
    config: unknown,
    manager: HttpConnectionManagerConfig,
    options: RouterSharedOptions,
    stats: ConnectionManagerStats,
  ) {
    const view = (config ?? {}) as RouterConfigView;
    this.clock = options.clock;
    this.random = options.random;
    this.clusters = options.clusters;
    this.deadlines = options.deadlines;
    this.stats = stats;
    this.suppressEnvoyHeaders = view.suppressEnvoyHeaders === true || manager.suppressEnvoyHeaders;
    this.respectsExpectedTimeout = view.respectExpectedRequestTimeout === true;
    this.bufferLimitBytes = options.bufferLimitBytes === 0 ? Infinity : options.bufferLimitBytes;
    this.#formatContext = options.formatContext;
  }

  /** Compiled once for each weighted cluster, when it is first chosen. */
  weightedChanges(weighted: WeightedClusterConfig): WeightedChanges {
    let changes = this.#weighted.get(weighted);
    if (changes === undefined) {
      changes = {
        request: [compileHeaderChanges(weighted.requestHeaders, this.#formatContext)],
        response: [compileHeaderChanges(weighted.responseHeaders, this.#formatContext)],
      };
      this.#weighted.set(weighted, changes);
    }
    return changes;
  }
}
