import { SharedTokenBucket, TokenBucket, type ConnectionRateLimitConfig } from '@heddle/engine';
import type { Clock } from '@heddle/common';
import type { ConnectionRefusal } from '../http/refused-connection.js';
import type { SharedLimits } from '../shared/shared-limits.js';
import type { Counter, StatsStore } from '../stats/stats-store.js';
import type { ConnectionFilter } from './connection-filter.js';

const REFUSED: ConnectionRefusal = Object.freeze({
  details: 'local_ratelimit_close_over_limit',
  reason: 'more connections came than the limit of this listener allows',
  flag: 'RL',
  delayMs: 0,
});

/**
 * Closes connections for which the bucket has no token.
 *
 * Source: envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit.
 */
export class ConnectionRateLimit implements ConnectionFilter {
  readonly #bucket: TokenBucket | undefined;
  readonly #clock: Clock;
  readonly #rateLimited: Counter;

  /** `limits`: where the threads of a process limit together; undefined: there is one. */
  constructor(config: ConnectionRateLimitConfig, stats: StatsStore, clock: Clock, limits?: SharedLimits) {
    const { bucket, enabled } = config;
    const nowMs = clock.monotonicMs();
    this.#bucket = !enabled
      ? undefined
      : limits === undefined
        ? new TokenBucket(bucket, nowMs)
        : new SharedTokenBucket(bucket, nowMs, limits.bucket(JSON.stringify(config)));
    this.#clock = clock;
    this.#rateLimited = stats.counter('local_rate_limit.rate_limited', [
      ['envoy_local_network_ratelimit_prefix', config.statPrefix],
    ]);
  }

  check(): ConnectionRefusal | undefined {
    if (this.#bucket === undefined || this.#bucket.take(this.#clock.monotonicMs()).allowed) return undefined;
    this.#rateLimited.inc();
    return REFUSED;
  }
}
