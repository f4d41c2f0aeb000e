import type { Random } from './random.js';

export interface BackoffOptions {
  /** The ceiling of the first delay. */
  readonly baseMs: number;
  /** No delay is longer than this. */
  readonly maxMs: number;
  /** No delay is shorter than this. Default 0. */
  readonly minMs?: number;
  /** How much the ceiling grows with every attempt. Default 2. */
  readonly factor?: number;
  readonly random: Random;
}

/**
 * Delays between attempts: the ceiling grows exponentially, and each delay is drawn evenly below it ("full jitter"), so
 * that many clients which failed together do not come back together.
 *
 * Units: milliseconds.
 */
export class Backoff {
  readonly #minMs: number;
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #factor: number;
  readonly #random: Random;
  #ceilingMs: number;
  #attempts = 0;

  /** Errors: RangeError where the bounds contradict each other. */
  constructor(options: BackoffOptions) {
    const { baseMs, maxMs, minMs = 0, factor = 2, random } = options;
    if (!(minMs >= 0 && baseMs > 0 && maxMs >= baseMs && maxMs >= minMs && maxMs < Infinity)) {
      throw new RangeError('a backoff needs 0 <= minMs <= maxMs and 0 < baseMs <= maxMs');
    }
    if (!(factor >= 1)) throw new RangeError('a backoff cannot shrink: factor must be at least 1');
    this.#minMs = minMs;
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
    this.#factor = factor;
    this.#random = random;
    this.#ceilingMs = baseMs;
  }

  /** How many delays were drawn since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Draws the delay before the next attempt. */
  nextDelayMs(): number {
    const delayMs = Math.max(this.#minMs, this.#random() * this.#ceilingMs);
    this.#attempts++;
    this.#ceilingMs = Math.min(this.#maxMs, this.#ceilingMs * this.#factor);
    return delayMs;
  }

  /** Starts again from `baseMs`, after a success. */
  reset(): void {
    this.#attempts = 0;
    this.#ceilingMs = this.#baseMs;
  }
}
