import type {
  LocalRateLimitConfig,
  RateLimitActionConfig,
  RateLimitEntryConfig,
} from '../config/rate-limit-config.js';
import type { RequestHead } from '../http/message-head.js';
import { headersMatch } from '../route/header-match.js';
import { queryParameterMatches } from '../route/query-match.js';
import type { RouteMatch } from '../route/route-table.js';

/** What descriptors may be made of beside a request's head. */
export interface DescriptorSource {
  readonly clientIp: string;
  readonly clusterName: string;
}

/** One entry as a part of a descriptor's text. NUL stands in no header, and separates. */
export function descriptorKey(key: string, value: string): string {
  return `${key}\0${value}\0`;
}

/**
 * Adds to `descriptors` those that a request has by these limits.
 *
 * Source: envoy.config.route.v3.RateLimit.
 */
export function collectDescriptors(
  entries: readonly RateLimitEntryConfig[],
  stage: number,
  head: RequestHead,
  source: DescriptorSource,
  descriptors: string[],
): void {
  for (const entry of entries) {
    if (entry.stage !== stage) continue;
    let text: string | undefined = '';
    for (const action of entry.actions) {
      const part = partOf(action, head, source);
      if (part === undefined) {
        text = undefined;
        break;
      }
      text += part;
    }
    if (text !== undefined) descriptors.push(text);
  }
}

const NO_DESCRIPTORS: readonly string[] = Object.freeze([]);

/**
 * The descriptors of a request under one configuration of the filter: by its own limits, else by those of route and virtual host.
 *
 * Source: envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.vh_rate_limits.
 */
export function requestDescriptors(
  config: LocalRateLimitConfig,
  route: RouteMatch | undefined,
  head: RequestHead,
  source: DescriptorSource,
): readonly string[] {
  if (config.descriptors.length === 0) return NO_DESCRIPTORS;
  const found: string[] = [];
  if (config.rateLimits.length > 0) {
    collectDescriptors(config.rateLimits, config.stage, head, source, found);
    return found;
  }
  if (route?.route.action.kind !== 'forward') return found;
  const ofRoute = route.route.action.rateLimits;
  collectDescriptors(ofRoute, config.stage, head, source, found);
  const { virtualHostLimits } = config;
  if (virtualHostLimits === 'include' || (virtualHostLimits === 'override' && ofRoute.length === 0)) {
    collectDescriptors(route.virtualHost.rateLimits, config.stage, head, source, found);
  }
  return found;
}

/** Empty: this action adds nothing; undefined: there is no descriptor. */
function partOf(
  action: RateLimitActionConfig,
  head: RequestHead,
  source: DescriptorSource,
): string | undefined {
  switch (action.kind) {
    case 'generic-key':
      return descriptorKey(action.key, action.value);
    case 'request-header': {
      const value = head.headers.get(action.name);
      if (value === undefined) return action.skipIfAbsent ? '' : undefined;
      return descriptorKey(action.key, value);
    }
    case 'remote-address':
      return source.clientIp === '' ? undefined : descriptorKey('remote_address', source.clientIp);
    case 'destination-cluster':
      return descriptorKey('destination_cluster', source.clusterName);
    case 'header-match':
      return headersMatch(action.headers, head) === action.expectMatch
        ? descriptorKey(action.key, action.value)
        : undefined;
    case 'query-match':
      return action.parameters.every((parameter) => queryParameterMatches(parameter, head.path)) ===
        action.expectMatch
        ? descriptorKey(action.key, action.value)
        : undefined;
  }
}
