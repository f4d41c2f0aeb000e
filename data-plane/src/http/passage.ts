import type { HeaderMap } from '@heddle/engine';
import { ChunkJoiner } from '../codec/chunk-joiner.js';
import { giveBack } from '../codec/lent-memory.js';
import { FilterStatus } from './filter.js';

/** One direction of one filter: whether it holds the message, and what of the message it holds. */
export class Passage {
  /** The status that stopped it, or Continue. */
  stopped: FilterStatus = FilterStatus.Continue;
  headHeld = false;
  endStream = false;
  chunks: Buffer[] | undefined = undefined;
  bytes = 0;
  trailers: HeaderMap | undefined = undefined;
  paused = false;
  /** Set when the filter has not seen what is held, because it stopped everything. */
  unseen = false;
  #joiner: ChunkJoiner | undefined = undefined;

  holdHead(status: FilterStatus, endStream: boolean): void {
    this.stopped = status;
    this.headHeld = true;
    this.endStream = endStream;
    this.unseen = status >= FilterStatus.StopAllIterationAndBuffer;
  }

  hold(chunk: Buffer, endStream: boolean): void {
    if (this.chunks === undefined) this.chunks = [chunk];
    else {
      this.#joiner ??= new ChunkJoiner();
      this.#joiner.add(this.chunks, chunk);
      giveBack(chunk);
    }
    this.bytes += chunk.length;
    this.endStream = endStream;
  }

  release(): void {
    this.stopped = FilterStatus.Continue;
    this.headHeld = false;
    this.endStream = false;
    this.chunks = undefined;
    this.#joiner = undefined;
    this.bytes = 0;
    this.trailers = undefined;
    this.paused = false;
    this.unseen = false;
  }
}
