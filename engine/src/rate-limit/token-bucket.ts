import type { TokenBucketConfig } from '../config/rate-limit-config.js';

/** What one look at a bucket gives: made once, so that no request makes it. */
export interface RateLimitVerdict {
  readonly allowed: boolean;
  /** The bucket that decided; undefined where none is asked. */
  readonly bucket: TokenBucket | undefined;
}

/** Where a bucket that several threads take from keeps its state. One of them looks at a time. */
export interface SharedBucketState {
  readonly page: Float64Array;
  /** Of the state; the number after it is 0 before the first of them has taken. */
  readonly at: number;
  lock(): void;
  unlock(): void;
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

  /** Full, unless whoever takes first fills it. `at`: its place in the page. */
  constructor(
    config: TokenBucketConfig,
    nowMs: number,
    page: Float64Array = new Float64Array(1),
    at = 0,
    isFull = true,
  ) {
    this.config = config;
    this.#page = page;
    this.#at = at;
    this.#msPerToken = 1000 / config.fillPerSecond;
    if (isFull) this.fill(nowMs);
  }

  /** Takes a token if there is one. */
  take(nowMs: number): RateLimitVerdict {
    const tokens = this.#tokens(nowMs);
    if (tokens < 1) return this.limited;
    this.#page[this.#at] = nowMs - (tokens - 1) * this.#msPerToken;
    return this.allowed;
  }

  protected fill(nowMs: number): void {
    this.#page[this.#at] = nowMs - this.config.maxTokens * this.#msPerToken;
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

/**
 * A bucket from which several threads take. Units: monotonic ms that are the same in all of them.
 *
 * Cost: a lock that is held for some nanoseconds.
 */
export class SharedTokenBucket extends TokenBucket {
  readonly #state: SharedBucketState;

  constructor(config: TokenBucketConfig, nowMs: number, state: SharedBucketState) {
    super(config, nowMs, state.page, state.at, false);
    this.#state = state;
  }

  override take(nowMs: number): RateLimitVerdict {
    const state = this.#state;
    state.lock();
    try {
      if (state.page[state.at + 1] === 0) {
        this.fill(nowMs);
        state.page[state.at + 1] = 1;
      }
      return super.take(nowMs);
    } finally {
      state.unlock();
    }
  }
}
