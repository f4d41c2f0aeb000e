import type { SharedSlot } from '../shared/shared-cells.js';
import { WATCHED, type HostCounters } from './host-counters.js';

/** Units: integers. The first two are those of the lock and of the flags; the counters are doubles, from the third on. */
const FLAGS = 1;
const CHECKED = 2;
const COUNTERS_AT = 1;

/**
 * By what one host is watched, in memory that all threads of a process share.
 *
 * Shape: flags are changed atomically. Counters are not: an answer that two threads count in the same instant may count once.
 */
export class WatchedSlot {
  readonly counters: HostCounters;
  readonly #slot: SharedSlot;

  constructor(slot: SharedSlot) {
    this.#slot = slot;
    this.counters = { page: slot.floats, first: COUNTERS_AT - WATCHED.from };
  }

  /** No other thread has it yet, or there was no room for it. */
  get isFirst(): boolean {
    return this.#slot.isFirst;
  }

  /** There was no room to share it. */
  get isAlone(): boolean {
    return this.#slot.isAlone;
  }

  /** Bits of `HEALTH_FLAG`. */
  get flags(): number {
    return Atomics.load(this.#slot.ints, FLAGS);
  }

  setFlag(flag: number, on: boolean): void {
    if (on) Atomics.or(this.#slot.ints, FLAGS, flag);
    else Atomics.and(this.#slot.ints, FLAGS, ~flag);
  }

  /** Whether the host was asked for its health by whoever does that. */
  get isChecked(): boolean {
    return Atomics.load(this.#slot.ints, CHECKED) === 1;
  }

  /** Returns whether that is new. */
  setChecked(): boolean {
    return Atomics.exchange(this.#slot.ints, CHECKED, 1) === 0;
  }

  /** A host that nothing is known of. */
  reset(): void {
    const { page, first } = this.counters;
    page.fill(0, first + WATCHED.from + 1, first + WATCHED.to + 1);
    Atomics.store(this.#slot.ints, FLAGS, 0);
    Atomics.store(this.#slot.ints, CHECKED, 0);
  }
}
