import type { Socket } from 'node:net';
import type { Flushable } from '../http1/write-batch.js';
import { reusedMemory } from '../lent-memory.js';
import type { WatermarkCallbacks } from '../stream.js';
import { FRAME_HEADER_BYTES, FrameType, writeFrameHeader, writeUint32 } from './frame.js';
import type { TurnFlusher } from './turn-flusher.js';

/** What one write carries at most; several of the largest frames fit. */
const OUTPUT_BYTES = 64 * 1024;
/** Buffers that wait for their next use, for all connections of this thread. */
const MOST_SPARE = 16;

const spare: Buffer[] = [];

/** What one call of `write` took. */
interface Write {
  /** Undefined once it is in use again. */
  buffer: Buffer | undefined;
  frames: number;
  controlFrames: number;
}

function recycle(buffer: Buffer | undefined): void {
  if (buffer?.length === OUTPUT_BYTES && spare.length < MOST_SPARE) spare.push(buffer);
}

/**
 * What a connection writes: frames, one behind the other in one buffer, which leaves once in a turn of the event loop.
 *
 * The buffer is borrowed: a connection that has nothing to write has none. It is used again as soon as the kernel has its bytes,
 * which is at once where the socket takes them, and when the write is done where it does not (TLS, a slow reader).
 * Units: watermarks in bytes; low is half of high; 0 means none.
 */
export class FrameOutput implements Flushable {
  readonly #socket: Socket;
  readonly #flusher: TurnFlusher;
  readonly #highBytes: number;
  readonly #watermarks: WatermarkCallbacks;
  /** Undefined while nothing waits to be written. */
  #buffer: Buffer | undefined;
  #length = 0;
  #isScheduled = false;
  #isAbove = false;
  #isClosed = false;
  #flushedBytes = 0;
  /** Frames in the buffer. */
  #frames = 0;
  #controlFrames = 0;
  /** Frames of writes that are not done. */
  #waitingFrames = 0;
  #waitingControlFrames = 0;
  /** The writes that are not done, in order. */
  readonly #inFlight: Write[] = [];
  readonly #onWritten = (error?: Error | null): void => {
    const write = this.#inFlight.shift();
    if (write !== undefined) {
      this.#waitingFrames -= write.frames;
      this.#waitingControlFrames -= write.controlFrames;
      if (error === undefined || error === null) recycle(write.buffer);
    }
    if (this.#isAbove && this.#socket.writableLength <= this.#highBytes / 2) {
      this.#isAbove = false;
      this.#watermarks.onBelowWriteBufferLowWatermark();
    }
  };

  constructor(socket: Socket, flusher: TurnFlusher, highBytes: number, watermarks: WatermarkCallbacks) {
    this.#socket = socket;
    this.#flusher = flusher;
    this.#highBytes = highBytes === 0 ? Infinity : highBytes;
    this.#watermarks = watermarks;
  }

  /** Bytes that are written and not yet with the kernel. */
  get bufferedBytes(): number {
    return this.#length + this.#socket.writableLength;
  }

  get isAboveHighWatermark(): boolean {
    return this.#isAbove;
  }

  /** Bytes handed to the socket so far. */
  get flushedBytes(): number {
    return this.#flushedBytes;
  }

  /** Bytes written so far, flushed or not. */
  get writtenBytes(): number {
    return this.#flushedBytes + this.#length;
  }

  /** Frames of earlier turns that the socket could not send yet: many, where a peer asks and does not read. */
  get waitingFrames(): number {
    return this.#waitingFrames;
  }

  /** Those of them that are neither DATA nor heads. */
  get waitingControlFrames(): number {
    return this.#waitingControlFrames;
  }

  /** Room for `length` bytes, at `position`. What is written there counts once `commit` says up to where. */
  reserve(length: number): Buffer {
    if (this.#buffer !== undefined && this.#length + length <= this.#buffer.length) return this.#buffer;
    if (this.#length > 0) this.#write();
    if (length > OUTPUT_BYTES) {
      this.#buffer = Buffer.allocUnsafeSlow(length);
    } else if (this.#buffer === undefined) {
      this.#buffer = spare.pop() ?? reusedMemory(OUTPUT_BYTES);
    }
    return this.#buffer;
  }

  get position(): number {
    return this.#length;
  }

  /** The frame that was written ends at `end`. */
  commit(end: number): void {
    this.#length = end;
    this.#frames++;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#flusher.add(this);
  }

  /** A frame of at most 16 KB whose payload is bytes from `start` to `end` of a chunk. */
  data(streamId: number, flags: number, chunk: Buffer, start: number, end: number): void {
    const length = end - start;
    const buffer = this.reserve(FRAME_HEADER_BYTES + length);
    const at = writeFrameHeader(buffer, this.#length, length, FrameType.Data, flags, streamId);
    chunk.copy(buffer, at, start, end);
    this.commit(at + length);
  }

  /** A frame whose payload is one number. */
  uint32(type: number, streamId: number, value: number): void {
    const buffer = this.reserve(FRAME_HEADER_BYTES + 4);
    const at = writeFrameHeader(buffer, this.#length, 4, type, 0, streamId);
    writeUint32(buffer, at, value);
    this.#control(at + 4);
  }

  /** Any other frame: its payload is copied. */
  frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    const buffer = this.reserve(FRAME_HEADER_BYTES + payload.length);
    const at = writeFrameHeader(buffer, this.#length, payload.length, type, flags, streamId);
    buffer.set(payload, at);
    this.#control(at + payload.length);
  }

  /** Bytes that are no frame: what a client says first. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length).set(bytes, this.#length);
    this.commit(this.#length + bytes.length);
  }

  flush(): void {
    this.#isScheduled = false;
    this.#write();
  }

  /** Nothing is written any more, and nobody is told anything. */
  close(): void {
    this.#isClosed = true;
    this.#buffer = undefined;
    this.#length = 0;
    this.#isAbove = false;
  }

  #write(): void {
    const buffer = this.#buffer;
    const length = this.#length;
    if (buffer === undefined || length === 0) return;
    this.#buffer = undefined;
    this.#length = 0;
    this.#flushedBytes += length;
    const write: Write = { buffer, frames: this.#frames, controlFrames: this.#controlFrames };
    this.#frames = 0;
    this.#controlFrames = 0;
    const socket = this.#socket;
    if (this.#isClosed || socket.destroyed || socket.writableEnded) return;
    this.#inFlight.push(write);
    socket.write(length === buffer.length ? buffer : buffer.subarray(0, length), this.#onWritten);
    if (socket.writableLength > 0) {
      this.#waitingFrames += write.frames;
      this.#waitingControlFrames += write.controlFrames;
      if (!this.#isAbove && socket.writableLength > this.#highBytes) {
        this.#isAbove = true;
        this.#watermarks.onAboveWriteBufferHighWatermark();
      }
      return;
    }
    // The kernel has all of it; the callback comes later, and has nothing left to do.
    recycle(buffer);
    write.buffer = undefined;
    write.frames = 0;
    write.controlFrames = 0;
  }

  #control(end: number): void {
    this.#controlFrames++;
    this.commit(end);
  }
}
