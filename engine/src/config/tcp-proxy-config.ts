import type { HeaderChanges } from './route-config.js';
import type { AccessLogConfig } from './access-log-config.js';

/** Source: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy. */
export interface TcpProxyConfig {
  readonly statPrefix: string;
  /** One entry with weight 1 for a plain `cluster`. */
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
  readonly totalWeight: number;
  /** 0 disables; Envoy's default is one hour. */
  readonly idleTimeoutMs: number;
  readonly maxConnectAttempts: number;
  /** 0 disables. */
  readonly maxDownstreamConnectionDurationMs: number;
  readonly accessLogs: readonly AccessLogConfig[];
  /** Left out: bytes go as they are. */
  readonly tunneling?: TunnelingConfig;
}

/** How connections are tunnelled through HTTP. Source: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig. */
export interface TunnelingConfig {
  /** The authority that is asked for, with command operators. */
  readonly hostname: string;
  /** By POST to this path instead of by CONNECT; empty: by CONNECT. */
  readonly postPath: string;
  readonly headers: HeaderChanges;
}
