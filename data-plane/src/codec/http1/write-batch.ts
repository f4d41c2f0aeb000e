/** Something that holds bytes back until the current batch of reads has been dealt with. */
export interface Flushable {
  flush(): void;
}

/**
 * Lets everything written while one read is dealt with leave in one write.
 *
 * A codec enters the batch when its socket has delivered bytes and leaves it when they are dealt with; the outermost
 * leave flushes. What is written outside any batch (from a timer) is flushed by one `process.nextTick`.
 * Shape: one instance for each thread.
 */
export class WriteBatch {
  #depth = 0;
  #turns = 0;
  /** The first `#count` are waiting; the rest is room for others. */
  readonly #dirty: (Flushable | undefined)[] = [];
  #count = 0;
  #isScheduled = false;
  readonly #flushLater = (): void => {
    this.#isScheduled = false;
    if (this.#depth === 0) this.#flush();
  };

  enter(): void {
    if (this.#depth++ === 0) this.#turns++;
  }

  leave(): void {
    if (--this.#depth === 0 && this.#count > 0) this.#flush();
  }

  /** Tells one batch from the others; 0 outside. */
  get turn(): number {
    return this.#depth === 0 ? 0 : this.#turns;
  }

  /** `holder` will be flushed at the end of the batch; it adds itself once. */
  add(holder: Flushable): void {
    this.#dirty[this.#count++] = holder;
    if (this.#depth === 0 && !this.#isScheduled) {
      this.#isScheduled = true;
      process.nextTick(this.#flushLater);
    }
  }

  #flush(): void {
    const dirty = this.#dirty;
    for (let i = 0; i < this.#count; i++) {
      const holder = dirty[i];
      dirty[i] = undefined;
      holder?.flush();
    }
    this.#count = 0;
  }
}

/** This thread's batch. */
export const writeBatch = new WriteBatch();
