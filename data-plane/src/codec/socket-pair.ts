import { Socket } from 'node:net';
import { lastingBytes } from './lent-memory.js';

/**
 * Two sockets of this process, each the other's peer: what is written to one is read from the other, in another turn.
 *
 * Bounds: what the streams' own high watermarks allow; whoever writes waits until the other reads.
 */
export function createSocketPair(): [Socket, Socket] {
  const one = new PairedSocket();
  const other = new PairedSocket();
  one.peer = other;
  other.peer = one;
  return [one, other];
}

/** What is written to a socket: those of Node leave texts as they are. */
export interface WrittenChunk {
  readonly chunk: Buffer | string;
  readonly encoding: BufferEncoding;
}

type WriteCallback = (error?: Error) => void;

/** What is read may be kept: a copy of what is in memory that is its writer's again afterwards. */
export function ownBytes({ chunk, encoding }: WrittenChunk): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : lastingBytes(chunk);
}

/** What was written in several pieces: small ones are joined, for each costs its reader as much as a large one. */
export function ownPieces(chunks: readonly WrittenChunk[]): readonly Buffer[] {
  const bytes = chunks.reduce((sum, { chunk }) => sum + chunk.length, 0);
  if (bytes >= chunks.length * LEAST_PIECE_BYTES) return chunks.map(ownBytes);
  return [
    Buffer.concat(
      chunks.map(({ chunk, encoding }) => (typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk)),
    ),
  ];
}

const LEAST_PIECE_BYTES = 2048;

class PairedSocket extends Socket {
  peer: PairedSocket | undefined = undefined;
  /** Of the write that the peer has not made room for. */
  #onRoom: (() => void) | undefined = undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  override _read(): void {
    this.peer?.goOn();
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: WriteCallback): void {
    this.#hand([ownBytes({ chunk, encoding })], callback);
  }

  override _writev(chunks: readonly WrittenChunk[], callback: WriteCallback): void {
    this.#hand(ownPieces(chunks), callback);
  }

  override _final(callback: (error?: Error) => void): void {
    process.nextTick(() => {
      const { peer } = this;
      if (peer !== undefined && !peer.destroyed) peer.push(null);
      callback();
    });
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const { peer } = this;
    const isWhole = this.writableFinished;
    this.#onRoom = undefined;
    super._destroy(error, callback);
    if (peer === undefined) return;
    this.peer = undefined;
    process.nextTick(() => peer.#onPeerGone(isWhole));
  }

  /** The peer reads on. */
  goOn(): void {
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    if (onRoom !== undefined) process.nextTick(onRoom);
  }

  #hand(pieces: readonly Buffer[], callback: WriteCallback): void {
    process.nextTick(() => {
      let hasRoom = true;
      for (const bytes of pieces) {
        const { peer } = this;
        // The reader of a piece may have ended it.
        if (peer === undefined || peer.destroyed) {
          callback(broken());
          return;
        }
        hasRoom = peer.push(bytes);
      }
      if (hasRoom) callback();
      else this.#onRoom = callback;
    });
  }

  /** It may have sent everything before, and then what it sent is still read. */
  #onPeerGone(wasWhole: boolean): void {
    this.peer = undefined;
    if (this.destroyed) return;
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    if (!wasWhole) this.destroy(broken());
    else onRoom?.();
  }
}

function broken(): Error {
  return Object.assign(new Error('the other end of a connection inside this process is gone'), {
    code: 'ECONNRESET',
  });
}
