import {
  whyNotExtension,
  type ExtensionConfig,
  type FilterDiscoveryConfig,
  type NetworkFilterConfig,
} from '@heddle/engine';
import type { ConfigSource, ResourceSubscription } from '../config-source.js';
import type { ConnectionRefusal } from '../http/refused-connection.js';
import type { ConnectionInfo } from '../http/stream-state.js';
import type { StatsStore } from '../stats/stats-store.js';
import type { ConnectionFilter } from './connection-filter.js';

/** Nothing may pass that the filter might have stopped. */
const MISSING: ConnectionRefusal = Object.freeze({
  details: 'no_filter_config_found',
  reason: 'the configuration of a network filter did not come from the control plane',
  flag: 'NFCF',
  delayMs: 0,
});

export interface FetchedConnectionFilterOptions {
  readonly name: string;
  readonly discovery: FilterDiscoveryConfig;
  readonly configSource: ConfigSource | undefined;
  readonly stats: StatsStore;
  readonly create: (config: NetworkFilterConfig) => ConnectionFilter | undefined;
}

/** A filter whose configuration is fetched by its name (ECDS), and changes while connections go on. */
export class FetchedConnectionFilter implements ConnectionFilter {
  readonly #options: FetchedConnectionFilterOptions;
  #current: ConnectionFilter | undefined;
  #subscription: ResourceSubscription | undefined = undefined;
  #onWarm: (() => void) | undefined = undefined;

  constructor(options: FetchedConnectionFilterOptions) {
    this.#options = options;
  }

  check(info: ConnectionInfo): ConnectionRefusal | undefined {
    return this.#current === undefined ? MISSING : this.#current.check(info);
  }

  start(onWarm: () => void): void {
    const { name, discovery, configSource, stats } = this.#options;
    const prefix = `extension_config_discovery.network_filter.${name}`;
    const reloads = stats.counter(`${prefix}.config_reload`);
    const conflicts = stats.counter(`${prefix}.config_conflict`);
    this.#onWarm = onWarm;
    if (discovery.defaultsAtOnce) this.#use(discovery.defaultConfig);
    this.#subscription = configSource?.watchExtension(
      name,
      {
        typeUrls: discovery.typeUrls,
        whyNot: (extension) => {
          const why = whyNotExtension(extension, discovery);
          if (why !== undefined) conflicts.inc();
          return why;
        },
        onUpdate: (extension) => {
          reloads.inc();
          this.#use(extension);
        },
        onAbsent: (reason) => {
          // What came earlier stays when a later answer is only late.
          if (reason === 'removed' || this.#current === undefined) this.#use(discovery.defaultConfig);
        },
      },
      discovery.initialFetchTimeoutMs,
    );
    if (this.#subscription === undefined) this.#use(discovery.defaultConfig);
  }

  close(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
  }

  #use(extension: ExtensionConfig | undefined): void {
    this.#current =
      extension?.filter.kind === 'network' ? this.#options.create(extension.filter.config) : undefined;
    const onWarm = this.#onWarm;
    this.#onWarm = undefined;
    onWarm?.();
  }
}
