import { formatAddress, type CircuitBreakerThresholds } from '@heddle/engine';
import { envoy, toJson } from '@heddle/xds-protos';
import { HEALTH_FLAG, healthFlagsText } from '../../cluster/health-flag.js';
import type { ClusterStatus, HostStatus } from '../../cluster/cluster-manager.js';
import { json, text, type AdminPage } from '../admin-page.js';
import { nameFilter } from '../name-filter.js';
import { protoAddress } from '../proto-address.js';

type IHostStatus = envoy.admin.v3.IHostStatus;

const { HealthStatus, RoutingPriority } = envoy.config.core.v3;
const GAUGE = envoy.admin.v3.SimpleMetric.Type.GAUGE;

/** `/clusters`, as text or JSON. `isAddedByApi` tells which clusters came over xDS. */
export function clustersPage(
  status: () => readonly ClusterStatus[],
  isAddedByApi: (name: string) => boolean,
): AdminPage {
  return {
    path: '/clusters',
    description: 'upstream cluster status',
    parameters: { format: 'One of text, json', filter: 'Regular expression (RE2) that names must contain' },
    respond({ query }) {
      const filter = nameFilter(query, 'filter');
      if ('refused' in filter) return filter.refused;
      const clusters = status().filter((cluster) => filter.matches(cluster.config.name));
      if (query.get('format') !== 'json') return text(clusterLines(clusters, isAddedByApi));
      return json(
        toJson(envoy.admin.v3.Clusters, {
          clusterStatuses: clusters.map((cluster) => clusterMessage(cluster, isAddedByApi)),
        }),
      );
    },
  };
}

function* clusterLines(
  clusters: readonly ClusterStatus[],
  isAddedByApi: (name: string) => boolean,
): Iterable<string> {
  for (const { config, hosts, successRates } of clusters) {
    const { name } = config;
    let part = `${name}::observability_name::${observabilityName(config)}\n`;
    if (successRates !== undefined) {
      for (const [origin, { average, threshold }] of [
        ['', successRates.external],
        ['local_origin_', successRates.local],
      ] as const) {
        part += `${name}::outlier::${origin}success_rate_average::${average}\n`;
        part += `${name}::outlier::${origin}success_rate_ejection_threshold::${threshold}\n`;
      }
    }
    for (const priority of ['default', 'high'] as const) {
      const thresholds = config.circuitBreakers[priority];
      const at = `${name}::${priority}_priority`;
      part += `${at}::max_connections::${thresholds.maxConnections}\n`;
      part += `${at}::max_pending_requests::${thresholds.maxPendingRequests}\n`;
      part += `${at}::max_requests::${thresholds.maxRequests}\n`;
      part += `${at}::max_retries::${thresholds.maxRetries}\n`;
    }
    part += `${name}::added_via_api::${isAddedByApi(name)}\n`;
    if (config.discovery.kind === 'eds')
      part += `${name}::eds_service_name::${config.discovery.serviceName}\n`;
    yield part;
    for (const host of hosts) yield hostLines(name, host);
  }
}

function hostLines(cluster: string, host: HostStatus): string {
  const values: readonly (readonly [string, string | number])[] = [
    ['cx_active', host.cxActive],
    ['cx_connect_fail', host.cxConnectFail],
    ['cx_total', host.cxTotal],
    ['rq_active', host.rqActive],
    ['rq_error', host.rqError],
    ['rq_success', host.rqSuccess],
    ['rq_timeout', host.rqTimeout],
    ['rq_total', host.rqTotal],
    ['hostname', host.hostname],
    ['health_flags', healthFlagsText(host.healthFlags)],
    ['weight', host.weight],
    ['region', host.locality.region],
    ['zone', host.locality.zone],
    ['sub_zone', host.locality.subZone],
    ['canary', 'false'],
    ['priority', host.priority],
    ['success_rate', host.successRate],
    ['local_origin_success_rate', host.localOriginSuccessRate],
  ];
  const at = `${cluster}::${formatAddress(host.address)}`;
  return values.map(([name, value]) => `${at}::${name}::${value}\n`).join('');
}

function observabilityName(config: ClusterStatus['config']): string {
  return config.altStatName === '' ? config.name : config.altStatName;
}

function clusterMessage(
  { config, hosts }: ClusterStatus,
  isAddedByApi: (name: string) => boolean,
): envoy.admin.v3.IClusterStatus {
  return {
    name: config.name,
    addedViaApi: isAddedByApi(config.name),
    hostStatuses: hosts.map(hostMessage),
    circuitBreakers: {
      thresholds: [
        thresholdsMessage(config.circuitBreakers.default),
        { priority: RoutingPriority.HIGH, ...thresholdsMessage(config.circuitBreakers.high) },
      ],
    },
    observabilityName: observabilityName(config),
    edsServiceName: config.discovery.kind === 'eds' ? config.discovery.serviceName : '',
  };
}

function thresholdsMessage(
  thresholds: CircuitBreakerThresholds,
): envoy.config.cluster.v3.CircuitBreakers.IThresholds {
  return {
    maxConnections: { value: thresholds.maxConnections },
    maxPendingRequests: { value: thresholds.maxPendingRequests },
    maxRequests: { value: thresholds.maxRequests },
    maxRetries: { value: thresholds.maxRetries },
  };
}

function hostMessage(host: HostStatus): IHostStatus {
  const counter = (name: string, value: number): envoy.admin.v3.ISimpleMetric => ({ name, value });
  const gauge = (name: string, value: number): envoy.admin.v3.ISimpleMetric => ({ type: GAUGE, name, value });
  return {
    address: protoAddress(host.address),
    stats: [
      counter('cx_connect_fail', host.cxConnectFail),
      counter('cx_total', host.cxTotal),
      counter('rq_error', host.rqError),
      counter('rq_success', host.rqSuccess),
      counter('rq_timeout', host.rqTimeout),
      counter('rq_total', host.rqTotal),
      gauge('cx_active', host.cxActive),
      gauge('rq_active', host.rqActive),
    ],
    healthStatus: healthStatusMessage(host),
    ...(host.successRate < 0 ? {} : { successRate: { value: host.successRate } }),
    ...(host.localOriginSuccessRate < 0
      ? {}
      : { localOriginSuccessRate: { value: host.localOriginSuccessRate } }),
    weight: host.weight,
    hostname: host.hostname,
    priority: host.priority,
    locality: host.locality,
  };
}

function healthStatusMessage(host: HostStatus): envoy.admin.v3.IHostHealthStatus {
  const has = (flag: number): boolean => (host.healthFlags & flag) !== 0;
  return {
    failedActiveHealthCheck: has(HEALTH_FLAG.failedActiveHc),
    failedOutlierCheck: has(HEALTH_FLAG.failedOutlierCheck),
    failedActiveDegradedCheck: has(HEALTH_FLAG.degradedActiveHc),
    excludedViaImmediateHcFail: has(HEALTH_FLAG.excludedViaImmediateHcFail),
    activeHcTimeout: has(HEALTH_FLAG.activeHcTimeout),
    edsHealthStatus: healthNumber(host.health),
  };
}

function healthNumber(health: HostStatus['health']): number {
  switch (health) {
    case 'unhealthy':
      return HealthStatus.UNHEALTHY;
    case 'draining':
      return HealthStatus.DRAINING;
    case 'timeout':
      return HealthStatus.TIMEOUT;
    case 'degraded':
      return HealthStatus.DEGRADED;
    case 'healthy':
    case 'unknown':
      return HealthStatus.HEALTHY;
  }
}
