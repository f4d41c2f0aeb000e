import type { NetworkFilterConfig } from './listener-config.js';

/**
 * One HTTP filter of a chain, its `Any` already decoded by the filter's own parser.
 *
 * Shape: `typeUrl` names the filter; `config` is what its parser returned (each filter casts it back in one place).
 */
export interface HttpFilterConfig {
  readonly name: string;
  readonly typeUrl: string;
  readonly config: unknown;
  readonly disabled: boolean;
}

/**
 * One HTTP filter of a chain whose configuration is fetched by the filter's name.
 *
 * Source: HttpFilter.config_discovery.
 */
export interface DiscoveredHttpFilterConfig {
  readonly name: string;
  readonly disabled: boolean;
  readonly discovery: FilterDiscoveryConfig;
}

/** How a filter's configuration is fetched. Source: envoy.config.core.v3.ExtensionConfigSource. */
export interface FilterDiscoveryConfig {
  /** What it may be. */
  readonly typeUrls: readonly string[];
  /** What serves while nothing was fetched. undefined: nothing does, and whoever needs the filter is refused. */
  readonly defaultConfig: ExtensionConfig | undefined;
  /** The default serves at once; otherwise only when nothing came in time. */
  readonly defaultsAtOnce: boolean;
  readonly initialFetchTimeoutMs: number;
}

/** A filter's configuration under a name. Source: envoy.config.core.v3.TypedExtensionConfig. */
export interface ExtensionConfig {
  readonly name: string;
  readonly typeUrl: string;
  readonly filter:
    | { readonly kind: 'http'; readonly config: unknown }
    | { readonly kind: 'network'; readonly config: NetworkFilterConfig };
}
