import { envoy, type google } from '@heddle/xds-protos';
import type { PerFilterConfig } from '../config/route-config.js';
import { FILTER_DISABLED } from '../http-filters/http-filter.js';
import { httpFilterOfOverride } from '../http-filters/index.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import { join, type Findings } from './findings.js';

const { FilterConfig } = envoy.config.route.v3;

const NONE: PerFilterConfig = new Map<string, unknown>();

/** Source: `typed_per_filter_config`, of a route, virtual host, weighted cluster or route configuration. */
export function translatePerFilterConfig(
  overrides: Readonly<Record<string, google.protobuf.Any>>,
  path: string,
  findings: Findings,
): PerFilterConfig {
  const entries = Object.entries(overrides);
  if (entries.length === 0) return NONE;
  const configs = new Map<string, unknown>();
  for (const [name, any] of entries) {
    const at = join(path, `typed_per_filter_config[${JSON.stringify(name)}]`);
    const config = translateOverride(any, at, findings);
    if (config !== undefined) configs.set(name, config);
  }
  return configs;
}

function translateOverride(any: google.protobuf.Any, path: string, findings: Findings): unknown {
  if (typeNameOfUrl(any.typeUrl) !== FilterConfig.typeName) return parseOverride(any, false, path, findings);
  const wrapper = unpackAs(any, FilterConfig, path, findings);
  if (wrapper === undefined) return undefined;
  if (wrapper.disabled) return FILTER_DISABLED;
  if (wrapper.config === null) {
    findings.problem(`${path}.config`, 'must be set unless the filter is disabled');
    return undefined;
  }
  return parseOverride(wrapper.config, wrapper.isOptional, `${path}.config`, findings);
}

function parseOverride(
  any: google.protobuf.Any,
  isOptional: boolean,
  path: string,
  findings: Findings,
): unknown {
  const filter = httpFilterOfOverride(any.typeUrl);
  if (filter !== undefined) return findings.take(filter.parsePerRoute(any.value, path));
  const message = `no filter takes ${JSON.stringify(any.typeUrl)} as its configuration per route`;
  if (isOptional) findings.warn(path, `${message}; left out, because it is optional`);
  else findings.problem(path, message);
  return undefined;
}
