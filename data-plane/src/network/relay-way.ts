import type { Socket } from 'node:net';
import { giveBack, giveBackLater, type LentMemory } from '../codec/lent-memory.js';
import type { ByteReceiver } from '../codec/socket-reads.js';
import type { TcpProxyStats } from './tcp-proxy-stats.js';

/** One way with more bytes than this carries bulk, as long as its reads are large. */
const BULK_AFTER_BYTES = 128 * 1024;
/** A read of less than this is no bulk. */
const LEAST_BULK_READ_BYTES = 8 * 1024;
/**
 * How many ways carry bulk at a time, of all relays that share this. Each has one piece of 256 KiB, two while its target is slow; the
 * others go on with small reads.
 */
export class BulkWays {
  readonly #most: number;
  #active = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get hasRoom(): boolean {
    return this.#active < this.#most;
  }

  enter(): void {
    this.#active++;
  }

  leave(): void {
    this.#active--;
  }
}

/** Of this process. */
const allBulkWays = new BulkWays(128);

/** What a way asks of its relay. */
export interface RelayWayOptions {
  readonly source: Socket;
  readonly target: Socket;
  /** How bytes are written to the target. */
  readonly output: Pick<Socket, 'write'>;
  readonly stats: TcpProxyStats;
  /** Bytes came from the source. */
  readonly onBytes: (count: number) => void;
  /** Bulk comes by a socket that reads as any socket of Node does: it may be exchanged for one that does not, later. */
  readonly onPlainBulk: (() => void) | undefined;
  /** Default: those of this process. */
  readonly bulkWays?: BulkWays;
}

/**
 * One way of a relay: what its source sends is written to its target, and the source waits while that is slow.
 *
 * It starts with small reads, which are all that most connections need. Where bulk comes it reads into large memory, which is
 * written from and read into again: half the cost of memory that is allocated for each read.
 * Bounds: `BulkWays`; reaching it is counted.
 */
export class RelayWay implements ByteReceiver {
  source: Socket;
  target: Socket;
  output: Pick<Socket, 'write'>;
  readonly #stats: TcpProxyStats;
  readonly #onBytes: (count: number) => void;
  readonly #onPlainBulk: (() => void) | undefined;
  readonly #bulkWays: BulkWays;
  #bytes = 0;
  #isBulk = false;
  /** Parts of lent memory that are being written. */
  #lent: Buffer[] = NONE;

  constructor(options: RelayWayOptions) {
    const { source, target, output, stats, onBytes, onPlainBulk, bulkWays = allBulkWays } = options;
    this.source = source;
    this.target = target;
    this.output = output;
    this.#stats = stats;
    this.#onBytes = onBytes;
    this.#onPlainBulk = onPlainBulk;
    this.#bulkWays = bulkWays;
  }

  receive(bytes: Buffer): void {
    this.#count(bytes.length);
    this.#write(bytes);
    if (this.#onPlainBulk !== undefined && this.#bytes >= BULK_AFTER_BYTES && this.#bulkWays.hasRoom)
      this.#onPlainBulk();
  }

  receiveLent(memory: LentMemory, start: number, end: number): void {
    const chunk = memory.part(start, end);
    this.#count(chunk.length);
    if (chunk.buffer !== memory.bytes.buffer) {
      this.#write(chunk);
      return;
    }
    const { target } = this;
    const hasRoom = this.output.write(chunk, this.#onWritten);
    if (target.writableLength === 0) {
      giveBack(chunk);
      return;
    }
    if (this.#lent === NONE) this.#lent = [];
    this.#lent.push(chunk);
    if (!hasRoom) this.source.pause();
  }

  expectedBytes(lastBytes: number): number {
    if (lastBytes >= LEAST_BULK_READ_BYTES) return this.#enterBulk() ? Infinity : 0;
    this.#leaveBulk();
    return 0;
  }

  /** Nothing comes any more. */
  end(): void {
    this.#leaveBulk();
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#onBytes(bytes);
  }

  /** What was written at once needs no pause, though it was more than a socket keeps. */
  #write(bytes: Buffer): void {
    if (!this.output.write(bytes) && this.target.writableLength > 0) this.source.pause();
  }

  #enterBulk(): boolean {
    if (this.#isBulk) return true;
    if (this.#bytes < BULK_AFTER_BYTES) return false;
    if (!this.#bulkWays.hasRoom) {
      this.#stats.bulkOverflow.inc();
      return false;
    }
    this.#bulkWays.enter();
    this.#stats.bulkActive.inc();
    this.#isBulk = true;
    return true;
  }

  #leaveBulk(): void {
    if (!this.#isBulk) return;
    this.#isBulk = false;
    this.#bulkWays.leave();
    this.#stats.bulkActive.dec();
  }

  /** Memory whose bytes did not leave is left to the garbage collector: somebody may still be at it. */
  readonly #onWritten = (error?: Error | null): void => {
    if (this.#lent.length === 0 || this.target.writableLength > 0) return;
    if (error === undefined || error === null) for (const chunk of this.#lent) giveBackLater(chunk);
    this.#lent = NONE;
  };
}

const NONE: Buffer[] = [];
