import type { Clock } from '@heddle/common';

export interface IdentityBudgetOptions {
  readonly clock: Clock;
  /** How many a second each identity may go on with. Default 50. */
  readonly perSecond?: number;
  /** How many at once. Default 500: all instances of a large deployment that start together. */
  readonly burst?: number;
  /** Of how many identities it is remembered. Default 10,000; the one that asked longest ago is forgotten. */
  readonly maxIdentities?: number;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** Keeps one identity from taking the time of all others: a token bucket for each. */
export class IdentityBudget {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #maxIdentities: number;
  /** In the order of the last request. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: IdentityBudgetOptions) {
    this.#clock = options.clock;
    this.#perSecond = options.perSecond ?? 50;
    this.#burst = options.burst ?? 500;
    this.#maxIdentities = options.maxIdentities ?? 10_000;
  }

  /** Whether this identity may go on; that is then taken off its budget. */
  take(identity: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(identity) ?? { left: this.#burst, atMs: nowMs };
    this.#buckets.delete(identity);
    this.#buckets.set(identity, bucket);
    if (this.#buckets.size > this.#maxIdentities) this.#forgetOldest();
    bucket.left = Math.min(this.#burst, bucket.left + ((nowMs - bucket.atMs) / 1000) * this.#perSecond);
    bucket.atMs = nowMs;
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }

  #forgetOldest(): void {
    for (const identity of this.#buckets.keys()) {
      this.#buckets.delete(identity);
      return;
    }
  }
}
