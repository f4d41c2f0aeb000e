import type { Clock, LogFields, Logger } from '@heddle/common';

const PERIOD_MS = 1_000;
const MOST_LINES = 20;

/**
 * Refusals that strangers can cause: each is counted by its reason, and some of them are logged, so that nobody can fill
 * a disk with lines.
 */
export class RefusalLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #counts = new Map<string, number>();
  #periodStartMs = -Infinity;
  #lines = 0;
  #unlogged = 0;

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** By reason. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** `reason` is one of few; what varies belongs into the fields. */
  note(message: string, reason: string, fields: LogFields): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#periodStartMs >= PERIOD_MS) {
      this.#periodStartMs = nowMs;
      this.#lines = 0;
    }
    if (this.#lines >= MOST_LINES) {
      this.#unlogged++;
      return;
    }
    this.#lines++;
    const unlogged = this.#unlogged;
    this.#unlogged = 0;
    this.#log.warn(message, { reason, ...fields, ...(unlogged === 0 ? {} : { unlogged }) });
  }
}
