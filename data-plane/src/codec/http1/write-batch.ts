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
  #dirty: Flushable[] = [];
  #isScheduled = false;
  readonly #flushLater = (): void => {
    this.#isScheduled = false;
    if (this.#depth === 0) this.#flush();
  };

  enter(): void {
    this.#depth++;
  }

  leave(): void {
    if (--this.#depth === 0 && this.#dirty.length > 0) this.#flush();
  }

  /** `holder` will be flushed at the end of the batch; it adds itself once. */
  add(holder: Flushable): void {
    this.#dirty.push(holder);
    if (this.#depth === 0 && !this.#isScheduled) {
      this.#isScheduled = true;
      process.nextTick(this.#flushLater);
    }
  }

  #flush(): void {
    const dirty = this.#dirty;
    for (let i = 0; i < dirty.length; i++) (dirty[i] as Flushable).flush();
    dirty.length = 0;
  }
}

/** This thread's batch. */
export const writeBatch = new WriteBatch();
