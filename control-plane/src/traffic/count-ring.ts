import { COLUMNS, addCounts, type CallCounts } from './call-columns.js';

/**
 * The counts of the last slots of time, and nothing older.
 *
 * Shape: one typed array, a row for each slot, overwritten round and round.
 * Units: a slot is `slotMs` long; slots are numbered from the epoch.
 */
export class CountRing {
  readonly slotMs: number;
  readonly slots: number;
  readonly #rows: Float32Array;
  /** The newest slot that was written; rows of slots after it do not count. */
  #newest = -1;

  constructor(slotMs: number, slots: number) {
    this.slotMs = slotMs;
    this.slots = slots;
    this.#rows = new Float32Array(slots * COLUMNS);
  }

  add(atMs: number, column: number, count: number): void {
    const slot = Math.floor(atMs / this.slotMs);
    this.#advance(slot);
    // A wall clock that was put back by more than there are slots: the newest slot takes it.
    const row = slot > this.#newest - this.slots ? slot : this.#newest;
    const index = (row % this.slots) * COLUMNS + column;
    this.#rows[index] = (this.#rows[index] as number) + count;
  }

  /** Adds up the slots from `fromSlot` up to, and without, `toSlot`. */
  sum(fromSlot: number, toSlot: number, into: CallCounts): void {
    const first = Math.max(fromSlot, this.#newest - this.slots + 1, 0);
    const last = Math.min(toSlot - 1, this.#newest);
    for (let slot = first; slot <= last; slot++) {
      const start = (slot % this.slots) * COLUMNS;
      addCounts(into, this.#rows.subarray(start, start + COLUMNS));
    }
  }

  #advance(slot: number): void {
    if (slot <= this.#newest) return;
    if (slot - this.#newest >= this.slots || this.#newest < 0) this.#rows.fill(0);
    else {
      for (let next = this.#newest + 1; next <= slot; next++) {
        const start = (next % this.slots) * COLUMNS;
        this.#rows.fill(0, start, start + COLUMNS);
      }
    }
    this.#newest = slot;
  }
}
