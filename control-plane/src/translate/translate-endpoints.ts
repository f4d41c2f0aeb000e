import { isIP } from 'node:net';
import { envoy, resourceNames } from '@heddle/xds-protos';
import { selects } from '../model/build-services.js';
import type { Endpoint, MeshModel, Service } from '../model/mesh-model.js';
import { peerModeAt, peerModesOf } from '../model/peer-authentication.js';
import { socketAddress } from './proto-values.js';
import type { ProxyView } from './proxy-view.js';
import { workloadMetadata } from './translate-telemetry.js';
import { mutualTlsEndpoint } from './translate-upstream-tls.js';
import { scopeOf } from './visibility.js';

type LoadAssignment = envoy.config.endpoint.v3.IClusterLoadAssignment;

const { HEALTHY, UNHEALTHY, DRAINING } = envoy.config.core.v3.HealthStatus;

/**
 * The endpoints of one cluster alone, for changes of endpoints; undefined when no such EDS cluster exists for the view.
 * Cost: proportional to that service's endpoints.
 */
export function translateEndpoints(
  model: MeshModel,
  clusterName: string,
  view: Pick<ProxyView, 'namespace' | 'labels'>,
): LoadAssignment | undefined {
  const parts = resourceNames.parseClusterName(clusterName);
  if (parts === undefined || parts.direction !== 'outbound') return undefined;
  const scope = scopeOf(model, view.namespace);
  const service = scope.services.get(parts.host);
  if (service?.resolution !== 'static' || !service.ports.some((port) => port.number === parts.port))
    return undefined;
  const peers = model.peerAuthentications;
  if (parts.subset === '') return loadAssignmentOf(service, parts.port, undefined, clusterName, peers);
  const subset = scope.policyFor(service, view).subsets.find(({ name }) => name === parts.subset);
  if (subset === undefined) return undefined;
  return loadAssignmentOf(service, parts.port, subset.labels, clusterName, peers);
}

/** A service's endpoints on a port, those with the labels alone, by locality. */
export function loadAssignmentOf(
  service: Service,
  port: number,
  labels: Readonly<Record<string, string>> | undefined,
  clusterName: string,
  peers: MeshModel['peerAuthentications'],
): LoadAssignment {
  const localities = new Map<string, Endpoint[]>();
  for (const endpoint of service.endpoints) {
    if (endpoint.ports[port] === undefined) continue;
    if (labels !== undefined && !selects(labels, endpoint.labels)) continue;
    // Envoy refuses a whole assignment for one host name where the hosts are given to it.
    if (service.resolution === 'static' && isIP(endpoint.address) === 0) continue;
    const { region, zone, subZone } = endpoint.locality;
    const key = `${region}/${zone}/${subZone}`;
    const group = localities.get(key);
    if (group === undefined) localities.set(key, [endpoint]);
    else group.push(endpoint);
  }
  const ordered = [...localities].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    clusterName,
    endpoints: ordered.map(([, endpoints]) => localityOf(service, endpoints, port, peers)),
  };
}

function localityOf(
  service: Service,
  endpoints: readonly Endpoint[],
  port: number,
  peers: MeshModel['peerAuthentications'],
): envoy.config.endpoint.v3.ILocalityLbEndpoints {
  const locality = endpoints[0]?.locality;
  const isNamed = locality !== undefined && locality.region + locality.zone + locality.subZone !== '';
  return {
    ...(isNamed ? { locality } : {}),
    lbEndpoints: endpoints.map((endpoint) => ({
      endpoint: { address: socketAddress(endpoint.address, endpoint.ports[port] ?? 0) },
      ...metadataOf(service, endpoint, takesMutualTls(endpoint, port, peers)),
      healthStatus: { healthy: HEALTHY, unhealthy: UNHEALTHY, draining: DRAINING }[endpoint.health],
      loadBalancingWeight: { value: endpoint.weight },
    })),
    loadBalancingWeight: { value: endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0) },
  };
}

/** What is outside the mesh is nobody's workload. */
function metadataOf(
  { external }: Service,
  endpoint: Endpoint,
  mutualTls: boolean,
): { metadata?: envoy.config.core.v3.IMetadata } {
  const filterMetadata = {
    ...(external ? {} : workloadMetadata(endpoint)),
    ...(mutualTls ? mutualTlsEndpoint : {}),
  };
  return Object.keys(filterMetadata).length === 0 ? {} : { metadata: { filterMetadata } };
}

/** Whether the other side can, and has not been told not to. */
function takesMutualTls(endpoint: Endpoint, port: number, peers: MeshModel['peerAuthentications']): boolean {
  if (!endpoint.mtls) return false;
  return peerModeAt(peerModesOf(peers, endpoint), endpoint.applicationPorts[port] ?? 0) !== 'disable';
}
