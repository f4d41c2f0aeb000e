import type { Readable, Writable } from 'node:stream';
import { createSeededRandom } from '@heddle/common';

/** A prime: no two places that lie less than 64 KiB apart, or at a multiple of a buffer's size, hold the same bytes by chance. */
const PERIOD = 65_537;
const WRITTEN_AT_ONCE = 16_384;
const TWICE = (() => {
  const random = createSeededRandom(1);
  const once = Buffer.from(Uint8Array.from({ length: PERIOD }, () => random() * 256));
  return Buffer.concat([once, once]);
})();

/** How fast a side goes: as fast as it can, slowly all the time, or not at all for a while. */
export type Pace = 'fast' | 'slow' | 'stalls';
/** Units: ms. */
const SLOW_PAUSE_MS = 1;
const STALL_MS = 700;
const SLOW_EVERY_BYTES = 64 * 1024;

/** The bytes from `at` on of the body that a seed names; at most 64 KiB of them. */
function patternAt(seed: number, at: number, length: number): Buffer {
  const start = (seed * 7919 + at) % PERIOD;
  return TWICE.subarray(start, start + Math.min(length, PERIOD));
}

/** Writes the body of a seed. Resolves when all of it was taken; the stream stays open. */
export async function writePattern(stream: Writable, seed: number, bytes: number, pace: Pace): Promise<void> {
  const rest = new Resting(pace, bytes);
  for (let at = 0; at < bytes;) {
    const chunk = patternAt(seed, at, Math.min(WRITTEN_AT_ONCE, bytes - at));
    at += chunk.length;
    if (!stream.write(chunk)) await untilDrained(stream);
    await rest.after(chunk.length);
  }
}

/** Reads to the end, and says what is wrong with the body of a seed; undefined: nothing. */
export async function readPattern(
  stream: Readable,
  seed: number,
  bytes: number,
  pace: Pace,
): Promise<string | undefined> {
  const rest = new Resting(pace, bytes);
  let at = 0;
  // What ends one way may still have to be answered.
  const pieces = stream.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length;) {
      const expected = patternAt(seed, at, piece.length - from);
      if (!piece.subarray(from, from + expected.length).equals(expected)) return `other bytes from ${at} on`;
      from += expected.length;
      at += expected.length;
    }
    await rest.after(piece.length);
  }
  return at === bytes ? undefined : `${at} bytes of ${bytes}`;
}

function untilDrained(stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      stream.off('drain', settle);
      stream.off('close', settle);
      if (stream.destroyed) reject(new Error('the stream was closed while it was written to'));
      else resolve();
    };
    stream.on('drain', settle);
    stream.on('close', settle);
    if (stream.destroyed) settle();
  });
}

/** Pauses of one side. */
class Resting {
  readonly #pace: Pace;
  readonly #half: number;
  #bytes = 0;
  #rested = 0;

  constructor(pace: Pace, bytes: number) {
    this.#pace = pace;
    this.#half = bytes / 2;
  }

  async after(bytes: number): Promise<void> {
    if (this.#pace === 'fast') return;
    const before = this.#bytes;
    this.#bytes += bytes;
    if (this.#pace === 'slow') {
      if (this.#bytes - this.#rested < SLOW_EVERY_BYTES) return;
      this.#rested = this.#bytes;
      await pause(SLOW_PAUSE_MS);
    } else if (before === 0 || (before < this.#half && this.#bytes >= this.#half)) {
      await pause(STALL_MS);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
