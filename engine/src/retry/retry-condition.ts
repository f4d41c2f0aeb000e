/**
 * What a retry policy may retry on, as bits, so that a decision is a few comparisons.
 *
 * Source: envoy.config.route.v3.RetryPolicy.retry_on; the last five are those of `x-envoy-retry-grpc-on`.
 */
export const RETRY_ON = Object.freeze({
  '5xx': 1,
  'gateway-error': 1 << 1,
  reset: 1 << 2,
  'reset-before-request': 1 << 3,
  'connect-failure': 1 << 4,
  'envoy-ratelimited': 1 << 5,
  'retriable-4xx': 1 << 6,
  'refused-stream': 1 << 7,
  'retriable-status-codes': 1 << 8,
  'retriable-headers': 1 << 9,
  'http3-post-connect-failure': 1 << 10,
  cancelled: 1 << 11,
  'deadline-exceeded': 1 << 12,
  'resource-exhausted': 1 << 13,
  unavailable: 1 << 14,
  internal: 1 << 15,
} as const);

export type RetryCondition = keyof typeof RETRY_ON;

/** The conditions on a status of gRPC. */
export const GRPC_CONDITIONS: number =
  RETRY_ON.cancelled |
  RETRY_ON['deadline-exceeded'] |
  RETRY_ON['resource-exhausted'] |
  RETRY_ON.unavailable |
  RETRY_ON.internal;

/** The bits of a list of conditions; words that are none have no effect, as in Envoy, and are handed to `onUnknown`. */
export function parseRetryOn(text: string, onUnknown?: (word: string) => void): number {
  let conditions = 0;
  for (const item of text.split(',')) {
    const word = item.trim();
    if (word === '') continue;
    if (Object.hasOwn(RETRY_ON, word)) conditions |= RETRY_ON[word as RetryCondition];
    else onUnknown?.(word);
  }
  return conditions;
}
