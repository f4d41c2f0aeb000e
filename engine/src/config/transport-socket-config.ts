import type { UpstreamTlsConfig } from './tls-config.js';

/** Bytes as they are. Source: envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer. */
export interface RawBufferConfig {
  readonly kind: 'raw';
}

/** A transport socket for hosts of a cluster. Source: envoy.config.cluster.v3.Cluster.TransportSocketMatch. */
export interface TransportSocketMatchConfig {
  readonly name: string;
  /** What the host's metadata of `envoy.transport_socket_match` must have; empty: every host matches. */
  readonly match: Readonly<Record<string, unknown>>;
  readonly transportSocket: RawBufferConfig | UpstreamTlsConfig;
}
