import { isIP } from 'node:net';
import type { envoy, google } from '@heddle/xds-protos';
import { isHttp } from '../model/app-protocol.js';
import type { AppProtocol, ClientTls, Service, ServicePort, TrafficPolicy } from '../model/mesh-model.js';
import { clientSocket } from './client-tls.js';
import { meshClientSocket } from './mesh-tls.js';
import { rawBufferSocket } from './proto-values.js';
import type { TunnelPlace } from './proxy-view.js';
import { tunnelMatch, usesTunnels } from './tunnel-endpoints.js';

type Cluster = envoy.config.cluster.v3.ICluster;
type TransportSocket = envoy.config.core.v3.ITransportSocket;
type TransportSocketMatch = envoy.config.cluster.v3.Cluster.ITransportSocketMatch;

/** What a proxy brings to a TLS connection, and whom it expects behind a service. */
export interface TlsCaller {
  /** Whether it has an identity of the mesh. */
  readonly mtls: boolean;
  /** Set: it makes tunnels to those who take them. */
  readonly tunnels?: TunnelPlace | undefined;
  /** SPIFFE identities of those who may answer for the service. */
  readonly identities: readonly string[];
  /** Whether it gets the Secret that a rule asks for. */
  readonly hasCredential: (rule: ClientTls) => boolean;
  readonly systemRootsPath: string;
}

/** Source: Istio. Endpoints without the metadata are spoken to in plain text. */
const plainMatch: TransportSocketMatch = {
  name: 'tlsMode-disabled',
  match: {},
  transportSocket: rawBufferSocket,
};

const mutualTlsMetadata = { fields: { tlsMode: { stringValue: 'istio' } } };

/** What the metadata of an endpoint says that is to be spoken to by mutual TLS. */
export const mutualTlsEndpoint: Readonly<Record<string, google.protobuf.IStruct>> = {
  'envoy.transport_socket_match': mutualTlsMetadata,
};

/**
 * How a cluster's connections are secured: as its DestinationRule says, else inside the mesh by mutual TLS wherever the other
 * side can.
 *
 * Shape: undefined where this proxy cannot do what is asked. Its clusters are left out then: never plain text instead.
 */
export function upstreamTlsOf(
  service: Service,
  caller: TlsCaller,
  port: ServicePort,
  serverName: string,
  traffic: TrafficPolicy,
): Cluster | undefined {
  const { tls: rule } = traffic;
  const speaks = spokenOn(port.protocol);
  const mesh = (sni: string, names: readonly string[]): TransportSocket =>
    meshClientSocket({ sni, speaks, identities: names });
  const identities = [...caller.identities, ...service.subjectAltNames];
  switch (rule?.mode) {
    case undefined:
      if (!caller.mtls || service.external || service.resolution === 'none') return {};
      return {
        transportSocketMatches: [
          ...(usesTunnels(service, traffic, caller) ? [tunnelMatch] : []),
          {
            name: 'tlsMode-istio',
            match: mutualTlsMetadata,
            transportSocket: mesh(serverName, identities),
          },
          plainMatch,
        ],
      };
    case 'disable':
      return {};
    case 'istio-mutual': {
      if (!caller.mtls) return undefined;
      const names = rule.subjectAltNames.length > 0 ? rule.subjectAltNames : identities;
      return { transportSocket: mesh(rule.sni || serverName, names) };
    }
    case 'simple':
    case 'mutual':
      if (rule.credentialName !== '' && !caller.hasCredential(rule)) return undefined;
      return {
        transportSocket: clientSocket(rule, serverNamesOf(service, rule), speaks, caller.systemRootsPath),
      };
  }
}

/** The server name that is asked for, and the names of which the certificate must have one. */
function serverNamesOf(
  { hostname, subjectAltNames }: Service,
  rule: ClientTls,
): { readonly sni: string; readonly names: readonly string[] } {
  const host = hostname.startsWith('*') || isIP(hostname) !== 0 ? '' : hostname;
  const sni = rule.sni || host;
  if (rule.insecureSkipVerify) return { sni, names: [] };
  if (rule.subjectAltNames.length > 0) return { sni, names: rule.subjectAltNames };
  if (subjectAltNames.length > 0) return { sni, names: subjectAltNames };
  return { sni, names: sni === '' ? [] : [sni] };
}

/** Where the host is not known beforehand, each request's host is asked for and checked. Source: Istio's auto_sni. */
export function namesFromRequests(
  service: Service,
  rule: ClientTls | undefined,
): envoy.config.core.v3.IUpstreamHttpProtocolOptions | undefined {
  if (rule?.mode !== 'simple' && rule?.mode !== 'mutual') return undefined;
  const { sni, names } = serverNamesOf(service, rule);
  if (sni !== '') return undefined;
  return { autoSni: true, autoSanValidation: names.length === 0 && !rule.insecureSkipVerify };
}

function spokenOn(protocol: AppProtocol): 'http' | 'http2' | 'tcp' {
  if (!isHttp(protocol)) return 'tcp';
  return protocol === 'http' ? 'http' : 'http2';
}
