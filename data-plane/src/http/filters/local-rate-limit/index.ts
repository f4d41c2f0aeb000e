import type { Clock, Random } from '@heddle/common';
import type { LocalRateLimitConfig, RuntimeSettings } from '@heddle/engine';
import type { HttpFilter } from '../../filter.js';
import { LocalRateLimitFilter } from './local-rate-limit-filter.js';
import { PreparedRateLimit } from './prepared-rate-limit.js';

/** What the rate limit filters of one connection manager share. */
export interface LocalRateLimitShared {
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: RuntimeSettings;
  readonly prepared: PreparedRateLimit;
  /** Makes the configuration of a route ready, once: its buckets are its own. */
  prepare(config: LocalRateLimitConfig): PreparedRateLimit;
}

/** Source: envoy.extensions.filters.http.local_ratelimit.v3. */
export const localRateLimitFilter: HttpFilter = {
  name: 'envoy.filters.http.local_ratelimit',
  typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
  create(config, { clock, random, runtime, stats, limits }) {
    // Of routes, which come and go with their configuration.
    const ofRoutes = new WeakMap<LocalRateLimitConfig, PreparedRateLimit>();
    const make = (own: LocalRateLimitConfig): PreparedRateLimit =>
      new PreparedRateLimit(own, stats, clock.monotonicMs(), limits);
    const shared: LocalRateLimitShared = {
      clock,
      random,
      runtime,
      prepared: make(config as LocalRateLimitConfig),
      prepare(own) {
        let prepared = ofRoutes.get(own);
        if (prepared === undefined) ofRoutes.set(own, (prepared = make(own)));
        return prepared;
      },
    };
    return (handle) => new LocalRateLimitFilter(shared, handle);
  },
};
