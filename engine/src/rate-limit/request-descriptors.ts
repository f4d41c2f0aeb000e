import type { RateLimitActionConfig, RateLimitEntryConfig } from '../config/rate-limit-config.js';
import type { RequestHead } from '../http/message-head.js';
import { headersMatch } from '../route/header-match.js';
import { queryParameterMatches } from '../route/query-match.js';

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
