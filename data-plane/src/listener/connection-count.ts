import type { SharedSlot } from '../shared/shared-cells.js';

/** Open connections, which a limit bounds. */
export class ConnectionCount {
  #open = 0;

  /** Of this thread. */
  get open(): number {
    return this.#open;
  }

  /** Counts another one where there are fewer than `most`. */
  take(most: number): boolean {
    if (this.#open >= most) return false;
    this.#open++;
    return true;
  }

  release(): void {
    this.#open--;
  }
}

/** Open connections of all threads of a process, which a limit bounds together. */
export class SharedConnectionCount extends ConnectionCount {
  readonly #slot: SharedSlot;

  constructor(slot: SharedSlot) {
    super();
    this.#slot = slot;
  }

  override take(most: number): boolean {
    const { ints } = this.#slot;
    for (let seen = Atomics.load(ints, 0); seen < most;) {
      const before = Atomics.compareExchange(ints, 0, seen, seen + 1);
      if (before === seen) return super.take(Infinity);
      seen = before;
    }
    return false;
  }

  override release(): void {
    super.release();
    Atomics.sub(this.#slot.ints, 0, 1);
  }
}
