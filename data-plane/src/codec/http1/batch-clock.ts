import type { Clock, Timer } from '@heddle/common';
import type { WriteBatch } from './write-batch.js';

/**
 * A clock that is looked at once in a batch: what one read brings is dealt with in well below a millisecond, and asks for the
 * time a dozen times.
 *
 * Shape: of one thread. Outside batches it is the clock that it stands for.
 */
export class BatchClock implements Clock {
  readonly #clock: Clock;
  readonly #batch: WriteBatch;
  #wallTurn = 0;
  #wallMs = 0;
  #monotonicTurn = 0;
  #monotonicMs = 0;

  constructor(clock: Clock, batch: WriteBatch) {
    this.#clock = clock;
    this.#batch = batch;
  }

  nowMs(): number {
    const { turn } = this.#batch;
    if (turn !== this.#wallTurn || turn === 0) {
      this.#wallTurn = turn;
      this.#wallMs = this.#clock.nowMs();
    }
    return this.#wallMs;
  }

  monotonicMs(): number {
    const { turn } = this.#batch;
    if (turn !== this.#monotonicTurn || turn === 0) {
      this.#monotonicTurn = turn;
      this.#monotonicMs = this.#clock.monotonicMs();
    }
    return this.#monotonicMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.#clock.setTimer(delayMs, callback);
  }
}
