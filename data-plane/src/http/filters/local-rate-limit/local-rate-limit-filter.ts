import {
  applyHeaderChanges,
  requestDescriptors,
  type RequestHead,
  type ResponseHead,
  type TokenBucket,
  type LocalRateLimitConfig,
} from '@heddle/engine';
import { FilterStatus, type FilterHandle, type StreamFilter } from '../../filter.js';
import type { LocalRateLimitShared } from './index.js';

/**
 * Refuses requests for which there is no token.
 *
 * Source: envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit; the fields of answers are those of
 * draft-polli-ratelimit-headers-03.
 */
export class LocalRateLimitFilter implements StreamFilter {
  readonly #shared: LocalRateLimitShared;
  readonly #handle: FilterHandle;
  /** Of which the answer tells. */
  #bucket: TokenBucket | undefined = undefined;

  constructor(shared: LocalRateLimitShared, handle: FilterHandle) {
    this.#shared = shared;
    this.#handle = handle;
  }

  decodeHeaders(head: RequestHead): FilterStatus {
    const { random, runtime } = this.#shared;
    const { info } = this.#handle;
    const own = this.#handle.routeConfig();
    const limit =
      own === undefined ? this.#shared.prepared : this.#shared.prepare(own as LocalRateLimitConfig);
    const { config } = limit;
    if (!isChosen(runtime.ratio(config.enabledKey, config.enabledRatio), random))
      return FilterStatus.Continue;
    limit.enabled.inc();
    const nowMs = info.startedAtMs;
    const descriptors = requestDescriptors(config, info.route, head, info);
    const { allowed, bucket } = limit.limiterOf(info.connectionInfo, nowMs).take(descriptors, nowMs);
    if (config.tellsLimits) this.#bucket = bucket;
    if (allowed) {
      limit.ok.inc();
      return FilterStatus.Continue;
    }
    limit.rateLimited.inc();
    if (!isChosen(runtime.ratio(config.enforcedKey, config.enforcedRatio), random)) {
      applyHeaderChanges(limit.requestHeaders, head.headers, info);
      return FilterStatus.Continue;
    }
    limit.enforced.inc();
    this.#handle.sendLocalReply(limit.replyTo(info));
    return FilterStatus.StopIteration;
  }

  encodeHeaders({ headers }: ResponseHead): FilterStatus {
    const bucket = this.#bucket;
    if (bucket !== undefined) {
      const nowMs = this.#shared.clock.monotonicMs();
      headers.append('x-ratelimit-limit', String(bucket.config.maxTokens));
      headers.append('x-ratelimit-remaining', String(bucket.remaining(nowMs)));
      headers.append('x-ratelimit-reset', String(bucket.resetSeconds(nowMs)));
    }
    return FilterStatus.Continue;
  }

  onDestroy(): void {
    // It holds nothing.
  }
}

function isChosen(ratio: number, random: () => number): boolean {
  return ratio === 1 || (ratio > 0 && random() < ratio);
}
