import { envoy, packAny } from '@heddle/xds-protos';
import { isHttp } from '../model/app-protocol.js';
import type { AppProtocol, Service, ServicePort } from '../model/mesh-model.js';
import { meshClientSocket } from './mesh-tls.js';

type Cluster = envoy.config.cluster.v3.ICluster;
type TransportSocketMatch = envoy.config.cluster.v3.Cluster.ITransportSocketMatch;

/** What a proxy brings to a TLS connection, and whom it expects behind a service. */
export interface TlsCaller {
  /** Whether it has an identity of the mesh. */
  readonly mtls: boolean;
  /** SPIFFE identities of those who may answer for the service. */
  readonly identities: readonly string[];
}

/** Source: Istio. Endpoints without the metadata are spoken to in plain text. */
const plainMatch: TransportSocketMatch = {
  name: 'tlsMode-disabled',
  match: {},
  transportSocket: {
    name: 'envoy.transport_sockets.raw_buffer',
    typedConfig: packAny(envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer, {}),
  },
};

const mutualTlsMetadata = { fields: { tlsMode: { stringValue: 'istio' } } };

/** The metadata of an endpoint that is to be spoken to by mutual TLS. */
export const mutualTlsEndpoint: envoy.config.core.v3.IMetadata = {
  filterMetadata: { 'envoy.transport_socket_match': mutualTlsMetadata },
};

/** How a cluster's connections are secured: inside the mesh by mutual TLS wherever the other side can. */
export function upstreamTlsOf(
  service: Service,
  caller: TlsCaller,
  port: ServicePort,
  serverName: string,
): Cluster {
  if (!caller.mtls || service.external || service.resolution === 'none') return {};
  return {
    transportSocketMatches: [
      {
        name: 'tlsMode-istio',
        match: mutualTlsMetadata,
        transportSocket: meshClientSocket({
          sni: serverName,
          speaks: spokenOn(port.protocol),
          identities: caller.identities,
        }),
      },
      plainMatch,
    ],
  };
}

function spokenOn(protocol: AppProtocol): 'http' | 'http2' | 'tcp' {
  if (!isHttp(protocol)) return 'tcp';
  return protocol === 'http' ? 'http' : 'http2';
}
