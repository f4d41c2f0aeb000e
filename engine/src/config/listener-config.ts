import type { ConnectionRateLimitConfig } from './rate-limit-config.js';
import type { AccessLogConfig } from './access-log-config.js';
import type { AddressConfig } from './address.js';
import type { HttpConnectionManagerConfig } from './http-connection-manager-config.js';
import type { FilterDiscoveryConfig } from './http-filter-config.js';
import type { IstioStatsConfig } from './istio-stats-config.js';
import type { NetworkRbacConfig } from './rbac-config.js';
import type { TcpProxyConfig } from './tcp-proxy-config.js';
import type { DownstreamTlsConfig } from './tls-config.js';
import type { RawBufferConfig } from './transport-socket-config.js';

/** Source: envoy.config.core.v3.TrafficDirection. */
export type TrafficDirection = 'unspecified' | 'inbound' | 'outbound';

/** A listener, translated. Source: envoy.config.listener.v3.Listener. */
export interface ListenerConfig {
  readonly name: string;
  readonly address: AddressConfig;
  readonly additionalAddresses: readonly AddressConfig[];
  readonly statPrefix: string;
  readonly filterChains: readonly FilterChainConfig[];
  readonly defaultFilterChain: FilterChainConfig | undefined;
  readonly listenerFilters: readonly ListenerFilterConfig[];
  /** 0 disables; Envoy's default is 15 s. */
  readonly listenerFiltersTimeoutMs: number;
  readonly continueOnListenerFiltersTimeout: boolean;
  /** Soft bound of each connection's buffers, both ways. Default 1 MiB. */
  readonly perConnectionBufferLimitBytes: number;
  readonly trafficDirection: TrafficDirection;
  /** False: the listener opens no socket and only receives what another hands it. */
  readonly bindToPort: boolean;
  readonly useOriginalDst: boolean;
  /** Whether connections to addresses of others are accepted, as TPROXY leads them here. Left out: no. */
  readonly transparent?: boolean;
  readonly tcpBacklogSize: number;
  readonly accessLogs: readonly AccessLogConfig[];
  /** Connections above this are closed at once; undefined means no cap of its own. */
  readonly maxConnections: number | undefined;
}

/** Source: envoy.config.listener.v3.FilterChain. */
export interface FilterChainConfig {
  readonly name: string;
  readonly match: FilterChainMatchConfig | undefined;
  /** The terminal network filter and those before it, in order. */
  readonly filters: readonly NetworkFilterConfig[];
  /** 0 disables. */
  readonly transportSocketConnectTimeoutMs: number;
  readonly transportSocket: RawBufferConfig | DownstreamTlsConfig;
}

/** An address prefix, e.g. `10.0.0.0/8`. */
export interface CidrConfig {
  readonly address: string;
  readonly prefixLength: number;
}

/** Source: envoy.config.listener.v3.FilterChainMatch, in Envoy's order of evaluation. */
export interface FilterChainMatchConfig {
  readonly destinationPort: number | undefined;
  readonly prefixRanges: readonly CidrConfig[];
  readonly serverNames: readonly string[];
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
  readonly directSourcePrefixRanges: readonly CidrConfig[];
  readonly sourceType: 'any' | 'same-ip-or-loopback' | 'external';
  readonly sourcePrefixRanges: readonly CidrConfig[];
  readonly sourcePorts: readonly number[];
}

export type ListenerFilterConfig =
  | { readonly kind: 'original-dst'; readonly name: string }
  /** Connections upstream come from the client's address, with this mark. */
  | { readonly kind: 'original-src'; readonly name: string; readonly mark: number }
  | { readonly kind: 'tls-inspector'; readonly name: string }
  | { readonly kind: 'http-inspector'; readonly name: string }
  | { readonly kind: 'proxy-protocol'; readonly name: string; readonly config: ProxyProtocolConfig };

/** Source: envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol. */
export interface ProxyProtocolConfig {
  /** Whether connections may come without a header. */
  readonly allowsWithout: boolean;
  /** Those that are understood. */
  readonly versions: readonly (1 | 2)[];
  readonly statPrefix: string;
}

export type NetworkFilterConfig =
  | {
      readonly kind: 'http-connection-manager';
      readonly name: string;
      readonly config: HttpConnectionManagerConfig;
    }
  | { readonly kind: 'tcp-proxy'; readonly name: string; readonly config: TcpProxyConfig }
  | { readonly kind: 'echo'; readonly name: string }
  /** Not terminal: lets connections through to the next filter, or closes them. */
  | { readonly kind: 'rbac'; readonly name: string; readonly config: NetworkRbacConfig }
  /** Not terminal: closes connections that come too fast. */
  | {
      readonly kind: 'local-rate-limit';
      readonly name: string;
      readonly config: ConnectionRateLimitConfig;
    }
  /** Not terminal: counts the connections that the terminal filter takes. */
  | { readonly kind: 'istio-stats'; readonly name: string; readonly config: IstioStatsConfig }
  /** Not terminal: what it does is fetched by its name. Source: Filter.config_discovery. */
  | { readonly kind: 'discovered'; readonly name: string; readonly discovery: FilterDiscoveryConfig };
