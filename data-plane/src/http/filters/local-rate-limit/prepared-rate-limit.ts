import {
  applyHeaderChanges,
  compileHeaderChanges,
  HeaderMap,
  localRateLimited,
  LocalRateLimiter,
  type CompiledHeaderChanges,
  type LocalRateLimitConfig,
  type LocalReply,
} from '@heddle/engine';
import type { SharedLimits } from '../../../shared/shared-limits.js';
import type { Counter, StatsStore, Tags } from '../../../stats/stats-store.js';
import type { ConnectionInfo, StreamState } from '../../stream-state.js';

const GRPC_RESOURCE_EXHAUSTED = 8;

/** One configuration of the filter, of its own or of a route, with its buckets and counters. */
export class PreparedRateLimit {
  readonly config: LocalRateLimitConfig;
  readonly enabled: Counter;
  readonly ok: Counter;
  readonly rateLimited: Counter;
  readonly enforced: Counter;
  readonly requestHeaders: readonly CompiledHeaderChanges[];
  readonly #responseHeaders: readonly CompiledHeaderChanges[];
  readonly #limiter: LocalRateLimiter;
  /** Where each connection has buckets of its own: they go with it. */
  readonly #ofConnections: WeakMap<ConnectionInfo, LocalRateLimiter> | undefined;
  readonly #plainReply: LocalReply;

  /** `limits`: where the threads of a process limit together; undefined: there is one. */
  constructor(config: LocalRateLimitConfig, stats: StatsStore, nowMs: number, limits?: SharedLimits) {
    this.config = config;
    const tags: Tags = [['envoy_local_http_ratelimit_prefix', config.statPrefix]];
    this.enabled = stats.counter('http_local_rate_limit.enabled', tags);
    this.ok = stats.counter('http_local_rate_limit.ok', tags);
    this.rateLimited = stats.counter('http_local_rate_limit.rate_limited', tags);
    this.enforced = stats.counter('http_local_rate_limit.enforced', tags);
    this.requestHeaders = [compileHeaderChanges(config.requestHeaders)];
    this.#responseHeaders = [compileHeaderChanges(config.responseHeaders)];
    const text = limits && JSON.stringify(config);
    this.#limiter = new LocalRateLimiter(
      config,
      nowMs,
      limits && ((bucket) => limits.bucket(`${bucket} ${text}`, config.place !== undefined)),
    );
    this.#ofConnections = config.perConnection ? new WeakMap() : undefined;
    this.#plainReply = localRateLimited(
      config.status,
      config.grpcResourceExhausted ? GRPC_RESOURCE_EXHAUSTED : undefined,
    );
  }

  limiterOf(connection: ConnectionInfo, nowMs: number): LocalRateLimiter {
    if (this.#ofConnections === undefined) return this.#limiter;
    let limiter = this.#ofConnections.get(connection);
    if (limiter === undefined) {
      limiter = new LocalRateLimiter(this.config, nowMs);
      this.#ofConnections.set(connection, limiter);
    }
    return limiter;
  }

  replyTo(stream: StreamState): LocalReply {
    if (this.config.responseHeaders.set.length === 0) return this.#plainReply;
    const headers = new HeaderMap();
    applyHeaderChanges(this.#responseHeaders, headers, stream);
    const fields = headers.names.map((name, i) => [name, headers.values[i] as string] as const);
    return { ...this.#plainReply, headers: fields };
  }
}
