import type { HeaderMap } from './header-map.js';
import type { RequestHead, ResponseHead } from './message-head.js';
import type { TlsInfo } from './tls-info.js';

/**
 * Everything that is known about one request or TCP connection, for access logs, `%OPERATORS%` in headers, and `explain`.
 *
 * Source: envoy `StreamInfo`; flags are Envoy's short strings, `codeDetails` Envoy's response code details.
 * Units: times are ms; `startTimeMs` is wall-clock, the others are monotonic durations since the start, undefined when not reached.
 */
export interface StreamInfo {
  readonly startTimeMs: number;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | undefined;
  readonly request: RequestHead | undefined;
  readonly response: ResponseHead | undefined;
  readonly responseTrailers: HeaderMap | undefined;
  /** The path before any rewrite; undefined when it was not rewritten. */
  readonly originalPath: string | undefined;
  /** 0 when no response was sent. */
  readonly responseCode: number;
  readonly responseFlags: readonly ResponseFlag[];
  readonly codeDetails: string;
  /** Why the proxy ended a connection, in Envoy's words; empty when it did not. */
  readonly connectionTerminationDetails: string;
  /** Why, in plain English; empty when nothing went wrong. */
  readonly reason: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly upstreamBytesReceived: number;
  readonly upstreamBytesSent: number;
  /** Until the stream ended, or until now while it runs. */
  readonly durationMs: number;
  readonly requestDurationMs: number | undefined;
  readonly responseDurationMs: number | undefined;
  readonly upstreamServiceTimeMs: number | undefined;
  readonly attemptCount: number;
  readonly routeName: string;
  readonly virtualHostName: string;
  readonly clusterName: string;
  /** `host:port`, empty when none was chosen. */
  readonly upstreamHost: string;
  readonly upstreamLocalAddress: string;
  readonly upstreamTransportFailureReason: string;
  /** Why TLS with the client failed; left out when it did not. */
  readonly downstreamTransportFailureReason?: string;
  readonly downstreamRemoteAddress: string;
  readonly downstreamDirectRemoteAddress: string;
  readonly downstreamLocalAddress: string;
  readonly requestedServerName: string;
  readonly connectionId: number;
  readonly requestId: string;
  readonly upstreamProtocol: string;
  /** undefined when the client spoke plain text. */
  readonly downstreamTls: TlsInfo | undefined;
  /** undefined when there is no upstream connection, or it is plain text. */
  readonly upstreamTls: TlsInfo | undefined;
  /** What filters found out, by their namespace, e.g. `envoy.filters.http.jwt_authn`. undefined while there is nothing. */
  readonly dynamicMetadata: ReadonlyMap<string, DynamicMetadata> | undefined;
  /** What is known under the keys of Envoy's filter state; left out while there is nothing. */
  readonly filterState?: FilterState | undefined;
}

/** Source: Envoy's filter state, of which only texts are known here. */
export type FilterState = ReadonlyMap<string, FilterStateObject>;

export interface FilterStateObject {
  readonly value: string;
  /** Whether connections that are made for its owner know it too, and those that are made for these. */
  readonly shared: 'none' | 'once' | 'transitive';
}

/** Who proved to be at the other end of the tunnel by which a connection came. Source: Istio. */
export const PEER_PRINCIPAL_KEY = 'io.istio.peer_principal';
export const LOCAL_PRINCIPAL_KEY = 'io.istio.local_principal';

/** JSON that a filter left for later filters, policies and logs. Source: envoy dynamic metadata. */
export type DynamicMetadata = Readonly<Record<string, unknown>>;

/** Envoy's response flags in their short form. Source: Envoy's access log documentation, `%RESPONSE_FLAGS%`. */
export const RESPONSE_FLAGS = [
  'LH', // failed local health check
  'UH', // no healthy upstream
  'UT', // upstream request time-out
  'LR', // local reset
  'UR', // upstream remote reset
  'UF', // upstream connection failure
  'UC', // upstream connection termination
  'UO', // upstream overflow: a circuit breaker is open
  'NR', // no route found
  'DI', // delay injected
  'FI', // fault injected
  'RL', // rate limited
  'UAEX', // unauthorised by external service
  'RLSE', // rate limit service error
  'DC', // downstream connection termination
  'URX', // upstream retry limit exceeded
  'SI', // stream idle time-out
  'IH', // invalid value for a checked Envoy header
  'DPE', // downstream protocol error
  'UMSDR', // upstream max stream duration reached
  'RFCF', // response from cache
  'NFCF', // no filter config found
  'DT', // duration time-out
  'UPE', // upstream protocol error
  'NC', // no cluster found
  'OM', // overload manager
  'DF', // DNS resolution failed
  'DO', // dropped by overload of the endpoints' policy
] as const;

/** One of `RESPONSE_FLAGS`. */
export type ResponseFlag = (typeof RESPONSE_FLAGS)[number];
