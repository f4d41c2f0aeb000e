import { envoy, packAny } from '@heddle/xds-protos';
import { rawBufferSocket } from './proto-values.js';

type Cluster = envoy.config.cluster.v3.ICluster;
type TransportSocket = envoy.config.core.v3.ITransportSocket;

const { V1, V2 } = envoy.config.core.v3.ProxyProtocolConfig.Version;
const { ProxyProtocolUpstreamTransport } = envoy.extensions.transport_sockets.proxy_protocol.v3;

/**
 * How a cluster's hosts are spoken to, with the PROXY protocol's header before everything that is said, TLS too.
 *
 * Source: Istio's applyUpstreamProxyProtocol.
 */
export function behindProxyHeader(
  { transportSocket, transportSocketMatches }: Cluster,
  version: 1 | 2,
): Cluster {
  const wrapped = (inner: TransportSocket | null | undefined): TransportSocket => ({
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    typedConfig: packAny(ProxyProtocolUpstreamTransport, {
      config: { version: version === 2 ? V2 : V1 },
      transportSocket: inner ?? rawBufferSocket,
    }),
  });
  if (transportSocketMatches == null) return { transportSocket: wrapped(transportSocket) };
  return {
    transportSocketMatches: transportSocketMatches.map((match) => ({
      ...match,
      transportSocket: wrapped(match.transportSocket),
    })),
  };
}
