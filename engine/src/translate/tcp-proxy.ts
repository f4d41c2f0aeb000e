import type { envoy } from '@heddle/xds-protos';
import type { TcpProxyConfig, TunnelingConfig } from '../config/tcp-proxy-config.js';
import { translateAccessLogs } from './access-log.js';
import type { Findings } from './findings.js';
import { checkTemplate, translateHeaderOptions } from './header-changes.js';
import { hasControls } from './matchers.js';
import { durationMs, requiredText, wrappedNumber } from './proto-values.js';

const HOUR_MS = 3_600_000;

type TcpProxy = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy;

/** Source: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy. */
export function translateTcpProxy(proxy: TcpProxy, path: string, findings: Findings): TcpProxyConfig {
  findings.unsupported(`${path}.on_demand`, proxy.onDemand !== null, 'problem');
  findings.unsupported(`${path}.metadata_match`, proxy.metadataMatch !== null, 'warning');
  findings.unsupported(`${path}.hash_policy`, proxy.hashPolicy.length > 0, 'warning');
  findings.unsupported(`${path}.downstream_idle_timeout`, proxy.downstreamIdleTimeout !== null, 'warning');
  findings.unsupported(`${path}.upstream_idle_timeout`, proxy.upstreamIdleTimeout !== null, 'warning');
  const clusters = translateClusters(proxy, path, findings);
  return {
    statPrefix: requiredText(proxy.statPrefix, `${path}.stat_prefix`, findings),
    clusters,
    totalWeight: clusters.reduce((sum, cluster) => sum + cluster.weight, 0),
    idleTimeoutMs: durationMs(proxy.idleTimeout, HOUR_MS, `${path}.idle_timeout`, findings),
    maxConnectAttempts: wrappedNumber(
      proxy.maxConnectAttempts,
      1,
      `${path}.max_connect_attempts`,
      findings,
      1,
    ),
    maxDownstreamConnectionDurationMs: durationMs(
      proxy.maxDownstreamConnectionDuration,
      0,
      `${path}.max_downstream_connection_duration`,
      findings,
    ),
    accessLogs: translateAccessLogs(proxy.accessLog, `${path}.access_log`, findings),
    ...(proxy.tunnelingConfig === null
      ? {}
      : { tunneling: translateTunneling(proxy.tunnelingConfig, `${path}.tunneling_config`, findings) }),
  };
}

function translateTunneling(
  tunneling: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig,
  path: string,
  findings: Findings,
): TunnelingConfig {
  const hostname = requiredText(tunneling.hostname, `${path}.hostname`, findings);
  if (hostname.includes('%')) checkTemplate(hostname, `${path}.hostname`, findings);
  if (hasControls(hostname)) findings.problem(`${path}.hostname`, 'must not hold CR, LF or NUL');
  if (!tunneling.usePost && tunneling.postPath !== '')
    findings.problem(`${path}.post_path`, 'is for use_post alone');
  const warning = (field: string, isSet: boolean): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'warning');
  warning('propagate_response_headers', tunneling.propagateResponseHeaders);
  warning('propagate_response_trailers', tunneling.propagateResponseTrailers);
  return {
    hostname,
    postPath: tunneling.usePost ? tunneling.postPath || '/' : '',
    headers: {
      remove: [],
      set: translateHeaderOptions(tunneling.headersToAdd, `${path}.headers_to_add`, findings),
    },
  };
}

function translateClusters(proxy: TcpProxy, path: string, findings: Findings): TcpProxyConfig['clusters'] {
  switch (proxy.clusterSpecifier) {
    case 'cluster':
      return [{ name: requiredText(proxy.cluster ?? '', `${path}.cluster`, findings), weight: 1 }];
    case 'weightedClusters': {
      const at = `${path}.weighted_clusters.clusters`;
      const clusters = proxy.weightedClusters?.clusters ?? [];
      if (clusters.length === 0) findings.problem(at, 'must have at least one entry');
      return clusters.map((cluster, i) => {
        if (cluster.weight < 1) findings.problem(`${at}[${i}].weight`, 'must be at least 1');
        findings.unsupported(`${at}[${i}].metadata_match`, cluster.metadataMatch !== null, 'warning');
        return { name: requiredText(cluster.name, `${at}[${i}].name`, findings), weight: cluster.weight };
      });
    }
    case undefined:
      findings.problem(path, 'one of cluster or weighted_clusters must be set');
      return [];
  }
}
