import type { HeaderMatchConfig, RetryConfig } from '../config/route-config.js';
import type { HeaderMap } from '../http/header-map.js';
import type { RequestHead } from '../http/message-head.js';
import { headerMatches } from '../route/header-match.js';
import { GRPC_CONDITIONS, parseRetryOn } from './retry-condition.js';

/** Envoy's base of the back-off between attempts; the longest is ten times as long. */
export const DEFAULT_BACK_OFF_MS = 25;

/** What a request is retried by when its own headers alone ask for it. Source: Envoy's RetryPolicyImpl without a configuration. */
const HEADERS_ALONE: RetryConfig = Object.freeze({
  conditions: 0,
  numRetries: 1,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  retriableStatusCodes: Object.freeze([]),
  retriableHeaders: Object.freeze([]),
  retriableRequestHeaders: Object.freeze([]),
  backOffBaseMs: DEFAULT_BACK_OFF_MS,
  backOffMaxMs: 10 * DEFAULT_BACK_OFF_MS,
  rateLimitedBackOff: undefined,
  hostSelectionRetryMaxAttempts: 1,
  avoidPreviousHosts: false,
});

/**
 * The policy for one request: the route's, and what `x-envoy-retry-*` of the request add to it. Those fields are removed.
 * undefined: nothing is retried. To be called for trusted requests only; those of others have no such fields any more.
 *
 * Source: Envoy's RetryStateImpl::create.
 */
export function retryPolicyOf(route: RetryConfig | undefined, head: RequestHead): RetryConfig | undefined {
  const { headers } = head;
  const base = route ?? HEADERS_ALONE;
  const retryOn = take(headers, 'x-envoy-retry-on');
  const retryGrpcOn = take(headers, 'x-envoy-retry-grpc-on');
  const maxRetries = take(headers, 'x-envoy-max-retries');
  const statusCodes = take(headers, 'x-envoy-retriable-status-codes');
  const headerNames = take(headers, 'x-envoy-retriable-header-names');
  const conditions =
    base.conditions |
    (retryOn === undefined ? 0 : parseRetryOn(retryOn) & ~GRPC_CONDITIONS) |
    (retryGrpcOn === undefined ? 0 : parseRetryOn(retryGrpcOn) & GRPC_CONDITIONS);
  if (conditions === 0) return undefined;
  return {
    ...base,
    conditions,
    numRetries:
      maxRetries !== undefined && /^\d{1,9}$/.test(maxRetries) ? Number(maxRetries) : base.numRetries,
    retriableStatusCodes: [...base.retriableStatusCodes, ...numbersOf(statusCodes)],
    retriableHeaders: [...base.retriableHeaders, ...namesOf(headerNames)],
  };
}

/** Whether the policy is for this request at all. Source: RetryPolicy.retriable_request_headers. */
export function isRetriable({ retriableRequestHeaders }: RetryConfig, head: RequestHead): boolean {
  return (
    retriableRequestHeaders.length === 0 ||
    retriableRequestHeaders.some((matcher) => headerMatches(matcher, head))
  );
}

function take(headers: HeaderMap, name: string): string | undefined {
  const value = headers.joined(name);
  if (value !== undefined) headers.remove(name);
  return value;
}

function numbersOf(list: string | undefined): number[] {
  return (list ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => /^\d{3}$/.test(item))
    .map(Number);
}

function namesOf(list: string | undefined): HeaderMatchConfig[] {
  return (list ?? '')
    .split(',')
    .map((item) => item.trim().toLowerCase())
    .filter((name) => name !== '')
    .map((name) => ({
      name,
      match: { kind: 'present', present: true },
      invert: false,
      treatMissingAsEmpty: false,
    }));
}
