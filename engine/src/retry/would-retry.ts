import type { RetryConfig } from '../config/route-config.js';
import type { ResponseHead } from '../http/message-head.js';
import { responseHeaderMatches } from '../route/header-match.js';
import { GRPC_CONDITIONS, RETRY_ON } from './retry-condition.js';

/** Why an attempt ended without a response. The words are those of the data plane's streams and pools. */
export type AttemptFailure =
  | 'connection-termination'
  | 'connection-failure'
  | 'connect-timeout'
  | 'remote-reset'
  | 'remote-refused'
  | 'local-reset'
  | 'protocol-error'
  | 'overflow';

/**
 * Whether a response asks for another attempt.
 *
 * Source: Envoy's RetryStateImpl::wouldRetryFromHeaders; a response that a rate limiter made is retried on `envoy-ratelimited`
 * alone.
 */
export function wouldRetryResponse(policy: RetryConfig, head: ResponseHead): boolean {
  const { conditions } = policy;
  const { status, headers } = head;
  if (headers.has('x-envoy-ratelimited')) return (conditions & RETRY_ON['envoy-ratelimited']) !== 0;
  if ((conditions & RETRY_ON['5xx']) !== 0 && status >= 500 && status < 600) return true;
  if ((conditions & RETRY_ON['gateway-error']) !== 0 && status >= 502 && status <= 504) return true;
  if ((conditions & RETRY_ON['retriable-4xx']) !== 0 && status === 409) return true;
  if (
    (conditions & RETRY_ON['retriable-status-codes']) !== 0 &&
    // 425 asks for a request that is not sent as early data, which none of ours is.
    status !== 425 &&
    policy.retriableStatusCodes.includes(status)
  ) {
    return true;
  }
  if ((conditions & RETRY_ON['retriable-headers']) !== 0) {
    for (const matcher of policy.retriableHeaders) if (responseHeaderMatches(matcher, head)) return true;
  }
  if ((conditions & GRPC_CONDITIONS) === 0) return false;
  const grpcStatus = headers.get('grpc-status');
  return grpcStatus !== undefined && (conditions & (GRPC_BITS[grpcStatus] ?? 0)) !== 0;
}

/** Source: gRPC's status codes. */
const GRPC_BITS: Readonly<Record<string, number>> = Object.freeze({
  '1': RETRY_ON.cancelled,
  '4': RETRY_ON['deadline-exceeded'],
  '8': RETRY_ON['resource-exhausted'],
  '13': RETRY_ON.internal,
  '14': RETRY_ON.unavailable,
});

/**
 * Whether an attempt that ended so asks for another one. `requestStarted`: something of the request was handed to some upstream.
 *
 * Source: Envoy's RetryStateImpl::wouldRetryFromReset. A limit of ours that was hit is never a reason.
 */
export function wouldRetryFailure(
  conditions: number,
  failure: AttemptFailure,
  requestStarted: boolean,
): boolean {
  if (failure === 'overflow') return false;
  if ((conditions & (RETRY_ON.reset | RETRY_ON['5xx'] | RETRY_ON['gateway-error'])) !== 0) return true;
  if ((conditions & RETRY_ON['reset-before-request']) !== 0 && !requestStarted) return true;
  if (failure === 'remote-refused') return (conditions & RETRY_ON['refused-stream']) !== 0;
  if (failure === 'connection-failure' || failure === 'connect-timeout') {
    return (conditions & RETRY_ON['connect-failure']) !== 0;
  }
  return false;
}
