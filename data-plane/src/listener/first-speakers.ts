import type { Clock } from '@heddle/common';

/** As many pairs of a client and a destination are remembered. */
const MOST_REMEMBERED = 4_096;
/** For so long: servers are exchanged. */
const REMEMBERED_MS = 600_000;

/** Where servers speak first: learnt from connections on which the client was silent until its server had spoken. */
export class FirstSpeakers {
  readonly #clock: Clock;
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#untilMs.size;
  }

  /** `pair`: who connects to what. */
  isServerFirst(pair: string): boolean {
    const untilMs = this.#untilMs.get(pair);
    if (untilMs === undefined) return false;
    if (this.#clock.monotonicMs() < untilMs) return true;
    this.#untilMs.delete(pair);
    return false;
  }

  onServerFirst(pair: string): void {
    this.#untilMs.delete(pair);
    const [oldest] = this.#untilMs.keys();
    if (this.#untilMs.size >= MOST_REMEMBERED && oldest !== undefined) this.#untilMs.delete(oldest);
    this.#untilMs.set(pair, this.#clock.monotonicMs() + REMEMBERED_MS);
  }

  onClientFirst(pair: string): void {
    this.#untilMs.delete(pair);
  }
}
