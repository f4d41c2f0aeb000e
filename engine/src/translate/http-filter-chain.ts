import type { envoy } from '@heddle/xds-protos';
import type { DiscoveredHttpFilterConfig, HttpFilterConfig } from '../config/http-filter-config.js';
import { httpFilterOf } from '../http-filters/index.js';
import { translateFilterDiscovery, type FetchableFilters } from './filter-discovery.js';
import type { Findings } from './findings.js';
import { requiredText } from './proto-values.js';
import { unwrapTypedStruct } from './typed-struct.js';

type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter;

/** Source: HttpConnectionManager.http_filters: in order, the router last and only there. */
export function translateHttpFilters(
  filters: readonly HttpFilter[],
  path: string,
  findings: Findings,
): readonly (HttpFilterConfig | DiscoveredHttpFilterConfig)[] {
  const configs = filters.map((filter, i) => translateHttpFilter(filter, `${path}[${i}]`, findings));
  const isTerminal = configs.map(
    (config) =>
      config !== undefined && 'typeUrl' in config && httpFilterOf(config.typeUrl)?.terminal === true,
  );
  isTerminal.forEach((terminal, i) => {
    if (terminal && i < filters.length - 1) {
      findings.problem(`${path}[${i}]`, 'a terminal filter (the router) must be the last of the chain');
    }
  });
  if (configs.length === 0 || (isTerminal.at(-1) === false && configs.at(-1) !== undefined)) {
    findings.problem(path, 'the last filter must be terminal (the router)');
  }
  return configs.filter((config) => config !== undefined);
}

function translateHttpFilter(
  filter: HttpFilter,
  path: string,
  findings: Findings,
): HttpFilterConfig | DiscoveredHttpFilterConfig | undefined {
  const name = requiredText(filter.name, `${path}.name`, findings);
  if (filter.configType === 'configDiscovery' && filter.configDiscovery !== null) {
    const discovery = translateFilterDiscovery(
      filter.configDiscovery,
      name,
      fetchableHttpFilters,
      `${path}.config_discovery`,
      findings,
    );
    return { name, disabled: filter.disabled, discovery };
  }
  const any = unwrapTypedStruct(filter.typedConfig, `${path}.typed_config`, findings);
  if (any === null) {
    findings.problem(`${path}.typed_config`, 'must be set');
    return undefined;
  }
  const at = `${path}.typed_config`;
  const known = httpFilterOf(any.typeUrl);
  if (known === undefined) {
    const message = `HTTP filter ${JSON.stringify(any.typeUrl)} is not supported`;
    if (filter.isOptional) findings.warn(at, `${message}; left out, because it is optional`);
    else findings.problem(at, message);
    return undefined;
  }
  if (known.terminal && filter.disabled)
    findings.problem(`${path}.disabled`, 'the router cannot be disabled');
  const config = findings.take(known.parse(any.value, at));
  return { name, typeUrl: known.typeUrl, config, disabled: filter.disabled };
}

/** All but the router, which has to be there for the chain to be one. */
export const fetchableHttpFilters: FetchableFilters = {
  whyNot(typeUrl) {
    const known = httpFilterOf(typeUrl);
    if (known === undefined) return `HTTP filter ${JSON.stringify(typeUrl)} is not supported`;
    return known.terminal ? 'the router cannot be fetched apart' : undefined;
  },
  translate(given, name, path, findings) {
    const any = unwrapTypedStruct(given, path, findings);
    const known = any === null ? undefined : httpFilterOf(any.typeUrl);
    if (any === null || known === undefined) {
      findings.problem(path, `HTTP filter ${JSON.stringify(any?.typeUrl ?? '')} is not supported`);
      return undefined;
    }
    const config = findings.take(known.parse(any.value, path));
    return { name, typeUrl: known.typeUrl, filter: { kind: 'http', config } };
  },
};
