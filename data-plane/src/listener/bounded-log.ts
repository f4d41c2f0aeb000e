import type { Clock, LogFields, Logger } from '@heddle/common';

/** Lines a second; whoever wants more of them wants to fill a disk. */
const MOST_A_SECOND = 10;

/** Writes what peers can cause at will: so many lines a second, and then how many were left out. */
export class BoundedLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  #second = Number.NEGATIVE_INFINITY;
  #written = 0;
  #leftOut = 0;

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  info(message: string, fields: () => LogFields): void {
    if (!this.#log.isEnabled('info')) return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#second >= 1000) {
      this.#second = nowMs;
      this.#written = 0;
    }
    if (this.#written >= MOST_A_SECOND) {
      this.#leftOut++;
      return;
    }
    this.#written++;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    this.#log.info(message, () => (leftOut === 0 ? fields() : { ...fields(), leftOut }));
  }
}
