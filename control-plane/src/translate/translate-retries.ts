import { envoy, packAny } from '@heddle/xds-protos';
import type { HttpMatch, HttpRetries } from '../model/http-route.js';
import { duration } from './proto-values.js';

type RetryPolicy = envoy.config.route.v3.IRetryPolicy;

/** Source: Istio's default. Nothing of it sends a request again that may have been processed. */
const DEFAULT_RETRY_ON = ['connect-failure', 'refused-stream', 'unavailable', 'cancelled'];
const DEFAULT_ATTEMPTS = 2;

/** Methods of requests that may be sent twice. Source: RFC 9110 section 9.2.2. */
const IDEMPOTENT_METHODS = 'GET|HEAD|OPTIONS|TRACE|PUT|DELETE';

/**
 * Conditions that may send a request again which an upstream has processed, each with what of it is safe. All others are safe: they
 * hold before anything was processed, or are about gRPC, where they were written for its only method, POST.
 */
const MAY_REPEAT: Readonly<Record<string, readonly string[]>> = {
  '5xx': ['connect-failure', 'refused-stream', 'reset-before-request'],
  'gateway-error': ['connect-failure', 'refused-stream', 'reset-before-request'],
  reset: ['connect-failure', 'refused-stream', 'reset-before-request'],
  'http3-post-connect-failure': ['connect-failure'],
  'retriable-4xx': [],
  'retriable-status-codes': [],
  'retriable-headers': [],
};

/** How requests of one rule are retried. */
export interface RetryPlan {
  readonly policy: RetryPolicy | undefined;
  /** Set where methods that are not idempotent are retried in another way than the others. */
  readonly otherMethods: { readonly policy: RetryPolicy | undefined } | undefined;
}

/** Says of a route that it is for idempotent methods. */
export const IDEMPOTENT_MATCH: envoy.config.route.v3.IHeaderMatcher = {
  name: ':method',
  stringMatch: { safeRegex: { regex: IDEMPOTENT_METHODS } },
};

/** What happens to requests that reached an application's own sidecar: again while nothing has left it. Source: Istio. */
export const inboundRetryPolicy: RetryPolicy = { retryOn: 'reset-before-request', numRetries: { value: 2 } };

/**
 * The retries of a rule. What its author wrote holds for idempotent methods, and for others where the rule's match names the
 * method; otherwise those keep what is safe of it (docs/adr/0007). `isHashed`: its requests stay with the host that their key
 * chooses.
 */
export function planRetries(
  retries: HttpRetries | undefined,
  match: HttpMatch | undefined,
  isHashed: boolean,
): RetryPlan {
  const attempts = retries?.attempts ?? DEFAULT_ATTEMPTS;
  if (attempts === 0) return { policy: undefined, otherMethods: undefined };
  const { conditions, codes } = conditionsOf(retries);
  const policyOf = (retryOn: readonly string[]): RetryPolicy | undefined =>
    retryOn.length === 0 && retries?.perTryTimeoutMs === undefined
      ? undefined
      : retryPolicy(retryOn, codes, attempts, retries, isHashed);
  const policy = policyOf(conditions);
  const namesMethod = match?.method !== undefined && match.method.kind !== 'present';
  const safe = [...new Set(conditions.flatMap((condition) => MAY_REPEAT[condition] ?? [condition]))];
  const isSafe = conditions.every((condition) => MAY_REPEAT[condition] === undefined);
  return { policy, otherMethods: namesMethod || isSafe ? undefined : { policy: policyOf(safe) } };
}

function conditionsOf(retries: HttpRetries | undefined): {
  readonly conditions: readonly string[];
  readonly codes: readonly number[];
} {
  const words = (retries?.retryOn ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  const codes = [
    ...words.filter((word) => /^[1-5]\d\d$/.test(word)).map(Number),
    ...(retries?.statusCodes ?? []),
  ];
  const conditions = words.filter((word) => !/^\d+$/.test(word));
  if (conditions.length === 0 && codes.length === 0) conditions.push(...DEFAULT_RETRY_ON);
  if (codes.length > 0 && !conditions.includes('retriable-status-codes')) {
    conditions.push('retriable-status-codes');
  }
  return { conditions, codes: [...new Set(codes)] };
}

function retryPolicy(
  retryOn: readonly string[],
  codes: readonly number[],
  attempts: number,
  retries: HttpRetries | undefined,
  isHashed: boolean,
): RetryPolicy {
  const avoidsPreviousHosts = (retries?.ignorePreviousHosts ?? true) && !isHashed;
  return {
    retryOn: retryOn.join(','),
    numRetries: { value: attempts },
    ...(retries?.perTryTimeoutMs === undefined ? {} : { perTryTimeout: duration(retries.perTryTimeoutMs) }),
    retriableStatusCodes: retryOn.includes('retriable-status-codes') ? [...codes] : [],
    ...(retries?.backoffMs === undefined
      ? {}
      : { retryBackOff: { baseInterval: duration(retries.backoffMs) } }),
    ...(avoidsPreviousHosts
      ? {
          retryHostPredicate: [
            {
              name: 'envoy.retry_host_predicates.previous_hosts',
              typedConfig: packAny(envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate, {}),
            },
          ],
          hostSelectionRetryMaxAttempts: 5,
        }
      : {}),
  };
}
