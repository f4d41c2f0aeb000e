import type { Flushable } from '../http1/write-batch.js';

/**
 * Has everything that a turn of the event loop wrote leave in one write for each connection, after all sockets were read.
 *
 * Shape: one instance for each thread. Cost: one `setImmediate` a turn, however many connections were written to.
 */
export class TurnFlusher {
  #waiting: Flushable[] = [];
  #others: Flushable[] = [];
  readonly #flush = (): void => {
    const waiting = this.#waiting;
    // What is written while these are flushed waits for the next turn.
    this.#waiting = this.#others;
    for (let i = 0; i < waiting.length; i++) (waiting[i] as Flushable).flush();
    waiting.length = 0;
    this.#others = waiting;
  };

  /** `holder` is flushed at the end of this turn; it adds itself once. */
  add(holder: Flushable): void {
    if (this.#waiting.push(holder) === 1) setImmediate(this.#flush);
  }
}

/** This thread's. */
export const turnFlusher = new TurnFlusher();
