import { lastingBytes } from './lent-memory.js';

/** Chunks that are shorter are put together. */
const SMALL_BYTES = 2048;
const ROOM_BYTES = 16 * 1024;

/**
 * Adds chunks to those of one owner that wait, and puts small ones together: a peer that sends a byte at a time must not have
 * each of them cost a buffer of its own, a hundred times as much as the limits of waiting bytes count.
 *
 * Shape: one for each list; whoever takes chunks out of the list may keep them.
 */
export class ChunkJoiner {
  #room: Buffer | undefined = undefined;
  /** Up to where the room is in use. */
  #used = 0;

  /** Adds `chunk`, whose memory may be used again afterwards, to the end of `chunks`. */
  add(chunks: Buffer[], chunk: Buffer): void {
    const last = chunks.at(-1);
    if (last === undefined || chunk.length >= SMALL_BYTES) {
      chunks.push(lastingBytes(chunk));
      return;
    }
    if (this.#endsInRoom(last, chunk.length)) {
      this.#append(chunk);
      chunks[chunks.length - 1] = this.#from(last.byteOffset, last.length + chunk.length);
    } else if (last.length >= SMALL_BYTES) {
      chunks.push(lastingBytes(chunk));
    } else {
      const room = Buffer.allocUnsafeSlow(ROOM_BYTES);
      this.#room = room;
      this.#used = 0;
      this.#append(last);
      this.#append(chunk);
      chunks[chunks.length - 1] = room.subarray(0, this.#used);
    }
  }

  #endsInRoom(last: Buffer, more: number): boolean {
    return (
      last.buffer === this.#room?.buffer &&
      last.byteOffset + last.length === this.#used &&
      this.#used + more <= ROOM_BYTES
    );
  }

  #append(chunk: Buffer): void {
    this.#used += chunk.copy(this.#room as Buffer, this.#used);
  }

  /** Memory that is not pooled begins at 0. */
  #from(start: number, length: number): Buffer {
    return (this.#room as Buffer).subarray(start, start + length);
  }
}
