import { MOST_INPUT_BYTES } from './fuzz-target.js';

const COUNT = 0;
const LENGTH = 1;
const HEAD_BYTES = 8;

/** What a worker is at, for whoever watches it: what it can no longer say itself when it hangs or dies. */
export class SharedProgress {
  readonly #numbers: Int32Array;
  readonly #bytes: Uint8Array;

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(HEAD_BYTES + MOST_INPUT_BYTES);
  }

  constructor(shared: SharedArrayBuffer) {
    this.#numbers = new Int32Array(shared, 0, HEAD_BYTES / 4);
    this.#bytes = new Uint8Array(shared, HEAD_BYTES);
  }

  begin(input: Buffer): void {
    this.#bytes.set(input);
    Atomics.store(this.#numbers, LENGTH, input.length);
    Atomics.add(this.#numbers, COUNT, 1);
  }

  /** Inputs begun. */
  get count(): number {
    return Atomics.load(this.#numbers, COUNT);
  }

  /** A copy of the one under way. */
  get input(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, Atomics.load(this.#numbers, LENGTH)));
  }
}
