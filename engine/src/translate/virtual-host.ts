import type { envoy } from '@heddle/xds-protos';
import type { RouteConfig, RouteEntryConfig, VirtualHostConfig } from '../config/route-config.js';
import { effectiveHeaderChanges } from '../route/header-changes.js';
import type { Findings } from './findings.js';
import { translateHeaderChanges } from './header-changes.js';
import { hasControls } from './matchers.js';
import { translatePerFilterConfig } from './per-filter-config.js';
import { enumName, requiredText } from './proto-values.js';
import { translateRateLimits } from './rate-limits.js';
import { translateRetryPolicy } from './retry-policy.js';
import { translateRouteAction, type RetryOfHost } from './route-action.js';
import { translateDirectResponse, translateRedirect } from './route-answers.js';
import { translateRouteMatch } from './route-match.js';

/** What a virtual host takes from its route configuration. */
export interface RouteTableContext extends Pick<
  RouteConfig,
  'requestHeaders' | 'responseHeaders' | 'mostSpecificHeaderMutationsWins'
> {
  readonly maxDirectResponseBodyBytes: number;
}

/** Source: envoy.config.route.v3.VirtualHost. */
export function translateVirtualHost(
  host: envoy.config.route.v3.VirtualHost,
  table: RouteTableContext,
  path: string,
  findings: Findings,
): VirtualHostConfig {
  requiredText(host.name, `${path}.name`, findings);
  reportUnsupported(host, path, findings);
  const changes = {
    requestHeaders: translateHeaderChanges(
      host.requestHeadersToAdd,
      host.requestHeadersToRemove,
      path,
      'request',
      findings,
    ),
    responseHeaders: translateHeaderChanges(
      host.responseHeadersToAdd,
      host.responseHeadersToRemove,
      path,
      'response',
      findings,
    ),
  };
  const ofHost: RetryOfHost = {
    retry:
      host.retryPolicy === null
        ? undefined
        : translateRetryPolicy(host.retryPolicy, `${path}.retry_policy`, findings),
    bufferLimitBytes: host.perRequestBufferLimitBytes?.value,
  };
  return {
    name: host.name,
    domains: translateDomains(host.domains, `${path}.domains`, findings),
    routes: host.routes.map((route, i) => {
      const at = `${path}.routes[${i}]`;
      const entry = {
        name: route.name,
        match: translateMatch(route, at, findings),
        action: translateAction(route, ofHost, table, at, findings),
        requestHeaders: translateHeaderChanges(
          route.requestHeadersToAdd,
          route.requestHeadersToRemove,
          at,
          'request',
          findings,
        ),
        responseHeaders: translateHeaderChanges(
          route.responseHeadersToAdd,
          route.responseHeadersToRemove,
          at,
          'response',
          findings,
        ),
        perFilterConfig: translatePerFilterConfig(route.typedPerFilterConfig, at, findings),
        decoratorOperation: route.decorator?.operation ?? '',
      };
      findings.unsupported(`${at}.tracing`, route.tracing !== null, 'warning');
      // Spelled out: spread, each virtual host's routes would get a hidden class of their own, and every look slow.
      return {
        name: entry.name,
        match: entry.match,
        action: entry.action,
        requestHeaders: entry.requestHeaders,
        responseHeaders: entry.responseHeaders,
        perFilterConfig: entry.perFilterConfig,
        decoratorOperation: entry.decoratorOperation,
        effectiveRequestHeaders: effectiveHeaderChanges(table, changes, entry, 'requestHeaders'),
        effectiveResponseHeaders: effectiveHeaderChanges(table, changes, entry, 'responseHeaders'),
      };
    }),
    ...changes,
    requireTls: enumName(
      ['none', 'external-only', 'all'] as const,
      host.requireTls,
      `${path}.require_tls`,
      findings,
    ),
    rateLimits: translateRateLimits(host.rateLimits, `${path}.rate_limits`, findings),
    includeRequestAttemptCount: host.includeRequestAttemptCount,
    includeAttemptCountInResponse: host.includeAttemptCountInResponse,
    includeIsTimeoutRetryHeader: host.includeIsTimeoutRetryHeader,
    perFilterConfig: translatePerFilterConfig(host.typedPerFilterConfig, path, findings),
  };
}

function translateDomains(domains: readonly string[], path: string, findings: Findings): readonly string[] {
  if (domains.length === 0) findings.problem(path, 'must have at least one entry');
  domains.forEach((domain, i) => {
    const at = `${path}[${i}]`;
    if (domain === '') findings.problem(at, 'must not be empty');
    if (hasControls(domain)) findings.problem(at, 'must not hold CR, LF or NUL');
    if (
      domain.slice(1, -1).includes('*') ||
      (domain.length > 1 && domain.startsWith('*') && domain.endsWith('*'))
    ) {
      findings.problem(at, `${JSON.stringify(domain)}: a star may stand once, at the start or at the end`);
    }
  });
  return domains.map((domain) => domain.toLowerCase());
}

function translateMatch(
  route: envoy.config.route.v3.Route,
  path: string,
  findings: Findings,
): RouteEntryConfig['match'] {
  if (route.match !== null) return translateRouteMatch(route.match, `${path}.match`, findings);
  findings.problem(`${path}.match`, 'must be set');
  return {
    path: { kind: 'connect' },
    caseSensitive: true,
    headers: [],
    queryParameters: [],
    runtimeFraction: 0,
    grpcOnly: false,
  };
}

function translateAction(
  route: envoy.config.route.v3.Route,
  ofHost: RetryOfHost,
  table: RouteTableContext,
  path: string,
  findings: Findings,
): RouteEntryConfig['action'] {
  const { route: forward, redirect, directResponse } = route;
  switch (route.action) {
    case 'route':
      if (forward !== null) {
        const bufferLimitBytes = route.perRequestBufferLimitBytes?.value ?? ofHost.bufferLimitBytes;
        return translateRouteAction(forward, { ...ofHost, bufferLimitBytes }, `${path}.route`, findings);
      }
      break;
    case 'redirect':
      if (redirect !== null) return translateRedirect(redirect, `${path}.redirect`, findings);
      break;
    case 'directResponse':
      if (directResponse !== null) {
        const most = table.maxDirectResponseBodyBytes;
        return translateDirectResponse(directResponse, most, `${path}.direct_response`, findings);
      }
      break;
    case 'nonForwardingAction':
      return { kind: 'non-forwarding' };
    case 'filterAction':
      findings.problem(`${path}.filter_action`, 'is not supported');
      return { kind: 'non-forwarding' };
    case undefined:
      break;
  }
  findings.problem(path, 'one of route, redirect, direct_response or non_forwarding_action must be set');
  return { kind: 'non-forwarding' };
}

function reportUnsupported(host: envoy.config.route.v3.VirtualHost, path: string, findings: Findings): void {
  const problem = (field: string, isSet: boolean): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'problem');
  const warning = (field: string, isSet: boolean): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'warning');
  problem('matcher', host.matcher !== null);
  problem('request_mirror_policies', host.requestMirrorPolicies.length > 0);
  problem('retry_policy_typed_config', host.retryPolicyTypedConfig !== null);
  warning('virtual_clusters', host.virtualClusters.length > 0);
  warning('cors', host.cors !== null);
  warning('hedge_policy', host.hedgePolicy !== null);
}
