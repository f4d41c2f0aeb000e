import { isIP } from 'node:net';
import { envoy, resourceNames } from '@heddle/xds-protos';
import { selects } from '../model/build-services.js';
import type { Endpoint, Locality, MeshModel, Service } from '../model/mesh-model.js';
import { peerModeAt, peerModesOf } from '../model/peer-authentication.js';
import { localityPreferenceOf, type LocalityPreference } from './locality-preference.js';
import { socketAddress } from './proto-values.js';
import type { ProxyView } from './proxy-view.js';
import { workloadMetadata } from './translate-telemetry.js';
import { mutualTlsEndpoint } from './translate-upstream-tls.js';
import { tunnelledEndpoint, usesTunnels } from './tunnel-endpoints.js';
import { scopeOf, trafficAt } from './visibility.js';

type LoadAssignment = envoy.config.endpoint.v3.IClusterLoadAssignment;

const { HEALTHY, UNHEALTHY, DRAINING } = envoy.config.core.v3.HealthStatus;

/**
 * The endpoints of one cluster alone, for changes of endpoints; undefined when no such EDS cluster exists for the view.
 * Cost: proportional to that service's endpoints.
 */
export function translateEndpoints(
  model: MeshModel,
  clusterName: string,
  view: Pick<ProxyView, 'namespace' | 'labels' | 'locality' | 'tunnels'>,
): LoadAssignment | undefined {
  const parts = resourceNames.parseClusterName(clusterName);
  if (parts === undefined || parts.direction !== 'outbound') return undefined;
  const scope = scopeOf(model, view.namespace);
  const service = scope.services.get(parts.host);
  if (service?.resolution !== 'static' || !service.ports.some((port) => port.number === parts.port))
    return undefined;
  const policy = scope.policyFor(service, view);
  const subset = policy.subsets.find(({ name }) => name === parts.subset);
  if (parts.subset !== '' && subset === undefined) return undefined;
  const traffic = trafficAt(policy, parts.port, subset);
  return loadAssignmentOf(service, parts.port, subset?.labels, clusterName, {
    peers: model.peerAuthentications,
    preference: localityPreferenceOf(traffic, view),
    tunnels: usesTunnels(service, traffic, view),
  });
}

/** What a cluster's endpoints depend on beside the service. */
export interface EndpointContext {
  readonly peers: MeshModel['peerAuthentications'];
  readonly preference: LocalityPreference | undefined;
  /** Whether those that take tunnels are reached by them. */
  readonly tunnels: boolean;
}

interface Group {
  readonly level: number;
  readonly locality: Locality;
  readonly endpoints: Endpoint[];
}

/** A service's endpoints on a port, those with the labels alone, by locality, those that the caller prefers first. */
export function loadAssignmentOf(
  service: Service,
  port: number,
  labels: Readonly<Record<string, string>> | undefined,
  clusterName: string,
  context: EndpointContext,
): LoadAssignment {
  const { preference } = context;
  const groups = new Map<string, Group>();
  for (const endpoint of service.endpoints) {
    if (endpoint.ports[port] === undefined) continue;
    if (labels !== undefined && !selects(labels, endpoint.labels)) continue;
    // Envoy refuses a whole assignment for one host name where the hosts are given to it.
    if (service.resolution === 'static' && isIP(endpoint.address) === 0) continue;
    const { region, zone, subZone } = endpoint.locality;
    const level = preference?.levelOf(endpoint) ?? 0;
    const key = `${region}/${zone}/${subZone} ${level}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { level, locality: endpoint.locality, endpoints: [endpoint] });
    else group.endpoints.push(endpoint);
  }
  const ordered = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  const weights = ordered.map(({ endpoints }) => endpoints.reduce((sum, { weight }) => sum + weight, 0));
  const given = preference?.weightsOf?.(
    ordered.map(({ locality }, i) => ({ locality, weight: weights[i] as number })),
  );
  // Envoy wants priorities without gaps.
  const levels = [...new Set(ordered.map(({ level }) => level))].sort((a, b) => a - b);
  const endpoints = ordered.flatMap((group, i) => {
    const weight = (given ?? weights)[i] as number;
    return weight === 0
      ? []
      : [localityOf(service, group, levels.indexOf(group.level), weight, port, context)];
  });
  return { clusterName, endpoints };
}

function localityOf(
  service: Service,
  { locality, endpoints }: Group,
  priority: number,
  weight: number,
  port: number,
  context: EndpointContext,
): envoy.config.endpoint.v3.ILocalityLbEndpoints {
  const isNamed = locality.region + locality.zone + locality.subZone !== '';
  return {
    ...(isNamed ? { locality } : {}),
    ...(priority === 0 ? {} : { priority }),
    lbEndpoints: endpoints.map((endpoint) => ({
      ...placeOf(service, endpoint, port, context),
      healthStatus: { healthy: HEALTHY, unhealthy: UNHEALTHY, draining: DRAINING }[endpoint.health],
      loadBalancingWeight: { value: endpoint.weight },
    })),
    loadBalancingWeight: { value: weight },
  };
}

/** Where it is, and what proxies have to know of it. What is outside the mesh is nobody's workload. */
function placeOf(
  { external }: Service,
  endpoint: Endpoint,
  port: number,
  { peers, tunnels }: EndpointContext,
): envoy.config.endpoint.v3.ILbEndpoint {
  const workload = external ? {} : workloadMetadata(endpoint);
  const actualPort = endpoint.ports[port] ?? 0;
  const { mtls, tunnelPort } = endpoint;
  const takesTls = (mtls || tunnelPort !== 0) && isNotPlain(endpoint, port, peers);
  if (tunnels && takesTls && tunnelPort !== 0) {
    const { address, metadata } = tunnelledEndpoint(endpoint, actualPort);
    return { endpoint: { address }, metadata: { filterMetadata: { ...workload, ...metadata } } };
  }
  const filterMetadata = { ...workload, ...(takesTls && mtls ? mutualTlsEndpoint : {}) };
  return {
    endpoint: { address: socketAddress(endpoint.address, actualPort) },
    ...(Object.keys(filterMetadata).length === 0 ? {} : { metadata: { filterMetadata } }),
  };
}

/** Whether it has not been told to take plain text alone. */
function isNotPlain(endpoint: Endpoint, port: number, peers: MeshModel['peerAuthentications']): boolean {
  return peerModeAt(peerModesOf(peers, endpoint), endpoint.applicationPorts[port] ?? 0) !== 'disable';
}
