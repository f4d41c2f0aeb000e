import type { envoy } from '@heddle/xds-protos';
import type {
  EndpointConfig,
  EndpointHealthCheckConfig,
  EndpointsConfig,
  LocalityEndpointsConfig,
} from '../config/endpoints-config.js';
import type { Translated } from '../config/problem.js';
import { translateAddress } from './address.js';
import { Findings, join } from './findings.js';
import { deepFreeze, fractionRatio, requiredText, structToJson, wrappedNumber } from './proto-values.js';

const HEALTH = ['unknown', 'healthy', 'unhealthy', 'draining', 'timeout', 'degraded'] as const;
const DEFAULT_OVERPROVISIONING_PERCENT = 140;
const MOST_PRIORITY = 128;
const MOST_WEIGHT = 0xffff_ffff;
const NO_METADATA: Readonly<Record<string, unknown>> = Object.freeze({});

type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;

/** Translates the endpoints of an EDS cluster. Source: envoy.config.endpoint.v3.ClusterLoadAssignment. */
export function translateClusterLoadAssignment(assignment: Assignment): Translated<EndpointsConfig> {
  const findings = new Findings();
  findings.unknownFields(assignment, '');
  return findings.finish(translateEndpoints(assignment, 'ip-only', '', findings));
}

/** The same, for `load_assignment` inside a cluster; unknown fields were reported by the caller. */
export function translateEndpoints(
  assignment: Assignment,
  names: 'ip-only' | 'names-allowed',
  path: string,
  findings: Findings,
): EndpointsConfig {
  requiredText(assignment.clusterName, join(path, 'cluster_name'), findings);
  const { policy } = assignment;
  const at = join(path, 'policy');
  findings.unsupported(
    `${at}.endpoint_stale_after`,
    policy !== null && policy.endpointStaleAfter !== null,
    'warning',
  );
  findings.unsupported(`${at}.weighted_priority_health`, policy?.weightedPriorityHealth === true, 'warning');
  const localities = assignment.endpoints.map((locality, i) =>
    translateLocality(locality, names, join(path, `endpoints[${i}]`), findings),
  );
  reportOverweight(localities, join(path, 'endpoints'), findings);
  // Several drops act one after the other.
  const keptRatio = (policy?.dropOverloads ?? []).reduce((kept, drop, i) => {
    requiredText(drop.category, `${at}.drop_overloads[${i}].category`, findings);
    return (
      kept *
      (1 - fractionRatio(drop.dropPercentage, 0, `${at}.drop_overloads[${i}].drop_percentage`, findings))
    );
  }, 1);
  return deepFreeze({
    clusterName: assignment.clusterName,
    localities,
    dropRatio: 1 - keptRatio,
    overprovisioningFactorPercent: wrappedNumber(
      policy?.overprovisioningFactor ?? null,
      DEFAULT_OVERPROVISIONING_PERCENT,
      `${at}.overprovisioning_factor`,
      findings,
      1,
    ),
  });
}

function translateLocality(
  source: envoy.config.endpoint.v3.LocalityLbEndpoints,
  names: 'ip-only' | 'names-allowed',
  path: string,
  findings: Findings,
): LocalityEndpointsConfig {
  if (source.priority > MOST_PRIORITY) {
    findings.problem(`${path}.priority`, `must be at most ${MOST_PRIORITY} (is ${source.priority})`);
  }
  if (source.lbConfig === 'ledsClusterLocalityConfig') {
    findings.problem(`${path}.leds_cluster_locality_config`, 'is not supported');
  }
  findings.unsupported(`${path}.proximity`, source.proximity !== null, 'warning');
  const listed = source.loadBalancerEndpoints?.lbEndpoints;
  const listPath =
    listed === undefined ? `${path}.lb_endpoints` : `${path}.load_balancer_endpoints.lb_endpoints`;
  return {
    region: source.locality?.region ?? '',
    zone: source.locality?.zone ?? '',
    subZone: source.locality?.subZone ?? '',
    priority: source.priority,
    weight: wrappedNumber(source.loadBalancingWeight, 0, `${path}.load_balancing_weight`, findings, 1),
    endpoints: (listed ?? source.lbEndpoints).map((endpoint, i) =>
      translateEndpoint(endpoint, names, `${listPath}[${i}]`, findings),
    ),
  };
}

function translateEndpoint(
  source: envoy.config.endpoint.v3.LbEndpoint,
  names: 'ip-only' | 'names-allowed',
  path: string,
  findings: Findings,
): EndpointConfig {
  if (source.hostIdentifier === 'endpointName') findings.problem(`${path}.endpoint_name`, 'is not supported');
  else if (source.hostIdentifier === undefined) findings.problem(`${path}.endpoint`, 'must be set');
  const { endpoint } = source;
  const address =
    source.hostIdentifier === 'endpoint'
      ? translateAddress(endpoint?.address ?? null, names, `${path}.endpoint.address`, findings)
      : ({ kind: 'socket', host: '0.0.0.0', port: 0, protocol: 'tcp' } as const);
  if (address.kind === 'socket' && address.protocol === 'udp') {
    findings.problem(`${path}.endpoint.address.socket_address.protocol`, 'UDP endpoints are not supported');
  }
  findings.unsupported(
    `${path}.endpoint.additional_addresses`,
    (endpoint?.additionalAddresses.length ?? 0) > 0,
    'warning',
  );
  const health = HEALTH[source.healthStatus];
  if (health === undefined) findings.problem(`${path}.health_status`, `unknown value ${source.healthStatus}`);
  return {
    address,
    hostname: endpoint?.hostname ?? '',
    health: health ?? 'unhealthy',
    weight: wrappedNumber(source.loadBalancingWeight, 1, `${path}.load_balancing_weight`, findings, 1),
    ...(endpoint?.healthCheckConfig == null
      ? {}
      : { healthCheck: translateHealthCheckPlace(endpoint.healthCheckConfig, path, findings) }),
    metadata: source.metadata === null ? NO_METADATA : translateMetadata(source.metadata),
  };
}

function translateHealthCheckPlace(
  place: envoy.config.endpoint.v3.Endpoint.HealthCheckConfig,
  path: string,
  findings: Findings,
): EndpointHealthCheckConfig {
  const at = `${path}.endpoint.health_check_config`;
  if (place.portValue > 65_535) findings.problem(`${at}.port_value`, `must be at most 65535`);
  return {
    port: place.portValue,
    hostname: place.hostname,
    address:
      place.address === null
        ? undefined
        : translateAddress(place.address, 'ip-only', `${at}.address`, findings),
    disabled: place.disableActiveHealthCheck,
  };
}

/** `filter_metadata` as plain JSON, by namespace. */
function translateMetadata(metadata: envoy.config.core.v3.Metadata): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(metadata.filterMetadata).map(([namespace, struct]) => [namespace, structToJson(struct)]),
  );
}

/** Envoy adds weights up in 32 bits. */
function reportOverweight(
  localities: readonly LocalityEndpointsConfig[],
  path: string,
  findings: Findings,
): void {
  localities.forEach((locality, i) => {
    const sum = locality.endpoints.reduce((total, endpoint) => total + endpoint.weight, 0);
    if (sum > MOST_WEIGHT)
      findings.problem(`${path}[${i}]`, `the endpoints' weights sum to more than ${MOST_WEIGHT}`);
  });
  const byPriority = new Map<number, number>();
  for (const { priority, weight } of localities)
    byPriority.set(priority, (byPriority.get(priority) ?? 0) + weight);
  for (const [priority, sum] of byPriority) {
    if (sum > MOST_WEIGHT) {
      findings.problem(
        path,
        `the weights of the localities of priority ${priority} sum to more than ${MOST_WEIGHT}`,
      );
    }
  }
}
