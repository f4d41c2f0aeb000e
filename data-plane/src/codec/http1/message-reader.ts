import { type HeaderMap } from '@heddle/engine';
import type { LentMemory } from '../lent-memory.js';
import { BYTE_CLASS, CR, HEX_VALUE, LF, SEMICOLON, VALUE } from './byte-class.js';
import { FieldWalk } from './field-walk.js';
import { FAILED, HeadScan, NEED_MORE, type HeadLimits } from './head-scan.js';
import { badRequest, tooLarge, type ParseFailure } from './parse-failure.js';
import { CHUNKED } from './request-head.js';
import { UNTIL_CLOSE } from './response-head.js';

/** The head just read is followed by another head (1xx). */
export const ANOTHER_HEAD = -3;
/** Bytes that follow are kept until `tunnel()` or `stop()`. */
export const HOLD = -4;
/** Nothing that follows is read: the codec closes. */
export const STOP = -5;

/** What a reader tells its codec. */
export interface MessageSink {
  /** A head was scanned. Returns the length of its body in bytes, or one of the negative framings. */
  onHead(scan: HeadScan): number;
  onBody(chunk: Buffer, endOfMessage: boolean): void;
  /** Trailers end the message. */
  onTrailers(trailers: HeaderMap): void;
  /** The reader has stopped. */
  onFailure(failure: ParseFailure): void;
}

const State = {
  Head: 0,
  Length: 1,
  UntilClose: 2,
  ChunkSize: 3,
  ChunkExtension: 4,
  ChunkSizeLf: 5,
  ChunkData: 6,
  ChunkCr: 7,
  ChunkLf: 8,
  Trailers: 9,
  /** The message is complete: what follows waits for `next()`. */
  Complete: 10,
  Hold: 11,
  Tunnel: 12,
  Stopped: 13,
} as const;

const EMPTY = Buffer.alloc(0);
/** A body of which so much is to come is worth memory of its own. */
const MUCH_BYTES = 16 * 1024;
/** More hexadecimal digits than this cannot be a length that JavaScript holds exactly. */
const MOST_CHUNK_SIZE_DIGITS = 13;
/** Chunk extensions are read over; this many bytes of them in one message are taken (CVE-2024-22019). */
const MOST_EXTENSION_BYTES = 16 * 1024;

const scan = new HeadScan();
const trailerWalk = new FieldWalk();

/** Fields that must not come as trailers. Source: RFC 9110 section 6.5.1. */
const NOT_TRAILERS: readonly string[] = [
  'content-length',
  'host',
  'authorization',
  'content-encoding',
  'content-type',
];

/**
 * Cuts a connection's bytes into messages: heads, bodies as slices of what was read, trailers.
 *
 * Source: RFC 9112 sections 6 and 7.
 * Bounds: what is kept is one unfinished head (at most its limit and one read), or, between messages and before a tunnel,
 * what was read before the codec could pause its socket.
 */
export class MessageReader {
  readonly #sink: MessageSink;
  readonly #limits: HeadLimits;
  readonly #isRequest: boolean;
  #state: number = State.Head;
  /** What was read and is not dealt with lies between `#position` and `#end`. */
  #input: Buffer = EMPTY;
  #position = 0;
  #end = 0;
  /** What `#input` belongs to when it is written to again after the current call. */
  #lender: LentMemory | undefined;
  /** Owned memory behind `#input` when that was put together of several reads. */
  #storage: Buffer | undefined;
  #remaining = 0;
  #digits = 0;
  #extensionBytes = 0;
  #running = false;

  constructor(sink: MessageSink, limits: HeadLimits, isRequest: boolean) {
    this.#sink = sink;
    this.#limits = limits;
    this.#isRequest = isRequest;
  }

  /** Takes what was read from the socket. */
  push(chunk: Buffer): void {
    if (this.#state === State.Stopped) return;
    if (this.#position === this.#end) {
      this.#input = chunk;
      this.#position = 0;
      this.#end = chunk.length;
    } else if (!this.#append(chunk, chunk.length)) {
      return;
    }
    this.#run();
  }

  /** Takes the bytes from `start` to `end` of memory that is written to again after this call. */
  pushLent(memory: LentMemory, start: number, end: number): void {
    if (this.#state === State.Stopped) return;
    if (this.#position < this.#end) {
      if (this.#append(memory.bytes.subarray(start, end), end - start)) this.#run();
      return;
    }
    this.#input = memory.bytes;
    this.#position = start;
    this.#end = end;
    this.#lender = memory;
    this.#run();
    this.#lender = undefined;
    if (this.#position < this.#end) this.#store(EMPTY, 0);
  }

  /** How much more of a large body is to come, after a read of `lastBytes`; 0 if that is not much. */
  expectedBytes(lastBytes: number): number {
    switch (this.#state) {
      case State.Length:
        // A client must show that it does send what it announces before it is given memory for it.
        if (this.#remaining < MUCH_BYTES || (lastBytes < MUCH_BYTES && this.#isRequest)) return 0;
        return this.#remaining;
      case State.UntilClose:
      case State.Tunnel:
      case State.ChunkSize:
      case State.ChunkData:
      case State.ChunkCr:
      case State.ChunkLf:
        return lastBytes < MUCH_BYTES ? 0 : Infinity;
      default:
        return 0;
    }
  }

  /** The peer has ended its side. Returns whether a message was cut off. */
  end(): boolean {
    if (this.#state === State.UntilClose) {
      this.#state = State.Complete;
      this.#sink.onBody(EMPTY, true);
      return false;
    }
    if (this.#state === State.Tunnel) {
      this.#state = State.Stopped;
      this.#sink.onBody(EMPTY, true);
      return false;
    }
    if (this.#state === State.Head) return this.keptBytes > 0;
    return this.#state < State.Complete;
  }

  /** Goes on to the next message. */
  next(): void {
    if (this.#state !== State.Complete) return;
    this.#state = State.Head;
    this.#run();
  }

  /** From here on every byte is passed on as it is. */
  tunnel(): void {
    if (this.#state === State.Stopped) return;
    this.#state = State.Tunnel;
    this.#run();
  }

  /** Reads nothing more. */
  stop(): void {
    this.#state = State.Stopped;
    this.#forget();
  }

  /** Whether the message under way has been read to its end. */
  get isComplete(): boolean {
    return this.#state === State.Complete;
  }

  /** Whether nothing of a message was read since the last one. */
  get isBetweenMessages(): boolean {
    return this.#state === State.Head && this.keptBytes === 0;
  }

  /** Whether a head has begun and not ended. */
  get isInHead(): boolean {
    return this.#state === State.Head && this.keptBytes > 0;
  }

  /** Bytes that were read and wait. */
  get keptBytes(): number {
    return this.#end - this.#position;
  }

  /** Adds to what is kept. Returns whether there may be something to do now. */
  #append(bytes: Buffer, length: number): boolean {
    this.#store(bytes, length);
    const end = this.#end;
    // An unfinished head can only end, or become wrong in a way that matters now, with a line.
    const waitsForLine = this.#state === State.Head || this.#state === State.Trailers;
    if (!waitsForLine || this.keptBytes > this.#limits.maxHeadersBytes) return true;
    return this.#input.subarray(end - length, end).includes(LF);
  }

  /** Puts what is kept, and `length` more bytes, into memory of its own. */
  #store(bytes: Buffer, length: number): void {
    const kept = this.keptBytes;
    const storage = this.#storage;
    if (storage === undefined || this.#end + length > storage.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, 2 * (kept + length)));
      this.#input.copy(larger, 0, this.#position, this.#end);
      bytes.copy(larger, kept, 0, length);
      this.#storage = larger;
      this.#input = larger;
      this.#position = 0;
      this.#end = kept + length;
      return;
    }
    // Slices that were handed out lie before `#end`: they do not change.
    bytes.copy(storage, this.#end, 0, length);
    this.#end += length;
  }

  #forget(): void {
    this.#input = EMPTY;
    this.#position = 0;
    this.#end = 0;
    this.#storage = undefined;
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#position < this.#end && this.#step());
    } finally {
      this.#running = false;
    }
    if (this.#position === this.#end) this.#forget();
  }

  /** Consumes something. Returns false when it cannot go on now. */
  #step(): boolean {
    switch (this.#state) {
      case State.Head:
        return this.#readHead();
      case State.Length: {
        const chunk = this.#take(this.#remaining);
        this.#remaining -= chunk.length;
        const isEnd = this.#remaining === 0;
        if (isEnd) this.#state = State.Complete;
        this.#sink.onBody(chunk, isEnd);
        return true;
      }
      case State.UntilClose:
      case State.Tunnel:
        this.#sink.onBody(this.#take(Infinity), false);
        return true;
      case State.ChunkData: {
        const chunk = this.#take(this.#remaining);
        this.#remaining -= chunk.length;
        if (this.#remaining === 0) this.#state = State.ChunkCr;
        this.#sink.onBody(chunk, false);
        return true;
      }
      case State.Trailers:
        return this.#readTrailers();
      case State.Complete:
      case State.Hold:
      case State.Stopped:
        return false;
      default:
        return this.#readChunkFraming();
    }
  }

  #take(most: number): Buffer {
    const input = this.#input;
    const start = this.#position;
    const end = Math.min(this.#end, start + most);
    this.#position = end;
    if (this.#lender !== undefined) return this.#lender.part(start, end);
    return start === 0 && end === input.length ? input : input.subarray(start, end);
  }

  #readHead(): boolean {
    const input = this.#input;
    const limit = this.#end;
    if (this.#isRequest) {
      // Source: RFC 9112 section 2.2: an empty line before a request is ignored.
      while (this.#position + 1 < limit && input[this.#position] === CR && input[this.#position + 1] === LF) {
        this.#position += 2;
      }
      if (this.#position >= limit) return false;
      if (input[this.#position] === CR && this.#position + 1 === limit) return false;
    }
    const end = this.#isRequest
      ? scan.scanRequest(input, this.#position, limit, this.#limits)
      : scan.scanResponse(input, this.#position, limit, this.#limits);
    if (end === NEED_MORE) return false;
    if (end === FAILED) return this.#fail(scan.failure);
    this.#position = end;
    // The sink may stop the reader, or start a tunnel, from inside.
    this.#state = State.Complete;
    const framing = this.#sink.onHead(scan);
    if (this.#state !== State.Complete) return true;
    if (framing > 0) {
      this.#remaining = framing;
      this.#state = State.Length;
    } else if (framing === CHUNKED) {
      this.#beginChunk();
      this.#extensionBytes = 0;
    } else if (framing === UNTIL_CLOSE) {
      this.#state = State.UntilClose;
    } else if (framing === ANOTHER_HEAD) {
      this.#state = State.Head;
    } else if (framing === HOLD) {
      this.#state = State.Hold;
    } else if (framing === STOP) {
      this.stop();
    }
    return true;
  }

  #beginChunk(): void {
    this.#state = State.ChunkSize;
    this.#remaining = 0;
    this.#digits = 0;
  }

  #readChunkFraming(): boolean {
    const input = this.#input;
    const end = this.#end;
    let position = this.#position;
    while (position < end) {
      const byte = input[position++] as number;
      switch (this.#state) {
        case State.ChunkSize: {
          const digit = HEX_VALUE[byte] as number;
          if (digit !== 255) {
            if (++this.#digits > MOST_CHUNK_SIZE_DIGITS)
              return this.#fail(badRequest('a chunk size is too long'));
            this.#remaining = this.#remaining * 16 + digit;
            break;
          }
          if (this.#digits === 0) return this.#fail(badRequest('a chunk size has no digits'));
          if (byte === CR) this.#state = State.ChunkSizeLf;
          else if (byte === SEMICOLON) this.#state = State.ChunkExtension;
          else return this.#fail(badRequest('a chunk size is not a hexadecimal number'));
          break;
        }
        case State.ChunkExtension:
          if (++this.#extensionBytes > MOST_EXTENSION_BYTES) {
            return this.#fail(
              tooLarge('too many bytes of chunk extensions', 'http1.chunk_extensions_too_large'),
            );
          }
          if (byte === CR) this.#state = State.ChunkSizeLf;
          else if (((BYTE_CLASS[byte] as number) & VALUE) === 0) {
            return this.#fail(badRequest('a chunk extension has a control byte'));
          }
          break;
        case State.ChunkSizeLf:
          if (byte !== LF) return this.#fail(badRequest('a chunk size line does not end in CR LF'));
          this.#position = position;
          this.#state = this.#remaining === 0 ? State.Trailers : State.ChunkData;
          return true;
        case State.ChunkCr:
          if (byte !== CR) return this.#fail(badRequest('a chunk is longer than its size says'));
          this.#state = State.ChunkLf;
          break;
        default:
          if (byte !== LF) return this.#fail(badRequest('a chunk does not end in CR LF'));
          this.#beginChunk();
          break;
      }
    }
    this.#position = position;
    return false;
  }

  #readTrailers(): boolean {
    const end = scan.scanTrailers(this.#input, this.#position, this.#end, this.#limits);
    if (end === NEED_MORE) return false;
    if (end === FAILED) return this.#fail(scan.failure);
    this.#position = end;
    this.#state = State.Complete;
    if (scan.fieldCount === 0) {
      this.#sink.onBody(EMPTY, true);
      return true;
    }
    const failure = trailerWalk.walk(scan, 'allow', true);
    if (failure !== undefined) return this.#fail(failure);
    const trailers = trailerWalk.headers;
    for (const name of NOT_TRAILERS) trailers.remove(name);
    this.#sink.onTrailers(trailers);
    return true;
  }

  #fail(failure: ParseFailure): boolean {
    this.stop();
    this.#sink.onFailure(failure);
    return false;
  }
}
