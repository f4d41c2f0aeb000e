import { memoryUse, type MemoryUse } from '../../overload/memory-use.js';

/**
 * What the threads of a process use of its memory: each tells its own and sees that of all.
 *
 * Shape: of each thread what its heap and its buffers take; each writes its own two numbers.
 */
export class SharedMemoryUse {
  readonly #used: Float64Array;
  readonly #own: number;

  static allocate(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(threads * 2 * Float64Array.BYTES_PER_ELEMENT);
  }

  /** `thread`: from 0. */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#used = new Float64Array(memory);
    this.#own = thread * 2;
  }

  /** The own heap, by its own limit, and everything else of the process beside it. */
  look(own: MemoryUse = memoryUse()): MemoryUse {
    this.#used[this.#own] = own.heap;
    this.#used[this.#own + 1] = own.external;
    const all = this.#used.reduce((sum, bytes) => sum + bytes, 0);
    return { ...own, external: all - own.heap };
  }
}
