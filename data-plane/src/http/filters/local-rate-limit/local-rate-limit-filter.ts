import {
  applyHeaderChanges,
  collectDescriptors,
  type RequestHead,
  type ResponseHead,
  type TokenBucket,
  type LocalRateLimitConfig,
} from '@heddle/engine';
import { FilterStatus, type FilterHandle, type StreamFilter } from '../../filter.js';
import type { LocalRateLimitShared } from './index.js';
import type { PreparedRateLimit } from './prepared-rate-limit.js';

const NO_DESCRIPTORS: readonly string[] = Object.freeze([]);

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
    const { random } = this.#shared;
    const { info } = this.#handle;
    const own = this.#handle.routeConfig();
    const limit =
      own === undefined ? this.#shared.prepared : this.#shared.prepare(own as LocalRateLimitConfig);
    const { config } = limit;
    if (!isChosen(config.enabledRatio, random)) return FilterStatus.Continue;
    limit.enabled.inc();
    const nowMs = info.startedAtMs;
    const descriptors = config.descriptors.length === 0 ? NO_DESCRIPTORS : this.#descriptors(limit, head);
    const { allowed, bucket } = limit.limiterOf(info.connectionInfo, nowMs).take(descriptors, nowMs);
    if (config.tellsLimits) this.#bucket = bucket;
    if (allowed) {
      limit.ok.inc();
      return FilterStatus.Continue;
    }
    limit.rateLimited.inc();
    if (!isChosen(config.enforcedRatio, random)) {
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

  #descriptors({ config }: PreparedRateLimit, head: RequestHead): readonly string[] {
    const { info } = this.#handle;
    const found: string[] = [];
    if (config.rateLimits.length > 0) {
      collectDescriptors(config.rateLimits, config.stage, head, info, found);
      return found;
    }
    const { route } = info;
    if (route?.route.action.kind !== 'forward') return found;
    const ofRoute = route.route.action.rateLimits;
    collectDescriptors(ofRoute, config.stage, head, info, found);
    const { virtualHostLimits } = config;
    if (virtualHostLimits === 'include' || (virtualHostLimits === 'override' && ofRoute.length === 0)) {
      collectDescriptors(route.virtualHost.rateLimits, config.stage, head, info, found);
    }
    return found;
  }
}

function isChosen(ratio: number, random: () => number): boolean {
  return ratio === 1 || (ratio > 0 && random() < ratio);
}
