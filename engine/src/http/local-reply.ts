import type { RbacDecision } from '../rbac/decide.js';
import type { AttemptFailure } from '../retry/would-retry.js';
import type { ResponseFlag } from './stream-info.js';

/**
 * An answer that the proxy makes itself, as a value: why a request was not served.
 *
 * Shape: `details` is Envoy's response code detail, `body` what the client reads (Envoy's texts), `reason` plain English for the
 * access log alone.
 */
export interface LocalReply {
  readonly status: number;
  readonly flag: ResponseFlag | undefined;
  readonly details: string;
  readonly reason: string;
  readonly body: string;
  /** What a request of gRPC is answered; left out: what fits `status`. */
  readonly grpcStatus?: number;
  /** Fields beside those that every local reply has. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const NO_HEADERS: LocalReply['headers'] = Object.freeze([]);
const GRPC_DEADLINE_EXCEEDED = 4;

function reply(
  status: number,
  flag: ResponseFlag | undefined,
  details: string,
  body: string,
  reason: string,
  headers: LocalReply['headers'] = NO_HEADERS,
  grpcStatus?: number,
): LocalReply {
  const made = { status, flag, details, reason, body, headers };
  return Object.freeze(grpcStatus === undefined ? made : { ...made, grpcStatus });
}

/** Every cause that needs no further facts. The one place where a cause meets its status, flag and texts. */
export const LOCAL_REPLY = Object.freeze({
  routeNotFound: reply(404, 'NR', 'route_not_found', '', 'no route matches this host and path'),
  /** As in Envoy, without details. */
  noFilterConfig: reply(
    500,
    'NFCF',
    '',
    '',
    'the configuration of an HTTP filter did not come from the control plane',
  ),
  noHealthyUpstream: reply(
    503,
    'UH',
    'no_healthy_upstream',
    'no healthy upstream',
    'the cluster has no endpoint that may be used',
  ),
  responseTimeout: reply(
    504,
    'UT',
    'response_timeout',
    'upstream request timeout',
    'the upstream did not answer within the timeout of the route',
  ),
  perTryTimeout: reply(
    504,
    'UT',
    'upstream_per_try_timeout',
    'upstream request timeout',
    'the upstream did not answer within the timeout of one attempt',
  ),
  perTryIdleTimeout: reply(
    504,
    'UT',
    'upstream_per_try_idle_timeout',
    'upstream request timeout',
    'the upstream sent nothing for the idle timeout of one attempt',
  ),
  retryBufferExceeded: reply(
    507,
    undefined,
    'request_payload_exceeded_retry_buffer_limit',
    'exceeded request buffer limit while retrying upstream',
    'the request grew larger than what is kept for another attempt, while it waited for one',
  ),
  upstreamMaxDuration: reply(
    504,
    'UMSDR',
    'upstream_max_stream_duration_reached',
    'upstream max stream duration reached',
    'the request ran longer than the maximum duration of a stream to the upstream',
  ),
  /** The texts of Envoy's filter, whatever is wrong. */
  notBase64: reply(
    400,
    undefined,
    'grpc_base_64_decode_failed',
    'Bad gRPC-web request, invalid base64 data.',
    'the body of a request by gRPC-Web is not the base64 that it is said to be',
  ),
  cutOffBase64: reply(
    400,
    undefined,
    'grpc_base_64_decode_failed_bad_size',
    'Bad gRPC-web request, invalid base64 data.',
    'the base64 of a request by gRPC-Web ends within a group of four characters',
  ),
  idleBeforeRequestEnd: reply(
    408,
    'SI',
    'stream_idle_timeout',
    'stream timeout',
    'the client sent nothing for the idle timeout of a stream',
  ),
  idleAfterRequestEnd: reply(
    504,
    'SI',
    'stream_idle_timeout',
    'stream timeout',
    'the upstream sent nothing for the idle timeout of a stream',
  ),
  requestTimeout: reply(
    408,
    undefined,
    'request_overall_timeout',
    'request timeout',
    'the client did not send the whole request within the request timeout',
  ),
  maxDurationBeforeRequestEnd: reply(
    408,
    undefined,
    'max_duration_timeout',
    'downstream duration timeout',
    'the request ran longer than the maximum duration of a stream',
    NO_HEADERS,
    GRPC_DEADLINE_EXCEEDED,
  ),
  maxDurationAfterRequestEnd: reply(
    504,
    undefined,
    'max_duration_timeout',
    'downstream duration timeout',
    'the request ran longer than the maximum duration of a stream',
    NO_HEADERS,
    GRPC_DEADLINE_EXCEEDED,
  ),
  requestTooLarge: reply(
    413,
    undefined,
    'request_payload_too_large',
    'Payload Too Large',
    'a filter has to hold the whole request, and it is larger than the buffer limit',
  ),
  responseTooLarge: reply(
    500,
    undefined,
    'response_payload_too_large',
    'Internal Server Error',
    'a filter has to hold the whole response, and it is larger than the buffer limit',
  ),
  overloaded: reply(
    503,
    'OM',
    'overload',
    'envoy overloaded',
    'this proxy is short of memory, or of what else its overload manager watches, and takes no requests',
  ),
  upgradeRefused: reply(403, undefined, 'upgrade_failed', '', 'this protocol upgrade is not allowed here'),
  missingHost: reply(400, undefined, 'missing_host_header', '', 'the request names no host'),
  invalidPath: reply(
    400,
    undefined,
    'path_normalization_failed',
    '',
    'the path cannot be brought to its normal form',
  ),
  relativePath: reply(404, undefined, 'absolute_path_rejected', '', 'the path does not begin with a slash'),
  headerWithUnderscore: reply(
    400,
    undefined,
    'unexpected_underscore',
    '',
    'a header name with an underscore is refused here',
  ),
});

/** The route names a cluster that is not known. */
export function clusterNotFound(status: number, cluster: string): LocalReply {
  const reason =
    cluster === ''
      ? 'the header that should name the cluster is absent'
      : `the route names the cluster "${cluster}", which is not known`;
  return { status, flag: 'NC', details: 'cluster_not_found', reason, body: '', headers: NO_HEADERS };
}

const DROPPED = reply(
  503,
  'DO',
  'drop_overload',
  'drop overload',
  'the endpoints of the cluster ask for a share of requests to be dropped',
  [['x-envoy-drop-overload', 'true']],
);

/** The policy of the endpoints has this request dropped. */
export function dropOverload(): LocalReply {
  return DROPPED;
}

/** A configured answer. */
export function directResponse(status: number, body: string): LocalReply {
  return { status, flag: undefined, details: 'direct_response', reason: '', body, headers: NO_HEADERS };
}

/** A configured redirect. */
export function redirect(status: number, location: string): LocalReply {
  return {
    status,
    flag: undefined,
    details: 'direct_response',
    reason: '',
    body: '',
    headers: [['location', location]],
  };
}

/** A fault that was asked for. A gRPC status is sent as it is, whatever the request was. */
export function faultAbort(abort: { readonly kind: 'http' | 'grpc'; readonly status: number }): LocalReply {
  return {
    status: abort.kind === 'http' ? abort.status : 200,
    flag: 'FI',
    details: 'fault_filter_abort',
    reason: 'a fault was injected on purpose',
    body: 'fault filter abort',
    headers: NO_HEADERS,
    ...(abort.kind === 'grpc' ? { grpcStatus: abort.status } : {}),
  };
}

/** A limit of this proxy's own refuses the request; `grpcStatus` undefined: as it fits the status. */
export function localRateLimited(status: number, grpcStatus: number | undefined): LocalReply {
  return Object.freeze({
    status,
    flag: 'RL',
    details: 'local_rate_limited',
    reason: 'more requests came than the rate limit of this workload or route allows',
    body: 'local_rate_limited',
    headers: NO_HEADERS,
    ...(grpcStatus === undefined ? {} : { grpcStatus }),
  });
}

/** Policies refuse the request. White space in a policy's name would break logs whose fields it separates. */
export function rbacDenied(decision: RbacDecision): LocalReply {
  return reply(403, undefined, rbacDetails(decision), 'RBAC: access denied', decision.reason);
}

/** How Envoy names a refusal by policies. */
export function rbacDetails({ policyName }: RbacDecision): string {
  const name = policyName === '' ? 'none' : policyName.replace(/\s/g, '_');
  return `rbac_access_denied_matched_policy[${name}]`;
}

const OVERLOADED: LocalReply['headers'] = Object.freeze([
  Object.freeze(['x-envoy-overloaded', 'true'] as const),
]);

/** How Envoy names the end of an upstream stream, and the flag it sets. */
interface ResetWords {
  readonly text: string;
  readonly flag: ResponseFlag;
  readonly reason: string;
}

const RESET_WORDS: Readonly<Record<AttemptFailure, ResetWords>> = Object.freeze({
  'connection-termination': {
    text: 'connection termination',
    flag: 'UC',
    reason: 'the upstream closed the connection',
  },
  'connection-failure': {
    text: 'remote connection failure',
    flag: 'UF',
    reason: 'no connection to the upstream could be made',
  },
  'connect-timeout': {
    text: 'connection timeout',
    flag: 'UF',
    reason: 'no connection to the upstream could be made within the connect timeout',
  },
  'remote-reset': { text: 'remote reset', flag: 'UR', reason: 'the upstream reset the stream' },
  'remote-refused': {
    text: 'remote refused stream reset',
    flag: 'UR',
    reason: 'the upstream refused the stream before processing it',
  },
  'local-reset': { text: 'local reset', flag: 'LR', reason: 'the proxy reset the stream to the upstream' },
  'protocol-error': {
    text: 'protocol error',
    flag: 'UPE',
    reason: 'the answer of the upstream breaks the protocol',
  },
  overflow: { text: 'overflow', flag: 'UO', reason: 'a limit of the cluster (circuit breaker) is reached' },
});

/** The words of the system's errors, which Envoy reports. */
const SYSTEM_ERRORS: Readonly<Record<string, string>> = Object.freeze({
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  ETIMEDOUT: 'Connection timed out',
  EADDRNOTAVAIL: 'Cannot assign requested address',
});

const TLS_ERROR = /TLS_error:.*$/;
const CONNECT_ERROR = /^connect (E[A-Z]+)\b/;

/**
 * Why a connection could not be made, in Envoy's words where it has them.
 *
 * A server of TLS 1.3 tells that it refuses our certificate only after the connection is made, and so with its end.
 */
export function transportFailureText(reason: AttemptFailure, details: string): string {
  if (reason === 'connection-termination') return TLS_ERROR.exec(details)?.[0] ?? '';
  if (reason !== 'connection-failure') return '';
  const words = SYSTEM_ERRORS[CONNECT_ERROR.exec(details)?.[1] ?? ''];
  return words === undefined ? details : `delayed connect error: ${words}`;
}

/**
 * The upstream went away, or was never reached, before it answered. `transportFailure` says more for the log; the client does not
 * learn of it. `retried`: there were attempts before this one.
 */
export function upstreamReset(
  reason: AttemptFailure,
  transportFailure: string,
  retried: boolean,
  afterInterim: boolean,
): LocalReply {
  const words = RESET_WORDS[reason];
  const detail = transportFailure === '' ? words.text : `${words.text}|${transportFailure}`;
  return {
    status: reason === 'protocol-error' ? 502 : 503,
    flag: words.flag,
    details: `upstream_reset_${afterInterim ? 'after' : 'before'}_response_started{${detail.replaceAll(' ', '_')}}`,
    reason: transportFailure === '' ? words.reason : `${words.reason}: ${transportFailure}`,
    body: `upstream connect error or disconnect/reset before headers. ${retried ? 'retried and the latest ' : ''}reset reason: ${words.text}`,
    headers: reason === 'overflow' ? OVERLOADED : NO_HEADERS,
  };
}

/** What is recorded when the upstream breaks off after its answer began: nothing more can be sent, so there is no reply. */
export function upstreamResetAfterStart(
  reason: AttemptFailure,
): Pick<LocalReply, 'flag' | 'details' | 'reason'> {
  const words = RESET_WORDS[reason];
  return {
    flag: words.flag,
    details: `upstream_reset_after_response_started{${words.text.replaceAll(' ', '_')}}`,
    reason: `${words.reason} in the middle of its answer`,
  };
}

/**
 * The gRPC status that stands for an HTTP status.
 *
 * Source: gRPC, "HTTP to gRPC Status Code Mapping".
 */
export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return 13; // INTERNAL
    case 401:
      return 16; // UNAUTHENTICATED
    case 403:
      return 7; // PERMISSION_DENIED
    case 404:
      return 12; // UNIMPLEMENTED
    case 429:
    case 502:
    case 503:
    case 504:
      return 14; // UNAVAILABLE
    default:
      return 2; // UNKNOWN
  }
}

/** In the order of gRPC's codes, from OK to UNAUTHENTICATED. */
const HTTP_OF_GRPC: readonly number[] = Object.freeze([
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
]);

/** The HTTP status that stands for a `grpc-status`. Source: Envoy's Grpc::Utility::grpcToHttpStatus. */
export function httpStatusOfGrpc(grpcStatus: string): number {
  return HTTP_OF_GRPC[Number(grpcStatus)] ?? 500;
}

/** Whether a request is gRPC and so must be answered with a gRPC status. */
export function isGrpcContentType(contentType: string | undefined): boolean {
  if (contentType === undefined || !contentType.startsWith('application/grpc')) return false;
  const next = contentType.charCodeAt(16);
  // The end, `+proto` or `;charset`, but not `application/grpc-web`.
  return Number.isNaN(next) || next === 0x2b || next === 0x3b;
}

const BYTES_TO_ESCAPE = /[^\x20-\x24\x26-\x7d]/g;

/** `grpc-message` with every byte escaped that Envoy escapes: what is not printable ASCII, `%` and `~`. Text is UTF-8. */
export function encodeGrpcMessage(message: string | Buffer): string {
  const bytes = typeof message === 'string' ? Buffer.from(message) : message;
  return bytes
    .toString('latin1')
    .replace(BYTES_TO_ESCAPE, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
