import type { envoy, google } from '@heddle/xds-protos';
import type { ExtensionConfig, FilterDiscoveryConfig } from '../config/http-filter-config.js';
import { typeNameOfUrl } from './any-config.js';
import { translateConfigSource } from './config-source.js';
import type { Findings } from './findings.js';

/** What may be fetched in one place. */
export interface FetchableFilters {
  /** What keeps filters with such a configuration from being fetched there, or undefined. */
  whyNot(typeUrl: string): string | undefined;
  /** undefined: there is a problem. */
  translate(
    any: google.protobuf.Any,
    name: string,
    path: string,
    findings: Findings,
  ): ExtensionConfig | undefined;
}

/** How a filter's configuration is fetched. Source: envoy.config.core.v3.ExtensionConfigSource. */
export function translateFilterDiscovery(
  discovery: envoy.config.core.v3.ExtensionConfigSource,
  name: string,
  fetchable: FetchableFilters,
  path: string,
  findings: Findings,
): FilterDiscoveryConfig {
  const { typeUrls, defaultConfig, applyDefaultConfigWithoutWarming: defaultsAtOnce } = discovery;
  if (typeUrls.length === 0) findings.problem(`${path}.type_urls`, 'must have at least one entry');
  typeUrls.forEach((typeUrl, i) => {
    const why = fetchable.whyNot(typeUrl);
    if (why !== undefined) findings.problem(`${path}.type_urls[${i}]`, why);
  });
  if (defaultsAtOnce && defaultConfig === null) {
    findings.problem(`${path}.apply_default_config_without_warming`, 'needs default_config');
  }
  const at = `${path}.default_config`;
  const fallback =
    defaultConfig === null ? undefined : fetchable.translate(defaultConfig, name, at, findings);
  const config: FilterDiscoveryConfig = {
    typeUrls: [...typeUrls],
    defaultConfig: fallback,
    defaultsAtOnce,
    initialFetchTimeoutMs: translateConfigSource(discovery.configSource, `${path}.config_source`, findings),
  };
  const why = fallback && whyNotExtension(fallback, config);
  if (why !== undefined) findings.problem(at, why);
  return config;
}

/** What keeps a fetched configuration from being used where another kind is wanted, or undefined. */
export function whyNotExtension(
  { typeUrl }: ExtensionConfig,
  { typeUrls }: Pick<FilterDiscoveryConfig, 'typeUrls'>,
): string | undefined {
  const found = typeNameOfUrl(typeUrl);
  const wanted = typeUrls.map(typeNameOfUrl);
  return wanted.includes(found) ? undefined : `is ${found}, and only ${wanted.join(' or ')} may be there`;
}
