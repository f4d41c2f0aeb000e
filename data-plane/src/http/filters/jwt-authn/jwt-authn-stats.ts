import type { Counter, StatsStore, Tags } from '../../../stats/stats-store.js';

/** Source: Envoy's `http.<stat_prefix>.jwt_authn.*`; the last two are ours. */
export interface JwtAuthnStats {
  readonly allowed: Counter;
  readonly denied: Counter;
  readonly corsPreflightBypassed: Counter;
  readonly cacheHit: Counter;
  readonly cacheMiss: Counter;
  readonly cacheEvicted: Counter;
  /** A file that should hold keys could not be read, or holds none. */
  readonly keyFileFailed: Counter;
}

export function createJwtAuthnStats(stats: StatsStore, tags: Tags): JwtAuthnStats {
  return {
    allowed: stats.counter('http.jwt_authn.allowed', tags),
    denied: stats.counter('http.jwt_authn.denied', tags),
    corsPreflightBypassed: stats.counter('http.jwt_authn.cors_preflight_bypassed', tags),
    cacheHit: stats.counter('http.jwt_authn.jwt_cache_hit', tags),
    cacheMiss: stats.counter('http.jwt_authn.jwt_cache_miss', tags),
    cacheEvicted: stats.counter('http.jwt_authn.jwt_cache_evicted', tags),
    keyFileFailed: stats.counter('http.jwt_authn.jwks_file_failed', tags),
  };
}
