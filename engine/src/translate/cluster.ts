import type { AddressConfig } from '../config/address.js';
import { envoy } from '@heddle/xds-protos';
import type { CircuitBreakerThresholds, ClusterConfig, DnsConfig } from '../config/cluster-config.js';
import type { EndpointsConfig } from '../config/endpoints-config.js';
import type { Translated } from '../config/problem.js';
import type { TransportSocketMatchConfig } from '../config/transport-socket-config.js';
import { translateSocketAddress } from './address.js';
import { translateEndpoints } from './cluster-load-assignment.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import { translateConfigSource } from './config-source.js';
import { Findings } from './findings.js';
import { translateIstioCluster } from './istio-cluster.js';
import { translateHealthChecks } from './health-check.js';
import { translateLoadBalancing } from './load-balancing-policy.js';
import {
  deepFreeze,
  durationMs,
  enumName,
  positiveDurationMs,
  requiredText,
  structToJson,
  wrappedNumber,
} from './proto-values.js';
import { translateOutlierDetection } from './outlier-detection.js';
import { translateUpstreamSocket } from './transport-socket.js';
import { unwrapTypedStruct } from './typed-struct.js';
import { translateUpstreamProtocol } from './upstream-protocol.js';

type Cluster = envoy.config.cluster.v3.Cluster;

const { MetadataExchange } = envoy.tcp.metadataexchange.config;

const CONNECT_TIMEOUT_MS = 5000;
const BUFFER_BYTES = 1024 * 1024;
const PANIC_PERCENT = 50;
const DNS_REFRESH_MS = 5000;
const KEEPALIVE_IDLE_MS = 7_200_000;

/** Translates a cluster. Source: envoy.config.cluster.v3.Cluster. */
export function translateCluster(cluster: Cluster): Translated<ClusterConfig> {
  const findings = new Findings();
  findings.unknownFields(cluster, '');
  requiredText(cluster.name, 'name', findings);
  reportUnsupported(cluster, findings);
  const balancing = translateLoadBalancing(cluster, 'lb_policy', findings);
  const discovery = translateDiscovery(cluster, findings);
  if ((balancing.policy.kind === 'cluster-provided') !== (discovery.kind === 'original-dst')) {
    findings.problem(
      'lb_policy',
      'CLUSTER_PROVIDED belongs to clusters of type ORIGINAL_DST, and only to those',
    );
  }
  const keepalive = cluster.upstreamConnectionOptions?.tcpKeepalive ?? null;
  const istio = translateIstioCluster(cluster.metadata);
  const config: ClusterConfig = {
    name: cluster.name,
    altStatName: cluster.altStatName,
    discovery,
    lbPolicy: balancing.policy,
    localityWeighted: balancing.localityWeighted,
    connectTimeoutMs: positiveDurationMs(
      cluster.connectTimeout,
      CONNECT_TIMEOUT_MS,
      'connect_timeout',
      findings,
    ),
    perConnectionBufferLimitBytes: wrappedNumber(
      cluster.perConnectionBufferLimitBytes,
      BUFFER_BYTES,
      'per_connection_buffer_limit_bytes',
      findings,
    ),
    protocol: translateUpstreamProtocol(cluster, findings),
    circuitBreakers: translateCircuitBreakers(cluster.circuitBreakers, findings),
    healthCheck: translateHealthChecks(cluster.healthChecks, 'health_checks', findings),
    outlierDetection: translateOutlierDetection(cluster.outlierDetection, 'outlier_detection', findings),
    panicThresholdPercent: translatePanicThreshold(cluster, findings),
    transportSocket: translateUpstreamSocket(cluster.transportSocket, 'transport_socket', findings),
    ...(cluster.transportSocketMatches.length === 0
      ? {}
      : { transportSocketMatches: translateSocketMatches(cluster, findings) }),
    tcpKeepalive: {
      enabled: keepalive !== null,
      idleMs:
        keepalive?.keepaliveTime === null ? KEEPALIVE_IDLE_MS : (keepalive?.keepaliveTime.value ?? 0) * 1000,
    },
    closeConnectionsOnHostRemoval: cluster.commonLbConfig?.closeConnectionsOnHostSetChange ?? false,
    bindAddress: translateBindAddress(cluster, findings),
    ...extraBindAddresses(cluster, findings),
    ...(istio === undefined ? {} : { istio }),
  };
  return findings.finish(deepFreeze({ ...config, ...passthroughMetadata(config, cluster) }));
}

/** What its transport sockets tell of the cluster. */
function passthroughMetadata(
  { transportSocket, transportSocketMatches = [] }: ClusterConfig,
  { metadata }: Cluster,
): Pick<ClusterConfig, 'passthroughMetadata'> {
  const told = [transportSocket, ...transportSocketMatches.map((one) => one.transportSocket)].flatMap(
    (socket) => socket.passthroughMetadata ?? [],
  );
  const entries = told.flatMap(({ of, name }) => {
    const struct = of === 'cluster' ? metadata?.filterMetadata[name] : undefined;
    return struct === undefined ? [] : [[name, structToJson(struct)] as const];
  });
  return entries.length === 0 ? {} : { passthroughMetadata: Object.fromEntries(entries) };
}

function translateDiscovery(cluster: Cluster, findings: Findings): ClusterConfig['discovery'] {
  const nothing: EndpointsConfig = {
    clusterName: cluster.name,
    localities: [],
    dropRatio: 0,
    overprovisioningFactorPercent: 140,
  };
  if (cluster.clusterDiscoveryType === 'clusterType') {
    findings.problem('cluster_type', `${JSON.stringify(cluster.clusterType?.name ?? '')} is not supported`);
    return { kind: 'static', endpoints: nothing };
  }
  const kind = enumName(
    ['static', 'strict-dns', 'logical-dns', 'eds', 'original-dst'] as const,
    cluster.type ?? 0,
    'type',
    findings,
  );
  const endpoints = (names: 'ip-only' | 'names-allowed'): EndpointsConfig =>
    cluster.loadAssignment === null
      ? nothing
      : translateEndpoints(cluster.loadAssignment, names, 'load_assignment', findings);
  if (kind !== 'eds' && cluster.edsClusterConfig !== null) {
    findings.problem('eds_cluster_config', 'is only for clusters of type EDS');
  }
  switch (kind) {
    case 'static':
      return { kind, endpoints: endpoints('ip-only') };
    case 'strict-dns':
      return { kind, endpoints: endpoints('names-allowed'), dns: translateDns(cluster, findings) };
    case 'logical-dns': {
      const listed = endpoints('names-allowed');
      if (listed.localities.length !== 1 || listed.localities[0]?.endpoints.length !== 1) {
        findings.problem(
          'load_assignment',
          'a LOGICAL_DNS cluster must have exactly one locality and one endpoint',
        );
      }
      return { kind, endpoints: listed, dns: translateDns(cluster, findings) };
    }
    case 'eds': {
      const eds = cluster.edsClusterConfig;
      if (eds === null) findings.problem('eds_cluster_config', 'must be set for a cluster of type EDS');
      findings.unsupported(
        'load_assignment',
        cluster.loadAssignment !== null,
        'warning',
        'is not used by EDS',
      );
      return {
        kind,
        serviceName: eds === null || eds.serviceName === '' ? cluster.name : eds.serviceName,
        initialFetchTimeoutMs:
          eds === null ? 0 : translateConfigSource(eds.edsConfig, 'eds_cluster_config.eds_config', findings),
      };
    }
    case 'original-dst': {
      if (cluster.loadAssignment !== null) {
        findings.problem('load_assignment', 'an ORIGINAL_DST cluster must not have one');
      }
      const config = cluster.originalDstLbConfig;
      findings.unsupported(
        'original_dst_lb_config.http_header_name',
        config !== null && config.httpHeaderName !== '',
        'problem',
      );
      return {
        kind,
        useHttpHeader: config?.useHttpHeader ?? false,
        ...(config === null || config.metadataKey === null
          ? {}
          : { metadataKey: translateMetadataKey(config.metadataKey, findings) }),
        portOverride: wrappedNumber(
          config?.upstreamPortOverride ?? null,
          0,
          'original_dst_lb_config.upstream_port_override',
          findings,
          0,
          65_535,
        ),
      };
    }
  }
}

function translateMetadataKey(
  { key, path }: envoy.type.metadata.v3.MetadataKey,
  findings: Findings,
): { readonly namespace: string; readonly path: readonly string[] } {
  const at = 'original_dst_lb_config.metadata_key';
  return {
    namespace: requiredText(key, `${at}.key`, findings),
    path: path.map((segment, i) => requiredText(segment.key ?? '', `${at}.path[${i}].key`, findings)),
  };
}

function translateDns(cluster: Cluster, findings: Findings): DnsConfig {
  findings.unsupported('typed_dns_resolver_config', cluster.typedDnsResolverConfig !== null, 'warning');
  findings.unsupported('dns_resolution_config', cluster.dnsResolutionConfig !== null, 'warning');
  findings.unsupported('dns_resolvers', cluster.dnsResolvers.length > 0, 'warning');
  findings.unsupported('dns_failure_refresh_rate', cluster.dnsFailureRefreshRate !== null, 'warning');
  return {
    refreshRateMs: positiveDurationMs(cluster.dnsRefreshRate, DNS_REFRESH_MS, 'dns_refresh_rate', findings),
    respectTtl: cluster.respectDnsTtl,
    lookupFamily: enumName(
      ['auto', 'v4-only', 'v6-only', 'v4-preferred', 'all'] as const,
      cluster.dnsLookupFamily,
      'dns_lookup_family',
      findings,
    ),
  };
}

type Thresholds = envoy.config.cluster.v3.CircuitBreakers.Thresholds;

function translateCircuitBreakers(
  breakers: envoy.config.cluster.v3.CircuitBreakers | null,
  findings: Findings,
): ClusterConfig['circuitBreakers'] {
  findings.unsupported(
    'circuit_breakers.per_host_thresholds',
    (breakers?.perHostThresholds.length ?? 0) > 0,
    'warning',
  );
  const thresholds = breakers?.thresholds ?? [];
  const at = (priority: number): CircuitBreakerThresholds => {
    // The first entry for a priority counts, as in Envoy.
    const index = thresholds.findIndex((one) => one.priority === priority);
    return translateThresholds(thresholds[index], `circuit_breakers.thresholds[${index}]`, findings);
  };
  thresholds.forEach((one, i) => {
    if (one.priority > 1) {
      findings.problem(`circuit_breakers.thresholds[${i}].priority`, `unknown value ${one.priority}`);
    }
  });
  return { default: at(0), high: at(1) };
}

function translateThresholds(
  thresholds: Thresholds | undefined,
  path: string,
  findings: Findings,
): CircuitBreakerThresholds {
  findings.unsupported(
    `${path}.max_connection_pools`,
    thresholds !== undefined && thresholds.maxConnectionPools !== null,
    'warning',
  );
  return {
    maxConnections: thresholds?.maxConnections?.value ?? 1024,
    maxPendingRequests: thresholds?.maxPendingRequests?.value ?? 1024,
    maxRequests: thresholds?.maxRequests?.value ?? 1024,
    maxRetries: thresholds?.maxRetries?.value ?? 3,
    retryBudget: translateRetryBudget(thresholds?.retryBudget ?? null, `${path}.retry_budget`, findings),
    trackRemaining: thresholds?.trackRemaining ?? false,
  };
}

function translateRetryBudget(
  budget: Thresholds['retryBudget'],
  path: string,
  findings: Findings,
): CircuitBreakerThresholds['retryBudget'] {
  if (budget === null) return undefined;
  const percent = budget.budgetPercent?.value ?? 20;
  if (!(percent >= 0 && percent <= 100)) {
    findings.problem(`${path}.budget_percent`, `must be in 0..100 (is ${percent})`);
  }
  return { percent, minConcurrency: budget.minRetryConcurrency?.value ?? 3 };
}

function translatePanicThreshold(cluster: Cluster, findings: Findings): number {
  const percent = cluster.commonLbConfig?.healthyPanicThreshold?.value ?? PANIC_PERCENT;
  if (!(percent >= 0 && percent <= 100)) {
    findings.problem('common_lb_config.healthy_panic_threshold', `must be in 0..100 (is ${percent})`);
  }
  return percent;
}

function translateBindAddress(cluster: Cluster, findings: Findings): ClusterConfig['bindAddress'] {
  const bind = cluster.upstreamBindConfig;
  if (bind === null) return undefined;
  findings.unsupported('upstream_bind_config.freebind', bind.freebind !== null, 'warning');
  findings.unsupported('upstream_bind_config.socket_options', bind.socketOptions.length > 0, 'warning');
  findings.unsupported(
    'upstream_bind_config.local_address_selector',
    bind.localAddressSelector !== null,
    'warning',
  );
  if (bind.sourceAddress === null) return undefined;
  return translateSocketAddress(
    bind.sourceAddress,
    'ip-only',
    'upstream_bind_config.source_address',
    findings,
  );
}

function extraBindAddresses(cluster: Cluster, findings: Findings): Pick<ClusterConfig, 'extraBindAddresses'> {
  const extra = cluster.upstreamBindConfig?.extraSourceAddresses ?? [];
  if (extra.length === 0) return {};
  const extraBindAddresses = extra.flatMap(({ address }, i): readonly AddressConfig[] => {
    const path = `upstream_bind_config.extra_source_addresses[${i}].address`;
    if (address !== null) return [translateSocketAddress(address, 'ip-only', path, findings)];
    findings.problem(path, 'must be set');
    return [];
  });
  return { extraBindAddresses };
}

function translateSocketMatches(cluster: Cluster, findings: Findings): readonly TransportSocketMatchConfig[] {
  const names = new Set<string>();
  return cluster.transportSocketMatches.map((one, i) => {
    const path = `transport_socket_matches[${i}]`;
    requiredText(one.name, `${path}.name`, findings);
    if (names.has(one.name)) {
      findings.problem(`${path}.name`, `${JSON.stringify(one.name)} is the name of an earlier one`);
    }
    names.add(one.name);
    return {
      name: one.name,
      match: one.match === null ? {} : structToJson(one.match),
      transportSocket: translateUpstreamSocket(one.transportSocket, `${path}.transport_socket`, findings),
    };
  });
}

function reportUnsupported(cluster: Cluster, findings: Findings): void {
  const problem = (field: string, isSet: boolean): void => findings.unsupported(field, isSet, 'problem');
  const warning = (field: string, isSet: boolean): void => findings.unsupported(field, isSet, 'warning');
  problem('lb_subset_config', (cluster.lbSubsetConfig?.subsetSelectors.length ?? 0) > 0);
  reportFilters(cluster, findings);
  problem('upstream_config', cluster.upstreamConfig !== null);
  warning('lrs_server', cluster.lrsServer !== null);
  warning('preconnect_policy', cluster.preconnectPolicy !== null);
  warning('connection_pool_per_downstream_connection', cluster.connectionPoolPerDownstreamConnection);
  warning('close_connections_on_host_health_failure', cluster.closeConnectionsOnHostHealthFailure);
  const common = cluster.commonLbConfig;
  warning('common_lb_config.zone_aware_lb_config', common !== null && common.zoneAwareLbConfig !== null);
  warning('common_lb_config.override_host_status', common !== null && common.overrideHostStatus !== null);
  durationMs(cluster.cleanupInterval, 5000, 'cleanup_interval', findings);
}

/** Istio's exchange of metadata is the only filter of upstream connections that may be left out: without an answer to it they go on. */
function reportFilters(cluster: Cluster, findings: Findings): void {
  cluster.filters.forEach((filter, i) => {
    const at = `filters[${i}].typed_config`;
    const any = unwrapTypedStruct(filter.typedConfig, at, findings);
    if (any !== null && typeNameOfUrl(any.typeUrl) === MetadataExchange.typeName) {
      unpackAs(any, MetadataExchange, at, findings);
    } else {
      findings.problem(at, `filter ${JSON.stringify(any?.typeUrl ?? filter.name)} is not supported`);
    }
  });
}
