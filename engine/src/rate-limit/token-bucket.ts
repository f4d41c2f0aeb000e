import type { TokenBucketConfig } from '../config/rate-limit-config.js';

/** What one look at a bucket gives: made once, so that no request makes it. */
export interface RateLimitVerdict {
  readonly allowed: boolean;
  /** The bucket that decided; undefined where none is asked. */
  readonly bucket: TokenBucket | undefined;
}

/**
 * Tokens that are taken one by one and come back steadily.
 *
 * Shape: its state is one number in a page of numbers: the moment since which its tokens have been coming back.
 * Source: Envoy's AtomicTokenBucketImpl.
 * Units: times are monotonic ms.
 */
export class TokenBucket {
  readonly config: TokenBucketConfig;
  readonly allowed: RateLimitVerdict = Object.freeze({ allowed: true, bucket: this });
  readonly limited: RateLimitVerdict = Object.freeze({ allowed: false, bucket: this });
  readonly #page: Float64Array;
  readonly #at: number;
  readonly #msPerToken: number;

  /** Full. `at`: its place in the page. */
  constructor(config: TokenBucketConfig, nowMs: number, page = new Float64Array(1), at = 0) {
    this.config = config;
    this.#page = page;
    this.#at = at;
    this.#msPerToken = 1000 / config.fillPerSecond;
    page[at] = nowMs - config.maxTokens * this.#msPerToken;
  }

  /** Takes a token if there is one. */
  take(nowMs: number): RateLimitVerdict {
    const tokens = this.#tokens(nowMs);
    if (tokens < 1) return this.limited;
    this.#page[this.#at] = nowMs - (tokens - 1) * this.#msPerToken;
    return this.allowed;
  }

  /** Whole ones that are left. */
  remaining(nowMs: number): number {
    return Math.floor(this.#tokens(nowMs));
  }

  /** Source: Envoy's `x-ratelimit-reset`: 0 while there are tokens, else the seconds that one takes, rounded up. */
  resetSeconds(nowMs: number): number {
    return this.#tokens(nowMs) >= 1 ? 0 : Math.ceil(this.#msPerToken / 1000);
  }

  #tokens(nowMs: number): number {
    return Math.min(this.config.maxTokens, (nowMs - (this.#page[this.#at] as number)) / this.#msPerToken);
  }
}
