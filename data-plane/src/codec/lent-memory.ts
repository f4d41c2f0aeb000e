/** Heads and small bodies fit; all sockets read into the same one. */
const SHARED_BYTES = 16 * 1024;
const SMALL_BYTES = 64 * 1024;
/** Each read and write of 1 MB costs the kernel much more than its share of the bytes. */
const LARGE_BYTES = 256 * 1024;

/** So many bytes of pieces of each size wait for their next use; the garbage collector gets the others. */
const MOST_SPARE_BYTES = 2 * 1024 * 1024;

/** A part of less than this share of its memory is a copy: kept, it would hold on to much more than it fills. */
const LEAST_LENT_RATIO = 1 / 4;

/** What the parts belong to that can be given back just now. */
let open: LentMemory | undefined;

/** Whose part a chunk is, by its memory. */
const lenders = new WeakMap<ArrayBufferLike, LentMemory>();

/**
 * Memory that a socket reads into, and again if everything that was lent of it has come back.
 *
 * Parts of it are lent to the receiver of a read. Whoever has used one up says so, before that receiver returns (`giveBack`) or
 * at any time (`giveBackLater`), and once. While a part is out the memory is not written to: its socket takes other memory, and
 * this one waits for its parts, or is gone with them.
 * Shape: one thread. Bounds: `MOST_SPARE_BYTES` of each size wait; what is in use belongs to a socket, or to parts of at least
 * `LEAST_LENT_RATIO` of it.
 */
export class LentMemory {
  readonly bytes: Buffer;
  readonly #leastLentBytes: number;
  readonly #spare: LentMemory[] | undefined;
  #bytesOut = 0;
  /** No socket reads into it any more. */
  #isReleased = false;

  /** Without a place for spare ones it is never lent: its parts are copies. */
  constructor(length: number, spare: LentMemory[] | undefined) {
    this.bytes = Buffer.allocUnsafeSlow(length);
    this.#leastLentBytes = spare === undefined ? Infinity : length * LEAST_LENT_RATIO;
    this.#spare = spare;
    if (spare !== undefined) lenders.set(this.bytes.buffer, this);
  }

  /** Whether everything that was lent has come back. */
  get isFree(): boolean {
    return this.#bytesOut === 0;
  }

  /** Bytes of a read, for their receiver to keep. */
  part(start: number, end: number): Buffer {
    if (end - start < this.#leastLentBytes) {
      const copy = Buffer.allocUnsafe(end - start);
      this.bytes.copy(copy, 0, start, end);
      return copy;
    }
    this.#bytesOut += end - start;
    return this.bytes.subarray(start, end);
  }

  /** Parts can be given back from now on, until `close`. */
  open(): void {
    open = this;
  }

  close(): void {
    open = undefined;
  }

  /** Its socket reads into other memory from now on. */
  release(): void {
    if (this.isFree) this.#wait();
    else this.#isReleased = true;
  }

  /** For `giveBack`. */
  takeBack(part: Buffer): void {
    if (part.buffer !== this.bytes.buffer) return;
    this.#bytesOut -= part.length;
    if (!this.#isReleased || !this.isFree) return;
    this.#isReleased = false;
    this.#wait();
  }

  /** For its next use. */
  #wait(): void {
    const spare = this.#spare;
    if (spare !== undefined && (spare.length + 1) * this.bytes.length <= MOST_SPARE_BYTES) spare.push(this);
  }
}

/** Says that nobody needs the bytes of a chunk any more. Chunks that were not lent, or by an earlier read, are ignored. */
export function giveBack(chunk: Buffer): void {
  open?.takeBack(chunk);
}

/** As `giveBack`, for whoever had to keep the chunk for longer. */
export function giveBackLater(chunk: Buffer): void {
  lenders.get(chunk.buffer)?.takeBack(chunk);
}

/** Whose bytes are written to sockets, and which is filled again afterwards. */
const reused = new WeakSet<ArrayBufferLike>();

/** Memory for what is to be written, which its owner fills again once that is written. */
export function reusedMemory(length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  reused.add(bytes.buffer);
  return bytes;
}

/** The bytes of a chunk, for somebody who keeps them and hands the chunk on: a copy where its memory is used again. */
export function lastingBytes(chunk: Buffer): Buffer {
  return lenders.has(chunk.buffer) || reused.has(chunk.buffer) ? Buffer.from(chunk) : chunk;
}

const spareSmall: LentMemory[] = [];
const spareLarge: LentMemory[] = [];
let shared: LentMemory | undefined;

/**
 * What to read into next. `used` is what the last read of `lastBytes` went into, `expectedBytes` what is to come of a large
 * body: without one, a socket reads into what all share.
 */
export function nextMemory(used: LentMemory, lastBytes: number, expectedBytes: number): LentMemory {
  let length = SHARED_BYTES;
  if (expectedBytes > 0)
    length = expectedBytes > SMALL_BYTES && lastBytes >= SMALL_BYTES ? LARGE_BYTES : SMALL_BYTES;
  if (used.bytes.length === length && used.isFree) return used;
  used.release();
  if (length === SHARED_BYTES) return sharedMemory();
  const spare = length === LARGE_BYTES ? spareLarge : spareSmall;
  return spare.pop() ?? new LentMemory(length, spare);
}

/** What every socket reads into that has no large body under way: all that is read is dealt with before the next read. */
export function sharedMemory(): LentMemory {
  return (shared ??= new LentMemory(SHARED_BYTES, undefined));
}
