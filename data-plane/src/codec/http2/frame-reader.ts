import type { LentMemory } from '../lent-memory.js';
import { Flag, FRAME_HEADER_BYTES, FrameType, MAX_FRAME_BYTES, readId } from './frame.js';

/** What a reader tells its connection. Whoever is told may stop the reader. */
export interface FrameSink {
  /** A frame other than DATA, whole: its payload lies from `start` to `end` of `bytes`, for the length of this call. */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
  /** A DATA frame begins: `length` bytes count for flow control, `dataBytes` of them are data. */
  onDataBegin(streamId: number, length: number, dataBytes: number, isEnd: boolean): void;
  /** A part of the data, the receiver's own; `isLast`: of the frame. */
  onData(chunk: Buffer, isLast: boolean): void;
  /** The length of a frame is impossible. */
  onBadFrame(isTooLarge: boolean): void;
  /** The first frame after the preface is no SETTINGS, or the preface is none. */
  onBadPreface(): void;
}

const NOTHING = Buffer.alloc(0);
const NO_PADDING = -1;

/**
 * Cuts a connection's bytes into frames.
 *
 * DATA is passed on as it comes, in parts; every other frame when it is whole.
 * Source: RFC 9113 section 4.1. Bounds: what is kept is one unfinished frame that is not DATA, of `MAX_FRAME_BYTES` at most.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  /** What has to come before anything else. */
  #preface: Buffer;
  #prefaceAt = 0;
  #isFirst = true;
  #isStopped = false;
  /** An unfinished frame: so much of it is there, of `#wanted` bytes. */
  #kept = NOTHING;
  #keptBytes = 0;
  #wanted = FRAME_HEADER_BYTES;
  /** Of the DATA frame under way. */
  #dataLeft = 0;
  #paddingLeft = 0;
  /** A padded DATA frame whose padding length has not come yet: its header. */
  #unpadded = NO_PADDING;
  #unpaddedId = 0;
  #unpaddedIsEnd = false;

  constructor(sink: FrameSink, preface: Buffer) {
    this.#sink = sink;
    this.#preface = preface;
  }

  /** Whether a frame that is not DATA has begun and not ended. */
  get isWithinFrame(): boolean {
    return this.#keptBytes > 0 || this.#prefaceAt > 0;
  }

  /** How much of a DATA frame is still to come. */
  get dataLeft(): number {
    return this.#dataLeft;
  }

  stop(): void {
    this.#isStopped = true;
    this.#kept = NOTHING;
    this.#keptBytes = 0;
  }

  /** Takes what was read from the socket. `lender`: what `bytes` belong to when they are written to again after this call. */
  push(bytes: Buffer, start: number, end: number, lender: LentMemory | undefined): void {
    let at = start;
    if (this.#preface.length > 0) at = this.#readPreface(bytes, at, end);
    while (at < end && !this.#isStopped) {
      if (this.#dataLeft > 0) {
        const upTo = Math.min(end, at + this.#dataLeft);
        this.#dataLeft -= upTo - at;
        const chunk = lender === undefined ? bytes.subarray(at, upTo) : lender.part(at, upTo);
        at = upTo;
        this.#sink.onData(chunk, this.#dataLeft === 0);
      } else if (this.#paddingLeft > 0) {
        const skipped = Math.min(end - at, this.#paddingLeft);
        this.#paddingLeft -= skipped;
        at += skipped;
      } else if (this.#unpadded !== NO_PADDING) {
        this.#beginPadded(bytes[at++] as number);
      } else if (this.#keptBytes > 0) {
        at = this.#complete(bytes, at, end);
      } else if (end - at < FRAME_HEADER_BYTES) {
        this.#keep(bytes, at, end, FRAME_HEADER_BYTES);
        at = end;
      } else {
        at = this.#readFrame(bytes, at, end);
      }
    }
  }

  #readPreface(bytes: Buffer, start: number, end: number): number {
    const preface = this.#preface;
    let at = start;
    while (at < end && this.#prefaceAt < preface.length) {
      if (bytes[at++] !== preface[this.#prefaceAt++]) {
        this.stop();
        this.#sink.onBadPreface();
        return end;
      }
    }
    if (this.#prefaceAt === preface.length) {
      this.#preface = NOTHING;
      this.#prefaceAt = 0;
    }
    return at;
  }

  /** A frame of which at least the header is there. Returns the place up to which bytes are dealt with. */
  #readFrame(bytes: Buffer, at: number, end: number): number {
    const length = this.#lengthAt(bytes, at);
    if (length < 0) return end;
    const payload = at + FRAME_HEADER_BYTES;
    if (bytes[at + 3] === FrameType.Data) {
      this.#beginData(bytes, at, length);
      return payload;
    }
    if (end - payload < length) {
      this.#keep(bytes, at, end, FRAME_HEADER_BYTES + length);
      return end;
    }
    this.#dispatch(bytes, at, length);
    return payload + length;
  }

  /** Adds to what is kept until it is a header, and then until it is a frame. */
  #complete(bytes: Buffer, at: number, end: number): number {
    const upTo = Math.min(end, at + this.#wanted - this.#keptBytes);
    bytes.copy(this.#kept, this.#keptBytes, at, upTo);
    this.#keptBytes += upTo - at;
    if (this.#keptBytes < this.#wanted) return upTo;
    const kept = this.#kept;
    if (this.#wanted === FRAME_HEADER_BYTES) {
      const length = this.#lengthAt(kept, 0);
      if (length < 0) return end;
      if (kept[3] === FrameType.Data) {
        this.#forget();
        this.#beginData(kept, 0, length);
        return upTo;
      }
      if (length > 0) {
        this.#keep(kept, 0, FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + length);
        return upTo;
      }
    }
    const length = this.#wanted - FRAME_HEADER_BYTES;
    this.#forget();
    this.#dispatch(kept, 0, length);
    return upTo;
  }

  #keep(bytes: Buffer, start: number, end: number, wanted: number): void {
    const kept = Buffer.allocUnsafe(wanted);
    bytes.copy(kept, 0, start, end);
    this.#kept = kept;
    this.#keptBytes = end - start;
    this.#wanted = wanted;
  }

  #forget(): void {
    this.#kept = NOTHING;
    this.#keptBytes = 0;
    this.#wanted = FRAME_HEADER_BYTES;
  }

  /** The length of the frame whose header is there; negative: it is refused. */
  #lengthAt(bytes: Buffer, at: number): number {
    const length =
      ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    if (this.#isFirst) {
      this.#isFirst = false;
      if (bytes[at + 3] !== FrameType.Settings || ((bytes[at + 4] as number) & Flag.Ack) !== 0) {
        this.stop();
        this.#sink.onBadPreface();
        return -1;
      }
    }
    if (length <= MAX_FRAME_BYTES) return length;
    this.stop();
    this.#sink.onBadFrame(true);
    return -1;
  }

  #dispatch(bytes: Buffer, at: number, length: number): void {
    const start = at + FRAME_HEADER_BYTES;
    this.#sink.onFrame(
      bytes[at + 3] as number,
      bytes[at + 4] as number,
      readId(bytes, at + 5),
      bytes,
      start,
      start + length,
    );
  }

  #beginData(bytes: Buffer, at: number, length: number): void {
    const flags = bytes[at + 4] as number;
    const streamId = readId(bytes, at + 5);
    const isEnd = (flags & Flag.EndStream) !== 0;
    if ((flags & Flag.Padded) === 0) {
      this.#dataLeft = length;
      this.#sink.onDataBegin(streamId, length, length, isEnd);
    } else if (length === 0) {
      this.stop();
      this.#sink.onBadFrame(true);
    } else {
      this.#unpadded = length;
      this.#unpaddedId = streamId;
      this.#unpaddedIsEnd = isEnd;
    }
  }

  #beginPadded(padding: number): void {
    const length = this.#unpadded;
    this.#unpadded = NO_PADDING;
    if (padding >= length) {
      this.stop();
      this.#sink.onBadFrame(false);
      return;
    }
    this.#dataLeft = length - 1 - padding;
    this.#paddingLeft = padding;
    this.#sink.onDataBegin(this.#unpaddedId, length, this.#dataLeft, this.#unpaddedIsEnd);
  }
}
