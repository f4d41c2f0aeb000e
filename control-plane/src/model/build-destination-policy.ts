import { parseDurationMs } from '@heddle/common';
import { exportToOf } from './build-services.js';
import { resolveHost } from './hostname.js';
import type {
  ClientTls,
  ConnectionPoolPolicy,
  DestinationPolicy,
  LoadBalancerPolicy,
  LocalityPolicy,
  OutlierPolicy,
  TrafficPolicy,
  WarmupPolicy,
} from './mesh-model.js';
import type { MeshResource } from './mesh-resource.js';
import type { ClientTlsSpec, DestinationRuleSpec, TrafficPolicySpec } from './specs/destination-rule.js';

/** A `DestinationRule`. */
export function policyOfDestinationRule(resource: MeshResource): DestinationPolicy {
  const spec = resource.spec as DestinationRuleSpec;
  return {
    key: resource.key,
    namespace: resource.namespace,
    host: resolveHost(spec.host, resource.namespace),
    exportTo: exportToOf(spec.exportTo, resource.namespace),
    selector: spec.workloadSelector?.matchLabels,
    traffic: trafficOf(spec.trafficPolicy),
    subsets: (spec.subsets ?? []).map(({ name, labels, trafficPolicy }) => ({
      name,
      labels: labels ?? {},
      traffic: trafficOf(trafficPolicy),
    })),
  };
}

function trafficOf(spec: TrafficPolicySpec | undefined): TrafficPolicy {
  if (spec === undefined) return {};
  const connectionPool = poolOf(spec.connectionPool);
  const outlierDetection = outlierOf(spec.outlierDetection);
  const { retryBudget, proxyProtocol } = spec;
  const portLevel = (spec.portLevelSettings ?? []).map(
    (entry) => [entry.port.number, trafficOf(entry)] as const,
  );
  return {
    // The whole of it replaces what is said of all of a service.
    ...(spec.loadBalancer === undefined
      ? {}
      : { loadBalancer: balancerOf(spec.loadBalancer), locality: localityOf(spec.loadBalancer) }),
    ...(connectionPool === undefined ? {} : { connectionPool }),
    ...(outlierDetection === undefined ? {} : { outlierDetection }),
    ...(retryBudget === undefined
      ? {}
      : {
          retryBudget: withoutAbsent({
            percent: retryBudget.percent,
            minConcurrency: retryBudget.minRetryConcurrency,
          }),
        }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol: proxyProtocol.version === 'V2' ? 2 : 1 }),
    ...(spec.tls === undefined ? {} : { tls: clientTlsOf(spec.tls) }),
    ...(portLevel.length === 0 ? {} : { portLevel: new Map(portLevel) }),
  };
}

function balancerOf(spec: TrafficPolicySpec['loadBalancer']): LoadBalancerPolicy | undefined {
  const hash = spec?.consistentHash;
  if (hash !== undefined) {
    const size = hash.ringHash?.minimumRingSize ?? hash.minimumRingSize;
    return {
      kind: hash.maglev !== undefined ? 'maglev' : 'ring-hash',
      key:
        hash.httpHeaderName !== undefined
          ? { kind: 'header', name: hash.httpHeaderName }
          : hash.httpQueryParameterName !== undefined
            ? { kind: 'query', name: hash.httpQueryParameterName }
            : hash.httpCookie !== undefined
              ? {
                  kind: 'cookie',
                  name: hash.httpCookie.name,
                  path: hash.httpCookie.path ?? '',
                  ttlMs: durationOf(hash.httpCookie.ttl),
                  attributes: (hash.httpCookie.attributes ?? []).map(({ name, value = '' }) => ({
                    name,
                    value,
                  })),
                }
              : { kind: 'source-ip' },
      minimumRingSize: size,
      tableSize: hash.maglev?.tableSize,
    };
  }
  const warmup = warmupOf(spec);
  switch (spec?.simple) {
    case 'ROUND_ROBIN':
      return { kind: 'round-robin', ...warmup };
    case 'LEAST_REQUEST':
    case 'LEAST_CONN':
      return { kind: 'least-request', ...warmup };
    case 'RANDOM':
      return { kind: 'random' };
    case 'PASSTHROUGH':
      return { kind: 'passthrough' };
    default:
      return warmup === undefined ? undefined : { kind: 'least-request', ...warmup };
  }
}

function localityOf(spec: TrafficPolicySpec['loadBalancer']): LocalityPolicy | undefined {
  const setting = spec?.localityLbSetting;
  if (setting === undefined) return undefined;
  return withoutAbsent({
    ...setting,
    distribute: setting.distribute?.map(({ from, to }) => ({ from, to: Object.entries(to) })),
  });
}

function warmupOf(spec: TrafficPolicySpec['loadBalancer']): { readonly warmup: WarmupPolicy } | undefined {
  const { warmup } = spec ?? {};
  const windowMs = durationOf(warmup?.duration ?? spec?.warmupDurationSecs);
  if (windowMs === undefined || windowMs === 0) return undefined;
  return {
    warmup: {
      windowMs,
      ...withoutAbsent({ minimumPercent: warmup?.minimumPercent, aggression: warmup?.aggression }),
    },
  };
}

function poolOf(spec: TrafficPolicySpec['connectionPool']): ConnectionPoolPolicy | undefined {
  if (spec === undefined) return undefined;
  const { tcp = {}, http = {} } = spec;
  return withoutAbsent({
    maxConnections: tcp.maxConnections,
    connectTimeoutMs: durationOf(tcp.connectTimeout),
    idleTimeoutMs: durationOf(tcp.idleTimeout),
    maxConnectionDurationMs: durationOf(tcp.maxConnectionDuration),
    keepalive:
      tcp.tcpKeepalive === undefined
        ? undefined
        : withoutAbsent({
            probes: tcp.tcpKeepalive.probes,
            timeMs: durationOf(tcp.tcpKeepalive.time),
            intervalMs: durationOf(tcp.tcpKeepalive.interval),
          }),
    http1MaxPendingRequests: http.http1MaxPendingRequests,
    http2MaxRequests: http.http2MaxRequests,
    maxRequestsPerConnection: http.maxRequestsPerConnection,
    maxRetries: http.maxRetries,
    httpIdleTimeoutMs: durationOf(http.idleTimeout),
    maxConcurrentStreams: http.maxConcurrentStreams,
    http2Upgrade: http.h2UpgradePolicy === undefined ? undefined : http.h2UpgradePolicy === 'UPGRADE',
    useClientProtocol: http.useClientProtocol,
  });
}

function outlierOf(spec: TrafficPolicySpec['outlierDetection']): OutlierPolicy | undefined {
  if (spec === undefined) return undefined;
  return withoutAbsent({
    consecutive5xx: spec.consecutive5xxErrors ?? spec.consecutiveErrors,
    consecutiveGatewayErrors: spec.consecutiveGatewayErrors,
    consecutiveLocalOriginFailures: spec.consecutiveLocalOriginFailures,
    splitExternalLocalOriginErrors: spec.splitExternalLocalOriginErrors,
    intervalMs: durationOf(spec.interval),
    baseEjectionMs: durationOf(spec.baseEjectionTime),
    maxEjectionPercent: spec.maxEjectionPercent,
    minHealthPercent: spec.minHealthPercent,
  });
}

const tlsModes: Readonly<Record<string, ClientTls['mode']>> = {
  DISABLE: 'disable',
  SIMPLE: 'simple',
  MUTUAL: 'mutual',
  ISTIO_MUTUAL: 'istio-mutual',
};

function clientTlsOf(spec: ClientTlsSpec): ClientTls {
  return {
    mode: tlsModes[spec.mode] ?? 'istio-mutual',
    sni: spec.sni ?? '',
    subjectAltNames: spec.subjectAltNames ?? [],
    caFile: spec.caCertificates ?? '',
    crlFile: spec.caCrl ?? '',
    certificateFile: spec.clientCertificate ?? '',
    keyFile: spec.privateKey ?? '',
    credentialName: spec.credentialName ?? '',
    insecureSkipVerify: spec.insecureSkipVerify ?? false,
  };
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutAbsent<T extends object>(value: T): Present<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Present<T>;
}

function durationOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text);
}
