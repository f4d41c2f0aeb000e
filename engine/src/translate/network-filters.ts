import { envoy, stats, type google } from '@heddle/xds-protos';
import type { NetworkFilterConfig } from '../config/listener-config.js';
import { parseIstioStats } from '../http-filters/istio-stats/config.js';
import type { RouterConfig } from '../http-filters/router/config.js';
import { routerFilter } from '../http-filters/router/config.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import { translateFilterDiscovery, type FetchableFilters } from './filter-discovery.js';
import type { Findings } from './findings.js';
import { translateHttpConnectionManager } from './http-connection-manager.js';
import { translateNetworkLocalRateLimit } from './network-local-rate-limit.js';
import { translateNetworkRbac } from './network-rbac.js';
import { requiredText } from './proto-values.js';
import { translateTcpProxy } from './tcp-proxy.js';
import { unwrapTypedStruct } from './typed-struct.js';

const { HttpConnectionManager } = envoy.extensions.filters.network.http_connection_manager.v3;
const { TcpProxy } = envoy.extensions.filters.network.tcp_proxy.v3;
const { Echo } = envoy.extensions.filters.network.echo.v3;
const { LocalRateLimit } = envoy.extensions.filters.network.local_ratelimit.v3;
const { RBAC } = envoy.extensions.filters.network.rbac.v3;
const { MetadataExchange } = envoy.tcp.metadataexchange.config;

/** Source: envoy.config.listener.v3.FilterChain.filters: the last must be terminal, and no other may be. */
export function translateNetworkFilters(
  filters: readonly envoy.config.listener.v3.Filter[],
  path: string,
  findings: Findings,
): readonly NetworkFilterConfig[] {
  if (filters.length === 0) {
    findings.problem(path, 'must have at least one entry: a connection manager or a TCP proxy');
  }
  return filters.flatMap((filter, i) => {
    const config = translateNetworkFilter(filter, `${path}[${i}]`, findings);
    if (config === undefined || config === 'nothing') return [];
    const isLast = i === filters.length - 1;
    if (isTerminal(config) && !isLast) {
      findings.problem(`${path}[${i}]`, 'a terminal filter must be the last of its chain');
    } else if (!isTerminal(config) && isLast) {
      findings.problem(`${path}[${i}]`, 'the last filter must be a connection manager or a TCP proxy');
    }
    return config;
  });
}

const isTerminal = ({ kind }: NetworkFilterConfig): boolean =>
  kind === 'http-connection-manager' || kind === 'tcp-proxy' || kind === 'echo';

/** `nothing`: accepted, and does nothing. */
function translateNetworkFilter(
  filter: envoy.config.listener.v3.Filter,
  path: string,
  findings: Findings,
): NetworkFilterConfig | 'nothing' | undefined {
  const name = requiredText(filter.name, `${path}.name`, findings);
  if (filter.configType === 'configDiscovery' && filter.configDiscovery !== null) {
    const at = `${path}.config_discovery`;
    const discovery = translateFilterDiscovery(
      filter.configDiscovery,
      name,
      fetchableNetworkFilters,
      at,
      findings,
    );
    return { kind: 'discovered', name, discovery };
  }
  const at = `${path}.typed_config`;
  const any = unwrapTypedStruct(filter.typedConfig, at, findings);
  if (any === null) {
    findings.problem(at, 'must be set');
    return undefined;
  }
  return translateTypedConfig(any, name, at, findings);
}

function translateTypedConfig(
  any: google.protobuf.Any,
  name: string,
  at: string,
  findings: Findings,
): NetworkFilterConfig | 'nothing' | undefined {
  switch (typeNameOfUrl(any.typeUrl)) {
    case HttpConnectionManager.typeName: {
      const manager = unpackAs(any, HttpConnectionManager, at, findings);
      if (manager === undefined) return undefined;
      const config = translateHttpConnectionManager(manager, at, findings);
      const router = config.httpFilters.at(-1);
      const suppressEnvoyHeaders =
        router !== undefined &&
        'typeUrl' in router &&
        router.typeUrl === routerFilter.typeUrl &&
        (router.config as RouterConfig | undefined)?.suppressEnvoyHeaders === true;
      return { kind: 'http-connection-manager', name, config: { ...config, suppressEnvoyHeaders } };
    }
    case TcpProxy.typeName: {
      const proxy = unpackAs(any, TcpProxy, at, findings);
      if (proxy === undefined) return undefined;
      return { kind: 'tcp-proxy', name, config: translateTcpProxy(proxy, at, findings) };
    }
    case Echo.typeName:
      return unpackAs(any, Echo, at, findings) && { kind: 'echo', name };
    case RBAC.typeName: {
      const rbac = unpackAs(any, RBAC, at, findings, true);
      if (rbac === undefined) return undefined;
      return { kind: 'rbac', name, config: translateNetworkRbac(rbac, at, findings) };
    }
    case LocalRateLimit.typeName: {
      const limit = unpackAs(any, LocalRateLimit, at, findings);
      const config = limit && translateNetworkLocalRateLimit(limit, at, findings);
      return config && { kind: 'local-rate-limit', name, config };
    }
    case stats.PluginConfig.typeName: {
      const config = findings.take(parseIstioStats(any.value, at));
      return config === undefined ? undefined : { kind: 'istio-stats', name, config };
    }
    case MetadataExchange.typeName:
      // Without it on both sides a connection goes on as if it were not there.
      unpackAs(any, MetadataExchange, at, findings);
      return 'nothing';
    default:
      findings.problem(at, `network filter ${JSON.stringify(any.typeUrl)} is not supported`);
      return undefined;
  }
}

/** Those that a connection has to pass, each of which stands for itself. */
export const fetchableNetworkFilters: FetchableFilters = {
  whyNot(typeUrl) {
    const name = typeNameOfUrl(typeUrl);
    return name === RBAC.typeName || name === LocalRateLimit.typeName
      ? undefined
      : `network filter ${JSON.stringify(typeUrl)} cannot be fetched apart`;
  },
  translate(given, name, path, findings) {
    const any = unwrapTypedStruct(given, path, findings);
    const why = any === null ? 'must be set' : this.whyNot(any.typeUrl);
    if (any === null || why !== undefined) {
      findings.problem(path, why ?? 'must be set');
      return undefined;
    }
    const config = translateTypedConfig(any, name, path, findings);
    if (config === undefined || config === 'nothing') return undefined;
    return { name, typeUrl: any.typeUrl, filter: { kind: 'network', config } };
  },
};
