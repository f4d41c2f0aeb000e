import type {
  LocalDescriptorConfig,
  LocalRateLimitConfig,
  TokenBucketConfig,
} from '../config/rate-limit-config.js';
import { descriptorKey } from './request-descriptors.js';
import {
  SharedTokenBucket,
  TokenBucket,
  type RateLimitVerdict,
  type SharedBucketState,
} from './token-bucket.js';

const NOT_ASKED: RateLimitVerdict = Object.freeze({ allowed: true, bucket: undefined });

/**
 * The buckets of one configuration: one for all requests, and one for each descriptor.
 *
 * Source: Envoy's LocalRateLimiterImpl: of the descriptors of a request that have a bucket the slowest is asked first, and the
 * bucket for all last.
 * Bounds: as many buckets as are configured.
 */
export class LocalRateLimiter {
  readonly #default: TokenBucket | undefined;
  readonly #alwaysConsumeDefault: boolean;
  readonly #byDescriptor: ReadonlyMap<string, TokenBucket>;

  /** `stateOf`: where the threads of a process keep each bucket together; undefined: they are ours alone. */
  constructor(
    config: Pick<LocalRateLimitConfig, 'bucket' | 'descriptors' | 'alwaysConsumeDefault'>,
    nowMs: number,
    stateOf?: (bucket: number) => SharedBucketState,
  ) {
    const page = new Float64Array(1 + config.descriptors.length);
    const create = (bucket: TokenBucketConfig, at: number): TokenBucket =>
      stateOf === undefined
        ? new TokenBucket(bucket, nowMs, page, at)
        : new SharedTokenBucket(bucket, nowMs, stateOf(at));
    this.#default = config.bucket && create(config.bucket, 0);
    this.#alwaysConsumeDefault = config.alwaysConsumeDefault;
    this.#byDescriptor = new Map(
      config.descriptors.map(({ entries, bucket }: LocalDescriptorConfig, i) => [
        entries.map(([key, value]) => descriptorKey(key, value)).join(''),
        create(bucket, 1 + i),
      ]),
    );
  }

  /** Takes a token of every bucket that a request with these descriptors needs one of, until one has none. */
  take(descriptors: readonly string[], nowMs: number): RateLimitVerdict {
    let first: TokenBucket | undefined;
    if (descriptors.length > 0) {
      const buckets = this.#bucketsOf(descriptors);
      for (const bucket of buckets) if (!bucket.take(nowMs).allowed) return bucket.limited;
      first = buckets[0];
    }
    if (this.#default !== undefined && (first === undefined || this.#alwaysConsumeDefault)) {
      const verdict = this.#default.take(nowMs);
      if (!verdict.allowed || first === undefined) return verdict;
    }
    return first?.allowed ?? NOT_ASKED;
  }

  #bucketsOf(descriptors: readonly string[]): readonly TokenBucket[] {
    const buckets: TokenBucket[] = [];
    for (const descriptor of descriptors) {
      const bucket = this.#byDescriptor.get(descriptor);
      if (bucket !== undefined) buckets.push(bucket);
    }
    return buckets.length < 2
      ? buckets
      : buckets.sort((a, b) => a.config.fillPerSecond - b.config.fillPerSecond);
  }
}
