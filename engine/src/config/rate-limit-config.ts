import type { HeaderChanges, HeaderMatchConfig, QueryParameterMatchConfig } from './route-config.js';

/** Source: envoy.type.v3.TokenBucket. Tokens come back steadily, not all at once. */
export interface TokenBucketConfig {
  readonly maxTokens: number;
  readonly fillPerSecond: number;
}

/**
 * Source: envoy.config.route.v3.RateLimit: what makes one descriptor of a request. If one of them finds nothing, there is none.
 */
export interface RateLimitEntryConfig {
  readonly stage: number;
  readonly actions: readonly RateLimitActionConfig[];
}

export type RateLimitActionConfig =
  | { readonly kind: 'generic-key'; readonly key: string; readonly value: string }
  | {
      readonly kind: 'request-header';
      readonly name: string;
      readonly key: string;
      /** Without the header the descriptor does without this entry. */
      readonly skipIfAbsent: boolean;
    }
  | { readonly kind: 'remote-address' }
  | { readonly kind: 'destination-cluster' }
  | {
      readonly kind: 'header-match';
      readonly key: string;
      readonly value: string;
      readonly expectMatch: boolean;
      readonly headers: readonly HeaderMatchConfig[];
    }
  | {
      readonly kind: 'query-match';
      readonly key: string;
      readonly value: string;
      readonly expectMatch: boolean;
      readonly parameters: readonly QueryParameterMatchConfig[];
    };

/** A bucket for requests of one descriptor: the entries' keys and values in their order. */
export interface LocalDescriptorConfig {
  readonly entries: readonly (readonly [key: string, value: string])[];
  readonly bucket: TokenBucketConfig;
}

/** Source: envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit. Ratios are 0..1. */
export interface LocalRateLimitConfig {
  /** Of a route or virtual host: its path in the route configuration, which tells it from others that say the same. */
  readonly place?: string;
  readonly statPrefix: string;
  readonly status: number;
  /** undefined: nothing is limited but by descriptors. */
  readonly bucket: TokenBucketConfig | undefined;
  readonly enabledRatio: number;
  readonly enforcedRatio: number;
  /** Runtime settings that stand in for them. Left out: none do. */
  readonly enabledKey?: string;
  readonly enforcedKey?: string;
  /** Of limited requests that are let through. */
  readonly requestHeaders: HeaderChanges;
  /** Of refusals. */
  readonly responseHeaders: HeaderChanges;
  readonly descriptors: readonly LocalDescriptorConfig[];
  /** In place of those of routes and virtual hosts; empty: theirs. */
  readonly rateLimits: readonly RateLimitEntryConfig[];
  readonly stage: number;
  readonly virtualHostLimits: 'override' | 'include' | 'ignore';
  readonly perConnection: boolean;
  readonly alwaysConsumeDefault: boolean;
  /** Whether answers have `x-ratelimit-…` fields. */
  readonly tellsLimits: boolean;
  readonly grpcResourceExhausted: boolean;
}

/** Source: envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit. */
export interface ConnectionRateLimitConfig {
  readonly statPrefix: string;
  readonly bucket: TokenBucketConfig;
  readonly enabled: boolean;
}
