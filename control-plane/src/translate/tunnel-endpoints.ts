import { hostAndPort } from '@heddle/engine';
import { envoy, packAny, type google } from '@heddle/xds-protos';
import type { Endpoint, Service, TrafficPolicy } from '../model/mesh-model.js';
import { rawBufferSocket } from './proto-values.js';

type Address = envoy.config.core.v3.IAddress;
type TransportSocket = envoy.config.core.v3.ITransportSocket;
type Source =
  envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport.IMetadataValueSource;

const { InternalUpstreamTransport } = envoy.extensions.transport_sockets.internal_upstream.v3;

/** The listener inside the proxy that leads connections into tunnels, and the cluster that they go by. Source: Istio. */
export const CONNECT_ORIGINATE = 'connect_originate';

/** Where a connection was going, as metadata. */
export const ORIGINAL_DESTINATION = 'envoy.filters.listener.original_dst';

/** Under `ORIGINAL_DESTINATION`, where its tunnel ends. Source: Istio, which has waypoints there. */
export const TUNNEL_KEY = 'waypoint';

const tunnelMetadata = { fields: { tunnel: { stringValue: 'http' } } };

/**
 * Whether a caller reaches the endpoints of a service through tunnels, those that take them. A tunnel is another form of the mutual
 * TLS that is spoken where nobody says anything: what a DestinationRule says of TLS is done as it says, without one.
 */
export function usesTunnels(
  { external, resolution }: Service,
  { tls }: TrafficPolicy,
  caller: { readonly tunnels?: unknown },
): boolean {
  return caller.tunnels !== undefined && !external && resolution === 'static' && tls === undefined;
}

/** Where an endpoint is reached through its tunnel, and what its metadata says of that. */
export function tunnelledEndpoint(
  { address, tunnelPort }: Endpoint,
  port: number,
): { readonly address: Address; readonly metadata: Record<string, google.protobuf.IStruct> } {
  const target = hostAndPort(address, port);
  const going = { local: target, [TUNNEL_KEY]: hostAndPort(address, tunnelPort) };
  return {
    address: { envoyInternalAddress: { serverListenerName: CONNECT_ORIGINATE, endpointId: target } },
    metadata: {
      [ORIGINAL_DESTINATION]: {
        fields: Object.fromEntries(Object.entries(going).map(([key, stringValue]) => [key, { stringValue }])),
      },
      'envoy.transport_socket_match': tunnelMetadata,
    },
  };
}

/** How endpoints behind tunnels are spoken to: in plain text, inside. Source: Istio. */
export const tunnelMatch: envoy.config.cluster.v3.Cluster.ITransportSocketMatch = {
  name: 'hbone',
  match: tunnelMetadata,
  transportSocket: internalUpstream([
    { kind: { host: {} }, name: ORIGINAL_DESTINATION },
    { kind: { cluster: {} }, name: 'istio' },
    { kind: { host: {} }, name: 'istio' },
  ]),
};

/** To a listener inside the proxy, which is told this metadata. */
export function internalUpstream(passthroughMetadata: readonly Source[]): TransportSocket {
  return {
    name: 'envoy.transport_sockets.internal_upstream',
    typedConfig: packAny(InternalUpstreamTransport, {
      passthroughMetadata: [...passthroughMetadata],
      transportSocket: rawBufferSocket,
    }),
  };
}
