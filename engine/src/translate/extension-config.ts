import type { envoy } from '@heddle/xds-protos';
import type { ExtensionConfig } from '../config/http-filter-config.js';
import type { Translated } from '../config/problem.js';
import { Findings } from './findings.js';
import { fetchableHttpFilters } from './http-filter-chain.js';
import { fetchableNetworkFilters } from './network-filters.js';
import { deepFreeze, requiredText } from './proto-values.js';
import { unwrapTypedStruct } from './typed-struct.js';

/** Translates the configuration of a filter that came alone. Source: envoy.config.core.v3.TypedExtensionConfig. */
export function translateExtensionConfig(
  extension: envoy.config.core.v3.TypedExtensionConfig,
): Translated<ExtensionConfig> {
  const findings = new Findings();
  // What was left out of it might be a check.
  findings.unknownFields(extension, '', true);
  const name = requiredText(extension.name, 'name', findings);
  const any = unwrapTypedStruct(extension.typedConfig, 'typed_config', findings);
  if (any === null) {
    findings.problem('typed_config', 'must be set');
    return { ok: false, problems: findings.problems };
  }
  const kinds = [fetchableHttpFilters, fetchableNetworkFilters];
  const fetchable = kinds.find((one) => one.whyNot(any.typeUrl) === undefined);
  if (fetchable === undefined) {
    findings.problem('typed_config', `filter ${JSON.stringify(any.typeUrl)} is not supported`);
  }
  const config = fetchable?.translate(any, name, 'typed_config', findings);
  // Where it is undefined there is a problem.
  return findings.finish(deepFreeze(config as ExtensionConfig));
}
