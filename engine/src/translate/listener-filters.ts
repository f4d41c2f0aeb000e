import { envoy } from '@heddle/xds-protos';
import type { ListenerFilterConfig, ProxyProtocolConfig } from '../config/listener-config.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import type { Findings } from './findings.js';
import { requiredText } from './proto-values.js';

const { ProxyProtocol } = envoy.extensions.filters.listener.proxy_protocol.v3;
const { OriginalSrc } = envoy.extensions.filters.listener.original_src.v3;

/** Those of which only their being there counts. */
const KINDS = new Map([
  ['envoy.extensions.filters.listener.original_dst.v3.OriginalDst', 'original-dst'],
  ['envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', 'tls-inspector'],
  ['envoy.extensions.filters.listener.http_inspector.v3.HttpInspector', 'http-inspector'],
] as const);

type PlainKind = Exclude<ListenerFilterConfig['kind'], 'proxy-protocol' | 'original-src'>;

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
    const typeName = typeNameOfUrl(filter.typedConfig.typeUrl);
    if (typeName === ProxyProtocol.typeName) {
      const proxyProtocol = unpackAs(filter.typedConfig, ProxyProtocol, `${at}.typed_config`, findings);
      if (proxyProtocol === undefined) return [];
      const config = translateProxyProtocol(proxyProtocol, `${at}.typed_config`, findings);
      return { kind: 'proxy-protocol', name, config };
    }
    if (typeName === OriginalSrc.typeName) {
      const source = unpackAs(filter.typedConfig, OriginalSrc, `${at}.typed_config`, findings);
      if (source === undefined) return [];
      findings.unsupported(`${at}.typed_config.bind_port`, source.bindPort, 'problem');
      return { kind: 'original-src', name, mark: source.mark };
    }
    const kind = (KINDS as ReadonlyMap<string, PlainKind>).get(typeName);
    if (kind !== undefined) return { kind, name };
    findings.problem(
      `${at}.typed_config`,
      `listener filter ${JSON.stringify(filter.typedConfig.typeUrl)} is not supported`,
    );
    return [];
  });
}

function translateProxyProtocol(
  filter: envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol,
  path: string,
  findings: Findings,
): ProxyProtocolConfig {
  findings.unsupported(`${path}.rules`, filter.rules.length > 0, 'warning');
  findings.unsupported(`${path}.pass_through_tlvs`, filter.passThroughTlvs !== null, 'warning');
  const disallowed = new Set(filter.disallowedVersions.map((version) => (version === 0 ? 1 : 2)));
  const versions = ([1, 2] as const).filter((version) => !disallowed.has(version));
  if (versions.length === 0)
    findings.problem(`${path}.disallowed_versions`, 'must leave a version that is allowed');
  return { allowsWithout: filter.allowRequestsWithoutProxyProtocol, versions, statPrefix: filter.statPrefix };
}
