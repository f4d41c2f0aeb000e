import type { RateLimitEntryConfig } from './rate-limit-config.js';
import type { LinearRegex } from '../route/linear-regex.js';

/** Source: envoy.config.route.v3.RouteConfiguration. */
export interface RouteConfig {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostConfig[];
  readonly requestHeaders: HeaderChanges;
  readonly responseHeaders: HeaderChanges;
  readonly mostSpecificHeaderMutationsWins: boolean;
  readonly ignorePortInHostMatching: boolean;
  /** Paths are matched up to their first `;`. */
  readonly ignorePathParametersInPathMatching?: boolean;
  readonly internalOnlyHeaders: readonly string[];
  readonly perFilterConfig: PerFilterConfig;
  /** Further virtual hosts are fetched (VHDS). Left out: they are not. */
  readonly fetchesVirtualHosts?: { readonly initialFetchTimeoutMs: number };
}

/** Overrides of HTTP filters by filter name. */
export type PerFilterConfig = ReadonlyMap<string, unknown>;

/** Source: envoy.config.route.v3.VirtualHost. */
export interface VirtualHostConfig {
  readonly name: string;
  readonly domains: readonly string[];
  readonly routes: readonly RouteEntryConfig[];
  readonly requestHeaders: HeaderChanges;
  readonly responseHeaders: HeaderChanges;
  /** What of requests rate limits look at, of routes that say nothing of their own. */
  readonly rateLimits: readonly RateLimitEntryConfig[];
  readonly requireTls: 'none' | 'external-only' | 'all';
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly includeIsTimeoutRetryHeader: boolean;
  readonly perFilterConfig: PerFilterConfig;
}

/** Source: envoy.config.route.v3.Route. */
export interface RouteEntryConfig {
  readonly name: string;
  readonly match: RouteMatchConfig;
  readonly action: ForwardAction | RedirectAction | DirectResponseAction | NonForwardingAction;
  readonly requestHeaders: HeaderChanges;
  readonly responseHeaders: HeaderChanges;
  readonly perFilterConfig: PerFilterConfig;
  readonly decoratorOperation: string;
  /** Everything that the virtual host and table add, merged in Envoy's order when the table is built. */
  readonly effectiveRequestHeaders: readonly HeaderChanges[];
  readonly effectiveResponseHeaders: readonly HeaderChanges[];
}

/** Source: envoy.config.route.v3.RouteMatch. */
export interface RouteMatchConfig {
  readonly path:
    | { readonly kind: 'prefix'; readonly value: string }
    | { readonly kind: 'path-separated-prefix'; readonly value: string }
    | { readonly kind: 'exact'; readonly value: string }
    | { readonly kind: 'regex'; readonly regex: LinearRegex }
    | { readonly kind: 'connect' };
  readonly caseSensitive: boolean;
  readonly headers: readonly HeaderMatchConfig[];
  readonly queryParameters: readonly QueryParameterMatchConfig[];
  /** Share of requests that match, 0..1; 1 when unset. */
  readonly runtimeFraction: number;
  /** The runtime setting that stands in for it. Left out: none does. */
  readonly runtimeKey?: string;
  readonly grpcOnly: boolean;
}

/** Source: envoy.type.matcher.v3.StringMatcher. */
export type StringMatchConfig =
  | {
      readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains';
      readonly value: string;
      readonly ignoreCase: boolean;
    }
  | { readonly kind: 'regex'; readonly regex: LinearRegex };

/** Source: envoy.config.route.v3.HeaderMatcher. Names are lower case; `:method`, `:path`, `:authority`, `:scheme` are known. */
export interface HeaderMatchConfig {
  readonly name: string;
  readonly match:
    | { readonly kind: 'string'; readonly matcher: StringMatchConfig }
    | { readonly kind: 'present'; readonly present: boolean }
    | { readonly kind: 'range'; readonly start: number; readonly end: number };
  readonly invert: boolean;
  readonly treatMissingAsEmpty: boolean;
}

/** Source: envoy.config.route.v3.QueryParameterMatcher. */
export interface QueryParameterMatchConfig {
  readonly name: string;
  readonly match:
    { readonly kind: 'string'; readonly matcher: StringMatchConfig } | { readonly kind: 'present' };
}

/** Source: envoy.config.core.v3.HeaderValueOption; removals run before additions as in Envoy. */
export interface HeaderChanges {
  readonly remove: readonly string[];
  readonly set: readonly HeaderChange[];
}

export interface HeaderChange {
  readonly name: string;
  /** As written, for `preserveHeaderCase`. */
  readonly rawName: string;
  /** Literal text, or parts with command operators (`%REQ(x)%`), split when the config was translated. */
  readonly value: string;
  readonly hasOperators: boolean;
  readonly action:
    'append-if-exists-or-add' | 'add-if-absent' | 'overwrite-if-exists-or-add' | 'overwrite-if-exists';
  readonly keepEmptyValue: boolean;
}

/** Source: envoy.config.route.v3.RouteAction. Times in ms; 0 disables. */
export interface ForwardAction {
  readonly kind: 'forward';
  readonly target: RouteTarget;
  readonly clusterNotFoundStatus: number;
  readonly prefixRewrite: string;
  readonly regexRewrite: { readonly regex: LinearRegex; readonly substitution: string } | undefined;
  readonly hostRewrite:
    | { readonly kind: 'none' }
    | { readonly kind: 'literal'; readonly value: string }
    | { readonly kind: 'auto' }
    | { readonly kind: 'header'; readonly name: string }
    | { readonly kind: 'path-regex'; readonly regex: LinearRegex; readonly substitution: string };
  readonly appendXForwardedHost: boolean;
  readonly timeoutMs: number;
  /** undefined: the connection manager's stream idle timeout applies. */
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDurationMs: number | undefined;
  readonly grpcTimeout: GrpcTimeoutConfig | undefined;
  readonly priority: 'default' | 'high';
  readonly upgradeTypes: readonly UpgradeConfig[];
  readonly retry: RetryConfig | undefined;
  /** What hashing policies of load balancing choose a host by. */
  readonly hashPolicies: readonly HashPolicyConfig[];
  readonly rateLimits: readonly RateLimitEntryConfig[];
  /** How much of a request is kept for another attempt; the smaller of this and the listener's bound holds. */
  readonly retryBufferLimitBytes: number;
}

/** Source: envoy.config.route.v3.RouteAction.UpgradeConfig. */
export interface UpgradeConfig {
  /** Lower case. */
  readonly type: string;
  readonly enabled: boolean;
  /** A tunnel by CONNECT ends here, and its bytes go on by a TCP connection of their own. */
  readonly terminates: boolean;
}

/** Source: envoy.config.route.v3.RetryPolicy. */
export interface RetryConfig {
  /** Bits of `RETRY_ON`; 0 retries nothing. */
  readonly conditions: number;
  /** Attempts beyond the first. */
  readonly numRetries: number;
  /** 0: none. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly retriableStatusCodes: readonly number[];
  /** Any of them in a response. */
  readonly retriableHeaders: readonly HeaderMatchConfig[];
  /** Only requests that match one of them are retried; empty: all. */
  readonly retriableRequestHeaders: readonly HeaderMatchConfig[];
  readonly backOffBaseMs: number;
  readonly backOffMaxMs: number;
  /** Headers of a response that say when to come back, up to a bound. */
  readonly rateLimitedBackOff:
    { readonly resetHeaders: readonly ResetHeaderConfig[]; readonly maxMs: number } | undefined;
  /** How often another host is drawn while the drawn one was tried before. */
  readonly hostSelectionRetryMaxAttempts: number;
  readonly avoidPreviousHosts: boolean;
}

/** Source: envoy.config.route.v3.RetryPolicy.ResetHeader. */
export interface ResetHeaderConfig {
  /** Lower case. */
  readonly name: string;
  readonly format: 'seconds' | 'unix-timestamp';
}

/** What a route makes of the deadlines that calls by gRPC bring. Units: ms. */
export interface GrpcTimeoutConfig {
  /** They are in the place of the route's timeout, or of the duration of the stream. */
  readonly of: 'request' | 'stream';
  /** 0: as they ask. */
  readonly mostMs: number;
  /** So much less is waited. */
  readonly offsetMs: number;
}

/** Source: envoy.config.route.v3.RouteAction.HashPolicy. `terminal`: with a hash so far, the rest is not looked at. */
export type HashPolicyConfig =
  | {
      readonly kind: 'header';
      readonly name: string;
      readonly regexRewrite: { readonly regex: LinearRegex; readonly substitution: string } | undefined;
      readonly terminal: boolean;
    }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      /** A cookie that is missing is given out for so long, 0: until the client forgets it; undefined: it is not. */
      readonly ttlMs: number | undefined;
      readonly path: string;
      readonly attributes: readonly (readonly [name: string, value: string])[];
      readonly terminal: boolean;
    }
  | { readonly kind: 'source-ip'; readonly terminal: boolean }
  | { readonly kind: 'query'; readonly name: string; readonly terminal: boolean };

export type RouteTarget =
  | { readonly kind: 'cluster'; readonly name: string }
  | { readonly kind: 'cluster-header'; readonly header: string }
  | {
      readonly kind: 'weighted';
      readonly clusters: readonly WeightedClusterConfig[];
      readonly totalWeight: number;
      /** A request header that holds the random value, or empty. */
      readonly randomValueHeader: string;
    };

export interface WeightedClusterConfig {
  readonly name: string;
  readonly weight: number;
  readonly requestHeaders: HeaderChanges;
  readonly responseHeaders: HeaderChanges;
  readonly hostRewriteLiteral: string;
  readonly perFilterConfig: PerFilterConfig;
}

/** Source: envoy.config.route.v3.RedirectAction. */
export interface RedirectAction {
  readonly kind: 'redirect';
  readonly httpsRedirect: boolean;
  readonly schemeRedirect: string;
  readonly hostRedirect: string;
  readonly portRedirect: number;
  readonly pathRedirect: string;
  readonly prefixRewrite: string;
  readonly regexRewrite: { readonly regex: LinearRegex; readonly substitution: string } | undefined;
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly stripQuery: boolean;
}

/** Source: envoy.config.route.v3.DirectResponseAction. */
export interface DirectResponseAction {
  readonly kind: 'direct-response';
  readonly status: number;
  readonly body: string;
}

/** Matches, and tells the terminal filter that it must not forward (inbound non-forwarding action). */
export interface NonForwardingAction {
  readonly kind: 'non-forwarding';
}
