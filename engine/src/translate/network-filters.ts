import { envoy } from '@heddle/xds-protos';
import type { NetworkFilterConfig } from '../config/listener-config.js';
import type { RouterConfig } from '../http-filters/router/config.js';
import { routerFilter } from '../http-filters/router/config.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import type { Findings } from './findings.js';
import { translateHttpConnectionManager } from './http-connection-manager.js';
import { requiredText } from './proto-values.js';
import { translateTcpProxy } from './tcp-proxy.js';

const { HttpConnectionManager } = envoy.extensions.filters.network.http_connection_manager.v3;
const { TcpProxy } = envoy.extensions.filters.network.tcp_proxy.v3;

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
    if (config !== undefined && i < filters.length - 1) {
      findings.problem(`${path}[${i}]`, 'a terminal filter must be the last of its chain');
    }
    return config ?? [];
  });
}

function translateNetworkFilter(
  filter: envoy.config.listener.v3.Filter,
  path: string,
  findings: Findings,
): NetworkFilterConfig | undefined {
  const name = requiredText(filter.name, `${path}.name`, findings);
  const at = `${path}.typed_config`;
  const any = filter.typedConfig;
  if (filter.configType === 'configDiscovery') {
    findings.problem(`${path}.config_discovery`, 'filters by discovery (ECDS) are not supported');
    return undefined;
  }
  if (any === null) {
    findings.problem(at, 'must be set');
    return undefined;
  }
  switch (typeNameOfUrl(any.typeUrl)) {
    case HttpConnectionManager.typeName: {
      const manager = unpackAs(any, HttpConnectionManager, at, findings);
      if (manager === undefined) return undefined;
      const config = translateHttpConnectionManager(manager, at, findings);
      const router = config.httpFilters.find((one) => one.typeUrl === routerFilter.typeUrl);
      const suppressEnvoyHeaders =
        (router?.config as RouterConfig | undefined)?.suppressEnvoyHeaders ?? false;
      return { kind: 'http-connection-manager', name, config: { ...config, suppressEnvoyHeaders } };
    }
    case TcpProxy.typeName: {
      const proxy = unpackAs(any, TcpProxy, at, findings);
      if (proxy === undefined) return undefined;
      return { kind: 'tcp-proxy', name, config: translateTcpProxy(proxy, at, findings) };
    }
    default:
      findings.problem(at, `network filter ${JSON.stringify(any.typeUrl)} is not supported`);
      return undefined;
  }
}
