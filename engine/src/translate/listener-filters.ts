import type { envoy } from '@heddle/xds-protos';
import type { ListenerFilterConfig } from '../config/listener-config.js';
import { typeNameOfUrl } from './any-config.js';
import type { Findings } from './findings.js';
import { requiredText } from './proto-values.js';

const KINDS: ReadonlyMap<string, ListenerFilterConfig['kind']> = new Map([
  ['envoy.extensions.filters.listener.original_dst.v3.OriginalDst', 'original-dst'],
  ['envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', 'tls-inspector'],
  ['envoy.extensions.filters.listener.http_inspector.v3.HttpInspector', 'http-inspector'],
]);

/** Source: envoy.config.listener.v3.Listener.listener_filters. */
export function translateListenerFilters(
  filters: readonly envoy.config.listener.v3.ListenerFilter[],
  path: string,
  findings: Findings,
): readonly ListenerFilterConfig[] {
  return filters.flatMap((filter, i) => {
    const at = `${path}[${i}]`;
    const name = requiredText(filter.name, `${at}.name`, findings);
    findings.unsupported(`${at}.filter_disabled`, filter.filterDisabled !== null, 'warning');
    if (filter.configType === 'configDiscovery') {
      findings.problem(`${at}.config_discovery`, 'filters by discovery (ECDS) are not supported');
      return [];
    }
    if (filter.typedConfig === null) {
      findings.problem(`${at}.typed_config`, 'must be set');
      return [];
    }
    const kind = KINDS.get(typeNameOfUrl(filter.typedConfig.typeUrl));
    if (kind !== undefined) return { kind, name };
    findings.problem(
      `${at}.typed_config`,
      `listener filter ${JSON.stringify(filter.typedConfig.typeUrl)} is not supported`,
    );
    return [];
  });
}
