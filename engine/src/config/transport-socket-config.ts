import type { UpstreamTlsConfig } from './tls-config.js';

/** Bytes as they are. Source: envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer. */
export interface RawBufferConfig {
  readonly kind: 'raw';
}

/** What is put around the transport socket of an upstream. */
export interface UpstreamWrappingConfig {
  /** What listeners of this process are told of where their connections come from. Source: InternalUpstreamTransport. */
  readonly passthroughMetadata?: readonly PassthroughMetadataConfig[];
  /** The version of the PROXY protocol whose header goes before everything else. Source: ProxyProtocolUpstreamTransport. */
  readonly proxyProtocol?: 1 | 2;
}

/** Metadata of a host or its cluster, by its namespace. */
export interface PassthroughMetadataConfig {
  readonly of: 'host' | 'cluster';
  readonly name: string;
}

/** How hosts are spoken to. Source: envoy.config.cluster.v3.Cluster.transport_socket. */
export type UpstreamSocketConfig = (RawBufferConfig | UpstreamTlsConfig) & UpstreamWrappingConfig;

/** A transport socket for hosts of a cluster. Source: envoy.config.cluster.v3.Cluster.TransportSocketMatch. */
export interface TransportSocketMatchConfig {
  readonly name: string;
  /** What the host's metadata of `envoy.transport_socket_match` must have; empty: every host matches. */
  readonly match: Readonly<Record<string, unknown>>;
  readonly transportSocket: UpstreamSocketConfig;
}
