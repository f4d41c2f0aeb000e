import type { Socket } from 'node:net';
import { giveBack, giveBackLater } from '../lent-memory.js';
import type { WatermarkCallbacks } from '../stream.js';
import type { Flushable, WriteBatch } from './write-batch.js';

/** Up to this much is joined into one string: Node writes those without allocating. */
const MOST_JOINED_BYTES = 16_000;

/**
 * Writes to a socket so that a head and what follows it leave in one system call, and watches the watermarks.
 *
 * Bounds: at most `MOST_JOINED_BYTES` are held, until the end of the batch; beyond the high watermark the owner is told.
 * Units: watermarks in bytes; low is half of high; 0 means none.
 */
export class HeldWriter implements Flushable {
  readonly #socket: Socket;
  readonly #batch: WriteBatch;
  readonly #highBytes: number;
  readonly #watermarks: WatermarkCallbacks;
  /** Latin1 text that is written next. */
  #held = '';
  #isDirty = false;
  #isAbove = false;
  #bytesWritten = 0;
  /** Large chunks that the socket had to keep. */
  readonly #kept: Buffer[] = [];
  readonly #onWritten = (error?: Error | null): void => {
    if (this.#kept.length > 0 && this.#socket.writableLength === 0) this.#giveBackKept(error);
    this.#checkLow();
  };

  constructor(socket: Socket, batch: WriteBatch, highBytes: number, watermarks: WatermarkCallbacks) {
    this.#socket = socket;
    this.#batch = batch;
    this.#highBytes = highBytes === 0 ? Infinity : highBytes;
    this.#watermarks = watermarks;
  }

  get bufferedBytes(): number {
    return this.#held.length + this.#socket.writableLength;
  }

  get isAboveHighWatermark(): boolean {
    return this.#isAbove;
  }

  /** Bytes handed to the socket so far. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Holds latin1 text until the end of the batch. */
  hold(text: string): void {
    this.#held += text;
    if (this.#held.length > MOST_JOINED_BYTES) this.flush();
    else if (!this.#isDirty) {
      this.#isDirty = true;
      this.#batch.add(this);
    }
  }

  /** Adds latin1 text and writes all now. */
  write(text: string): void {
    this.#held += text;
    this.flush();
  }

  /** Adds `before`, the chunk and `after`; small ones are held, large ones written at once without a copy. */
  data(before: string, chunk: Buffer, after: string): void {
    const length = before.length + chunk.length + after.length;
    if (this.#held.length + length <= MOST_JOINED_BYTES) {
      this.hold(before + chunk.toString('latin1') + after);
      giveBack(chunk);
      return;
    }
    const socket = this.#socket;
    if (socket.destroyed) return;
    const head = this.#held + before;
    this.#held = '';
    this.#bytesWritten += head.length + chunk.length + after.length;
    if (head === '' && after === '') {
      socket.write(chunk, this.#onWritten);
    } else {
      socket.cork();
      if (head !== '') socket.write(head, 'latin1');
      // Whichever is last tells that all is written: before that, nothing is given back.
      if (after === '') socket.write(chunk, this.#onWritten);
      else {
        socket.write(chunk);
        socket.write(after, 'latin1', this.#onWritten);
      }
      socket.uncork();
    }
    // Nothing waits: the kernel has all of it.
    if (socket.writableLength === 0) giveBack(chunk);
    else this.#kept.push(chunk);
    this.#checkHigh();
  }

  flush(): void {
    this.#isDirty = false;
    if (this.#held === '') return;
    const held = this.#held;
    this.#held = '';
    if (this.#socket.destroyed) return;
    this.#bytesWritten += held.length;
    if (this.#socket.writableLength > 0) this.#socket.write(held, 'latin1', this.#onWritten);
    else this.#socket.write(held, 'latin1');
    this.#checkHigh();
  }

  /** Nobody reads from them any more, unless writing failed. */
  #giveBackKept(error: Error | null | undefined): void {
    if (error === undefined || error === null) for (const chunk of this.#kept) giveBackLater(chunk);
    this.#kept.length = 0;
  }

  #checkHigh(): void {
    if (!this.#isAbove && this.#socket.writableLength > this.#highBytes) {
      this.#isAbove = true;
      this.#watermarks.onAboveWriteBufferHighWatermark();
    }
  }

  #checkLow(): void {
    if (this.#isAbove && this.#socket.writableLength <= this.#highBytes / 2) {
      this.#isAbove = false;
      this.#watermarks.onBelowWriteBufferLowWatermark();
    }
  }
}
