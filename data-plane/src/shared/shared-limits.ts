import type { SharedBucketState } from '@heddle/engine';
import { lock, unlock, type SharedCells } from './shared-cells.js';

/** Units: doubles. The first is the lock. */
const STATE_AT = 1;

/**
 * Where the threads of a process keep what they limit together.
 *
 * Shape: names are the same in all threads; where several limits say the same, the first of each thread is one, the second, and so on:
 * every thread makes them in the order of the configuration.
 */
export class SharedLimits {
  readonly #cells: SharedCells;
  readonly #scope: string;
  readonly #given = new Map<string, number>();

  constructor(cells: SharedCells, scope = '') {
    this.#cells = cells;
    this.#scope = scope;
  }

  /** The limits of one part, whose names are its own. */
  within(part: string): SharedLimits {
    return new SharedLimits(this.#cells, `${this.#scope}/${part}`);
  }

  /** `isUnique`: there is no other limit of this name, whenever it is made. */
  bucket(name: string, isUnique = false): SharedBucketState {
    const before = isUnique ? 0 : (this.#given.get(name) ?? 0);
    if (!isUnique) this.#given.set(name, before + 1);
    const slot = this.#cells.claim(`bucket ${this.#scope} ${before} ${name}`);
    return {
      page: slot.floats,
      at: STATE_AT,
      // The slot is held as long as its bucket is.
      lock: () => lock(slot.ints),
      unlock: () => unlock(slot.ints),
    };
  }
}
