import { envoy } from '@heddle/xds-protos';
import type { Translated } from '../config/problem.js';
import type { RouteConfig, VirtualHostConfig } from '../config/route-config.js';
import { NO_HEADER_CHANGES } from '../route/header-changes.js';
import { translateConfigSource } from './config-source.js';
import { Findings, join } from './findings.js';
import { translateHeaderChanges } from './header-changes.js';
import { checkHeaderName } from './matchers.js';
import { translatePerFilterConfig } from './per-filter-config.js';
import { deepFreeze, wrappedNumber } from './proto-values.js';
import { translateVirtualHost, type RouteTableContext } from './virtual-host.js';

/** Envoy's default for `max_direct_response_body_size_bytes`. */
const MAX_DIRECT_RESPONSE_BODY_BYTES = 4096;
const { ApiType } = envoy.config.core.v3.ApiConfigSource;
const ANY_TABLE: RouteTableContext = Object.freeze({
  requestHeaders: NO_HEADER_CHANGES,
  responseHeaders: NO_HEADER_CHANGES,
  mostSpecificHeaderMutationsWins: false,
  maxDirectResponseBodyBytes: MAX_DIRECT_RESPONSE_BODY_BYTES,
});

/** Translates a route configuration. Source: envoy.config.route.v3.RouteConfiguration. */
export function translateRouteConfiguration(
  routeConfiguration: envoy.config.route.v3.RouteConfiguration,
): Translated<RouteConfig> {
  const findings = new Findings();
  findings.unknownFields(routeConfiguration, '');
  const routes = translateRoutes(routeConfiguration, '', findings);
  const { vhds } = routeConfiguration;
  if (vhds === null) return findings.finish(routes);
  const { apiConfigSource } = vhds.configSource ?? {};
  if (apiConfigSource && apiConfigSource.apiType !== ApiType.DELTA_GRPC) {
    findings.problem('vhds.config_source', "only 'DELTA_GRPC' serves virtual hosts");
  }
  const initialFetchTimeoutMs = translateConfigSource(vhds.configSource, 'vhds.config_source', findings);
  return findings.finish(Object.freeze({ ...routes, fetchesVirtualHosts: { initialFetchTimeoutMs } }));
}

/** One virtual host of those that are fetched. What its table adds comes later: `withFetchedHosts`. */
export function translateFetchedVirtualHost(
  host: envoy.config.route.v3.VirtualHost,
): Translated<VirtualHostConfig> {
  const findings = new Findings();
  findings.unknownFields(host, 'virtual_host');
  return findings.finish(deepFreeze(translateVirtualHost(host, ANY_TABLE, 'virtual_host', findings)));
}

/** The same, for a route configuration inside a connection manager; unknown fields were reported by the caller. */
export function translateRoutes(
  source: envoy.config.route.v3.RouteConfiguration,
  path: string,
  findings: Findings,
): RouteConfig {
  // Only a table that is fetched itself fetches more.
  findings.unsupported(join(path, 'vhds'), source.vhds !== null && path !== '', 'problem');
  findings.unsupported(
    join(path, 'request_mirror_policies'),
    source.requestMirrorPolicies.length > 0,
    'problem',
  );
  source.internalOnlyHeaders.forEach((name, i) =>
    checkHeaderName(name, join(path, `internal_only_headers[${i}]`), findings),
  );
  const table = {
    requestHeaders: translateHeaderChanges(
      source.requestHeadersToAdd,
      source.requestHeadersToRemove,
      path,
      'request',
      findings,
    ),
    responseHeaders: translateHeaderChanges(
      source.responseHeadersToAdd,
      source.responseHeadersToRemove,
      path,
      'response',
      findings,
    ),
    mostSpecificHeaderMutationsWins: source.mostSpecificHeaderMutationsWins,
  };
  const context = {
    ...table,
    maxDirectResponseBodyBytes: wrappedNumber(
      source.maxDirectResponseBodySizeBytes,
      MAX_DIRECT_RESPONSE_BODY_BYTES,
      join(path, 'max_direct_response_body_size_bytes'),
      findings,
    ),
  };
  const virtualHosts = source.virtualHosts.map((host, i) =>
    translateVirtualHost(host, context, join(path, `virtual_hosts[${i}]`), findings),
  );
  reportDuplicates(virtualHosts, path, findings);
  return deepFreeze({
    name: source.name,
    virtualHosts,
    ...table,
    ignorePortInHostMatching: source.ignorePortInHostMatching,
    ignorePathParametersInPathMatching: source.ignorePathParametersInPathMatching,
    internalOnlyHeaders: source.internalOnlyHeaders.map((name) => name.toLowerCase()),
    perFilterConfig: translatePerFilterConfig(source.typedPerFilterConfig, path, findings),
  });
}

/** Names of virtual hosts, and domains across them, must be unique. */
function reportDuplicates(hosts: readonly VirtualHostConfig[], path: string, findings: Findings): void {
  const names = new Set<string>();
  const owners = new Map<string, string>();
  hosts.forEach((host, i) => {
    const at = join(path, `virtual_hosts[${i}]`);
    if (host.name !== '' && names.has(host.name)) {
      findings.problem(`${at}.name`, `${JSON.stringify(host.name)} is the name of two virtual hosts`);
    }
    names.add(host.name);
    host.domains.forEach((domain, j) => {
      const owner = owners.get(domain);
      if (owner !== undefined) {
        findings.problem(
          `${at}.domains[${j}]`,
          `${JSON.stringify(domain)} is taken by virtual host ${JSON.stringify(owner)}: domains must be unique`,
        );
      } else owners.set(domain, host.name);
    });
  });
}
