import type { PolicyTargetSpec, StringMatchSpec } from './shared-fields.js';

/* Kinds of our own: heddle.dev. What the schemas of `source/schema` let through: every field may be absent. */

export interface RateSpec {
  readonly limit: number;
  readonly per: string;
  readonly burst?: number;
}

export interface RateLimitSpec extends PolicyTargetSpec {
  readonly requests?: RateSpec;
  readonly connections?: RateSpec;
  readonly rules?: readonly {
    readonly name: string;
    readonly match: {
      readonly path?: StringMatchSpec;
      readonly method?: StringMatchSpec;
      readonly headers?: Readonly<Record<string, StringMatchSpec>>;
    };
    readonly requests: RateSpec;
  }[];
  readonly perConnection?: boolean;
  readonly status?: number;
  readonly responseHeaders?: boolean;
  readonly dryRun?: boolean;
}

interface CanaryVersionSpec {
  readonly host?: string;
  readonly subset?: string;
}

export interface CanarySpec {
  readonly host: string;
  readonly stable: CanaryVersionSpec;
  readonly canary: CanaryVersionSpec;
  readonly steps: readonly {
    readonly weight: number;
    readonly interval?: string;
    readonly pause?: boolean;
  }[];
  readonly interval?: string;
  readonly stepTimeout?: string;
  readonly minRequests?: number;
  readonly splitTolerance?: number;
  readonly successRate?: { readonly min?: number; readonly maxDrop?: number };
  readonly latency?: { readonly percentile?: number; readonly max?: string; readonly maxRatio?: number };
  readonly revision?: string;
}
