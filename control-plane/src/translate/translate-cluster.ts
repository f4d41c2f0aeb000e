import { envoy, packAny, resourceNames, type google } from '@heddle/xds-protos';
import { speaksHttp2 } from '../model/app-protocol.js';
import type {
  AppProtocol,
  ConnectionPoolPolicy,
  DestinationSubset,
  LoadBalancerPolicy,
  MeshModel,
  Service,
  ServicePort,
  WarmupPolicy,
} from '../model/mesh-model.js';
import { outlierDetectionOf, thresholdsOf } from './cluster-limits.js';
import { localityPreferenceOf, type LocalityCaller, type LocalityPreference } from './locality-preference.js';
import { adsSource, duration, socketAddress } from './proto-values.js';
import type { CapturedApplication } from './proxy-view.js';
import { loadAssignmentOf } from './translate-endpoints.js';
import { serviceMetadata } from './translate-telemetry.js';
import { namesFromRequests, upstreamTlsOf, type TlsCaller } from './translate-upstream-tls.js';
import { behindProxyHeader } from './upstream-proxy-protocol.js';
import { trafficAt, type EffectivePolicy } from './visibility.js';

type Cluster = envoy.config.cluster.v3.ICluster;

const { STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST } = envoy.config.cluster.v3.Cluster.DiscoveryType;
const { LbPolicy } = envoy.config.cluster.v3.Cluster;

/** Istio's default; no wait for a connection is longer unless a rule says so. */
export const defaultConnectTimeoutMs = 10_000;

/** What clusters depend on beside the service and the rules for it. */
export interface ClusterCaller extends TlsCaller, LocalityCaller {
  readonly peers: MeshModel['peerAuthentications'];
  /** Whether connections are led to it, so that it is known where they were going. */
  readonly isCaptured: boolean;
}

/** The clusters of one service: for each port the whole, and each subset. */
export function clustersOf(service: Service, policy: EffectivePolicy, caller: ClusterCaller): Cluster[] {
  const clusters: Cluster[] = [];
  for (const port of service.ports) {
    if (port.protocol === 'udp') continue;
    for (const subset of [undefined, ...policy.subsets]) {
      clusters.push(...outboundCluster(service, caller, port, subset, policy));
    }
  }
  return clusters;
}

function outboundCluster(
  service: Service,
  caller: ClusterCaller,
  port: ServicePort,
  subset: DestinationSubset | undefined,
  rules: EffectivePolicy,
): readonly Cluster[] {
  const parts = {
    direction: 'outbound',
    port: port.number,
    subset: subset?.name ?? '',
    host: service.hostname,
  } as const;
  const name = resourceNames.clusterName(parts);
  const policy = trafficAt(rules, port.number, subset);
  const preference = localityPreferenceOf(policy, caller);
  const { retryBudget, proxyProtocol } = { ...rules.traffic, ...subset?.traffic };
  const serverName = resourceNames.clusterServerName(parts);
  const transport = upstreamTlsOf(service, caller, port, serverName, policy);
  if (transport === undefined) return [];
  const pool = policy.connectionPool ?? {};
  const cluster: Cluster = {
    name,
    ...discoveryOf(service, caller, port, name, subset?.labels, preference),
    ...(proxyProtocol === undefined ? transport : behindProxyHeader(transport, proxyProtocol)),
    metadata: serviceMetadata(service),
    connectTimeout: duration(pool.connectTimeoutMs ?? defaultConnectTimeoutMs),
    ...(service.resolution === 'none' && caller.isCaptured
      ? {}
      : balancerOf(policy.loadBalancer, preference !== undefined)),
    circuitBreakers: { thresholds: [thresholdsOf(pool, retryBudget)] },
    ...protocolOf(port.protocol, pool, namesFromRequests(service, policy.tls)),
    ...(policy.outlierDetection === undefined
      ? {}
      : { outlierDetection: outlierDetectionOf(policy.outlierDetection) }),
    ...(pool.keepalive === undefined
      ? {}
      : { upstreamConnectionOptions: { tcpKeepalive: keepaliveOf(pool.keepalive) } }),
  };
  // Istio's panic threshold under outlier detection; Envoy's own else.
  if (policy.outlierDetection !== undefined) {
    const { minHealthPercent: value = 0 } = policy.outlierDetection;
    cluster.commonLbConfig = { ...cluster.commonLbConfig, healthyPanicThreshold: { value } };
  }
  return [cluster];
}

function discoveryOf(
  service: Service,
  { peers, isCaptured }: ClusterCaller,
  port: ServicePort,
  name: string,
  labels: Readonly<Record<string, string>> | undefined,
  preference: LocalityPreference | undefined,
): Cluster {
  switch (service.resolution) {
    case 'static':
      return { type: EDS, edsClusterConfig: { edsConfig: adsSource, serviceName: name } };
    case 'dns':
    case 'dns-round-robin': {
      const context = { peers, preference, tunnels: false };
      const loadAssignment = loadAssignmentOf(service, port.number, labels, name, context);
      const roundRobin = service.resolution === 'dns-round-robin';
      // Envoy's LOGICAL_DNS takes exactly one host.
      if (roundRobin && !hasOneEndpoint(loadAssignment))
        return { type: STRICT_DNS, loadAssignment, ...dnsSettings };
      return { type: roundRobin ? LOGICAL_DNS : STRICT_DNS, loadAssignment, ...dnsSettings };
    }
    case 'none':
      if (isCaptured) return toOriginalDestination;
      // Where the caller was going is not known: it has no endpoints.
      return { type: STATIC, loadAssignment: { clusterName: name } };
  }
}

const dnsSettings: Cluster = {
  dnsLookupFamily: envoy.config.cluster.v3.Cluster.DnsLookupFamily.V4_PREFERRED,
  dnsRefreshRate: duration(60_000),
  respectDnsTtl: true,
};

function hasOneEndpoint(assignment: envoy.config.endpoint.v3.IClusterLoadAssignment): boolean {
  const [first, ...rest] = assignment.endpoints ?? [];
  return rest.length === 0 && first?.lbEndpoints?.length === 1;
}

/** Source: Istio's default is LEAST_REQUEST. */
function balancerOf(policy: LoadBalancerPolicy | undefined, byLocality: boolean): Cluster {
  const localityWeightedLbConfig = byLocality ? {} : undefined;
  switch (policy?.kind) {
    case 'ring-hash': {
      const { RingHash } = policies.ring_hash.v3;
      const minimumRingSize = { value: policy.minimumRingSize ?? 1024 };
      return preferring('ring_hash', packAny(RingHash, { minimumRingSize, localityWeightedLbConfig }));
    }
    case 'maglev': {
      const { Maglev } = policies.maglev.v3;
      const size = policy.tableSize === undefined ? {} : { tableSize: { value: policy.tableSize } };
      return preferring('maglev', packAny(Maglev, { ...size, localityWeightedLbConfig }));
    }
    default:
      return {
        ...plainBalancerOf(policy),
        ...(byLocality ? { commonLbConfig: { localityWeightedLbConfig } } : {}),
      };
  }
}

function plainBalancerOf(
  policy: Exclude<LoadBalancerPolicy, { kind: 'ring-hash' | 'maglev' }> | undefined,
): Cluster {
  switch (policy?.kind) {
    case undefined:
    case 'passthrough':
      return { lbPolicy: LbPolicy.LEAST_REQUEST };
    case 'least-request': {
      const slowStartConfig = slowStartOf(policy.warmup);
      return {
        lbPolicy: LbPolicy.LEAST_REQUEST,
        ...(slowStartConfig && { leastRequestLbConfig: { slowStartConfig } }),
      };
    }
    case 'round-robin': {
      const slowStartConfig = slowStartOf(policy.warmup);
      return {
        lbPolicy: LbPolicy.ROUND_ROBIN,
        ...(slowStartConfig && { roundRobinLbConfig: { slowStartConfig } }),
      };
    }
    case 'random':
      return { lbPolicy: LbPolicy.RANDOM };
  }
}

function slowStartOf(
  warmup: WarmupPolicy | undefined,
): envoy.config.cluster.v3.Cluster.ISlowStartConfig | undefined {
  if (warmup === undefined) return undefined;
  const { windowMs, minimumPercent, aggression } = warmup;
  return {
    slowStartWindow: duration(windowMs),
    ...(minimumPercent === undefined ? {} : { minWeightPercent: { value: minimumPercent } }),
    ...(aggression === undefined ? {} : { aggression: { defaultValue: aggression } }),
  };
}

const policies = envoy.extensions.load_balancing_policies;

/** A proxy takes the first policy of the list that it knows. */
function preferring(name: string, typedConfig: google.protobuf.IAny): Cluster {
  const leastRequest = packAny(policies.least_request.v3.LeastRequest, {});
  const entry = (
    short: string,
    config: google.protobuf.IAny,
  ): envoy.config.cluster.v3.LoadBalancingPolicy.IPolicy => ({
    typedExtensionConfig: { name: `envoy.load_balancing_policies.${short}`, typedConfig: config },
  });
  return {
    loadBalancingPolicy: { policies: [entry(name, typedConfig), entry('least_request', leastRequest)] },
  };
}

export const httpOptionsName = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

function protocolOf(
  protocol: AppProtocol,
  pool: ConnectionPoolPolicy,
  upstreamHttpProtocolOptions?: envoy.config.core.v3.IUpstreamHttpProtocolOptions,
): Cluster {
  const http2 = speaksHttp2(protocol) || (protocol === 'http' && pool.http2Upgrade === true);
  const idleTimeoutMs = pool.httpIdleTimeoutMs ?? pool.idleTimeoutMs;
  const common: envoy.config.core.v3.IHttpProtocolOptions = {
    ...(idleTimeoutMs === undefined ? {} : { idleTimeout: duration(idleTimeoutMs) }),
    ...(pool.maxConnectionDurationMs === undefined
      ? {}
      : { maxConnectionDuration: duration(pool.maxConnectionDurationMs) }),
    ...(pool.maxRequestsPerConnection === undefined || pool.maxRequestsPerConnection === 0
      ? {}
      : { maxRequestsPerConnection: { value: pool.maxRequestsPerConnection } }),
  };
  const isHttp = http2 || protocol === 'http';
  const asClient = pool.useClientProtocol === true;
  const isPlain = Object.keys(common).length === 0 && upstreamHttpProtocolOptions === undefined;
  if (!isHttp || (!http2 && !asClient && isPlain)) return {};
  const http2ProtocolOptions =
    pool.maxConcurrentStreams === undefined
      ? {}
      : { maxConcurrentStreams: { value: pool.maxConcurrentStreams } };
  const options: google.protobuf.IAny = packAny(envoy.extensions.upstreams.http.v3.HttpProtocolOptions, {
    ...(Object.keys(common).length === 0 ? {} : { commonHttpProtocolOptions: common }),
    ...(upstreamHttpProtocolOptions === undefined ? {} : { upstreamHttpProtocolOptions }),
    ...(asClient
      ? { useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions } }
      : { explicitHttpConfig: http2 ? { http2ProtocolOptions } : { httpProtocolOptions: {} } }),
  });
  return { typedExtensionProtocolOptions: { [httpOptionsName]: options } };
}

/** What goes where it was going anyway is spoken there as its client speaks. Source: Istio's passthrough clusters. */
const protocolOfClient: Cluster = {
  typedExtensionProtocolOptions: {
    [httpOptionsName]: packAny(envoy.extensions.upstreams.http.v3.HttpProtocolOptions, {
      useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
    }),
  },
};

function keepaliveOf(
  keepalive: NonNullable<ConnectionPoolPolicy['keepalive']>,
): envoy.config.core.v3.ITcpKeepalive {
  const seconds = (ms: number | undefined): { value: number } | undefined =>
    ms === undefined ? undefined : { value: Math.max(1, Math.round(ms / 1000)) };
  return {
    keepaliveProbes: keepalive.probes === undefined ? undefined : { value: keepalive.probes },
    keepaliveTime: seconds(keepalive.timeMs),
    keepaliveInterval: seconds(keepalive.intervalMs),
  };
}

const toOriginalDestination: Cluster = { type: ORIGINAL_DST, lbPolicy: LbPolicy.CLUSTER_PROVIDED };

/** Connections from here are not intercepted again, and the application's answers to them neither. Source: Istio. */
function fromInboundSource(ipv6: boolean): Cluster {
  const source = { address: '127.0.0.6', portValue: 0 };
  const extraSourceAddresses = [{ address: { address: '::6', portValue: 0 } }];
  return { upstreamBindConfig: { sourceAddress: source, ...(ipv6 ? { extraSourceAddresses } : {}) } };
}

/** What goes nowhere, and what goes where it was going anyway: out of the pod, and to the application. Source: Istio's names. */
export const blackHoleCluster = 'BlackHoleCluster';
export const passthroughCluster = 'PassthroughCluster';
export const inboundPassthroughCluster = 'InboundPassthroughCluster';

/** The clusters of intercepted connections that are for no service. */
export function interceptionClusters({ ipv6 }: CapturedApplication): readonly Cluster[] {
  const passthrough: Cluster = {
    ...toOriginalDestination,
    ...protocolOfClient,
    connectTimeout: duration(defaultConnectTimeoutMs),
    circuitBreakers: { thresholds: [thresholdsOf({}, undefined)] },
  };
  return [
    { name: blackHoleCluster, type: STATIC, connectTimeout: duration(defaultConnectTimeoutMs) },
    { ...passthrough, name: passthroughCluster },
    { ...passthrough, ...fromInboundSource(ipv6), name: inboundPassthroughCluster },
  ];
}

/**
 * The application itself, seen from its sidecar: where it listens, or wherever its caller was going. Where connections are
 * intercepted, those from any other source would come back to the sidecar.
 */
export function inboundCluster(
  port: number,
  protocol: AppProtocol,
  service: Service | undefined,
  captured?: CapturedApplication,
): Cluster {
  const address = captured === undefined ? '127.0.0.1' : captured.applicationAddress;
  const name = resourceNames.clusterName({ direction: 'inbound', port, subset: '', host: '' });
  return {
    name,
    ...(address === '' ? toOriginalDestination : { type: STATIC, lbPolicy: LbPolicy.ROUND_ROBIN }),
    ...(service === undefined ? {} : { metadata: serviceMetadata(service) }),
    ...(captured === undefined ? {} : fromInboundSource(captured.ipv6)),
    connectTimeout: duration(defaultConnectTimeoutMs),
    circuitBreakers: { thresholds: [thresholdsOf({}, undefined)] },
    ...protocolOf(protocol, {}),
    ...(address === ''
      ? {}
      : {
          loadAssignment: {
            clusterName: name,
            endpoints: [{ lbEndpoints: [{ endpoint: { address: socketAddress(address, port) } }] }],
          },
        }),
  };
}
