import type { ForwardAction, GrpcTimeoutConfig } from '../config/route-config.js';
import { parseGrpcTimeout } from '../http/grpc-timeout.js';
import { isGrpcContentType } from '../http/local-reply.js';
import type { HeaderMap } from '../http/header-map.js';
import type { RequestHead } from '../http/message-head.js';

/** What decides how long a request may take, beside its route. */
interface TimedRequest {
  readonly trustsEnvoyHeaders: boolean;
}

/** Whether the timeout of a request is the deadline of a call by gRPC: of one that has become that by a filter as well. */
export function isTimedByGrpc({ grpcTimeout }: ForwardAction, { headers }: RequestHead): boolean {
  return grpcTimeout?.of === 'request' && isGrpcContentType(headers.get('content-type'));
}

/**
 * How long a request may take, in ms; 0: without a bound. What a trusted client wrote of it is taken out of its fields.
 *
 * Source: Envoy's FilterUtility::finalTimeout.
 */
export function requestTimeoutMs(
  action: ForwardAction,
  head: RequestHead,
  { trustsEnvoyHeaders }: TimedRequest,
  respectsExpected: boolean,
): number {
  const { headers } = head;
  const { grpcTimeout } = action;
  const routeMs =
    grpcTimeout !== undefined && isTimedByGrpc(action, head)
      ? grpcDeadline(grpcTimeout, headers)
      : action.timeoutMs;
  if (!trustsEnvoyHeaders) return routeMs;
  // What the proxy before this one waits for counts more than what its client had asked for.
  const expected = respectsExpected ? headers.get('x-envoy-expected-rq-timeout-ms') : undefined;
  return msOf(expected ?? take(headers, 'x-envoy-upstream-rq-timeout-ms')) ?? routeMs;
}

/** How long one attempt may take, in ms; 0: as long as the request. Source and fields as of `requestTimeoutMs`. */
export function perTryTimeoutMs(
  { retry }: ForwardAction,
  { headers }: RequestHead,
  { trustsEnvoyHeaders }: TimedRequest,
  timeoutMs: number,
): number {
  const routeMs = retry === undefined ? 0 : retry.perTryTimeoutMs;
  const perTryMs = trustsEnvoyHeaders
    ? (msOf(take(headers, 'x-envoy-upstream-rq-per-try-timeout-ms')) ?? routeMs)
    : routeMs;
  return timeoutMs > 0 && perTryMs >= timeoutMs ? 0 : perTryMs;
}

/** The timeout of a call by gRPC: its own deadline as far as the route allows it. 0: none. */
function grpcDeadline({ mostMs, offsetMs }: GrpcTimeoutConfig, headers: HeaderMap): number {
  const askedMs = parseGrpcTimeout(headers.get('grpc-timeout')) ?? 0;
  const deadlineMs = offsetMs < askedMs ? askedMs - offsetMs : askedMs;
  return mostMs > 0 && (deadlineMs === 0 || deadlineMs > mostMs) ? mostMs : deadlineMs;
}

function take(headers: HeaderMap, name: string): string | undefined {
  const text = headers.get(name);
  if (text !== undefined) headers.remove(name);
  return text;
}

function msOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
