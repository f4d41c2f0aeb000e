import type { HeaderMap } from '@heddle/engine';
import { ChunkJoiner } from '../chunk-joiner.js';
import { giveBack } from '../lent-memory.js';
import type { ResetReason, WatermarkCallbacks } from '../stream.js';
import type { FieldSection } from './field-section.js';
import { ErrorCode, Flag, MAX_FRAME_BYTES, MAX_WINDOW } from './frame.js';
import type { Http2Connection } from './http2-connection.js';

const NOTHING = Buffer.alloc(0);

/**
 * What both kinds of streams have in common: their two halves, flow control both ways, and what waits to be sent.
 *
 * Source: RFC 9113 sections 5.1 and 5.2. Bounds: what waits to be sent is told of by watermarks; what the peer may send is one
 * window, for which room is made only while the receiver takes it.
 */
export abstract class Http2Stream {
  /** 0 until it is known on the wire. */
  id = 0;
  /** The peer has ended its half. */
  remoteEnded = false;
  /** Our half has ended, as far as our side is concerned; some of it may wait. */
  localEnded = false;
  /** Nothing more is read or written. */
  isClosed = false;
  protected readonly http2: Http2Connection;
  #sendWindow: number;
  #receiveWindow: number;
  /** Received, and not yet credited. */
  #uncredited = 0;
  #readDisableCount = 0;
  /** Received while nobody reads. */
  #heldBytes = 0;
  /** Data that waits for a window. */
  #waiting: Buffer[] | undefined = undefined;
  #waitingBytes = 0;
  #joiner: ChunkJoiner | undefined = undefined;
  #waitingTrailers: HeaderMap | undefined = undefined;
  #isAbove = false;
  /** What the head promised and has not come; negative: nothing was promised. */
  #lengthLeft = -1;

  constructor(connection: Http2Connection) {
    this.http2 = connection;
    this.#sendWindow = connection.peerStreamWindow;
    this.#receiveWindow = connection.ownStreamWindow;
  }

  /** A header block that ends at this stream. */
  abstract onHeaders(section: FieldSection, endStream: boolean): void;
  /** RST_STREAM. */
  abstract onPeerReset(code: number): void;
  /** The stream is over without a word of the peer. */
  abstract onLost(reason: ResetReason, details: string): void;
  /** The peer breaks the rules of this stream: it is reset, and its owner told. */
  abstract onStreamError(code: number, reason: string): void;
  /** Data, checked. */
  protected abstract onBody(chunk: Buffer, endStream: boolean): void;
  /** Everything of our half was written. */
  protected abstract onSent(): void;
  protected abstract get watermarks(): WatermarkCallbacks | undefined;

  get bufferedBytes(): number {
    return this.isClosed ? 0 : this.#waitingBytes + this.http2.output.bufferedBytes;
  }

  get hasWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  readDisable(disable: boolean): void {
    if (this.isClosed || (!disable && this.#readDisableCount === 0)) return;
    this.#readDisableCount += disable ? 1 : -1;
    if (this.#readDisableCount > 0) return;
    this.#letGo();
    this.#credit();
  }

  /** What the body must amount to. */
  protected expectLength(bytes: number): void {
    this.#lengthLeft = bytes;
  }

  /** Whether as much of the body came as was promised. */
  protected get isLengthRight(): boolean {
    return this.#lengthLeft <= 0;
  }

  /** A DATA frame begins. False: the peer sends more than it may. */
  takeFrame(frameBytes: number, dataBytes: number): boolean {
    this.#receiveWindow -= frameBytes;
    if (this.#receiveWindow < 0) return false;
    // Padding is done with at once.
    if (frameBytes > dataBytes) this.#uncredited += frameBytes - dataBytes;
    return true;
  }

  receiveData(chunk: Buffer, endStream: boolean): void {
    if (this.#lengthLeft >= 0) {
      this.#lengthLeft -= chunk.length;
      if (this.#lengthLeft < 0 || (endStream && this.#lengthLeft > 0)) {
        giveBack(chunk);
        this.onStreamError(ErrorCode.ProtocolError, 'the body is not as long as its content-length says');
        return;
      }
      if (this.#lengthLeft === 0 && endStream) this.#lengthLeft = -1;
    }
    if (endStream) this.remoteEnded = true;
    this.#uncredited += chunk.length;
    this.onBody(chunk, endStream);
    if (this.isClosed) return;
    if (this.#readDisableCount === 0) this.#credit();
    else {
      this.#heldBytes += chunk.length;
      this.http2.changeHeld(chunk.length);
    }
  }

  #letGo(): void {
    if (this.#heldBytes > 0) this.http2.changeHeld(-this.#heldBytes);
    this.#heldBytes = 0;
  }

  #credit(): void {
    const bytes = this.#uncredited;
    if (this.remoteEnded || bytes * 2 < this.http2.ownStreamWindow) return;
    this.#uncredited = 0;
    this.#receiveWindow += bytes;
    this.http2.sendWindowUpdate(this.id, bytes);
  }

  /** The peer takes more (or, by its SETTINGS, less). False: more than there is. */
  widenSendWindow(bytes: number): boolean {
    this.#sendWindow += bytes;
    if (this.#sendWindow > MAX_WINDOW) return false;
    if (bytes > 0 && this.#waiting !== undefined) this.sendWaiting();
    return true;
  }

  protected writeData(chunk: Buffer, endStream: boolean): void {
    if (endStream) this.localEnded = true;
    if (this.#waiting !== undefined) {
      if (chunk.length > 0) this.#keep(chunk);
      giveBack(chunk);
      return;
    }
    const sent = this.#send(chunk, endStream);
    if (sent < chunk.length) {
      this.#waiting = [];
      // Copied where its memory would otherwise be kept by a reader that is slow.
      this.#keep(sent === 0 ? chunk : chunk.subarray(sent));
      if (this.#sendWindow > 0) this.http2.onBlocked(this);
    }
    giveBack(chunk);
    if (endStream && this.#waiting === undefined) this.onSent();
  }

  protected writeTrailers(trailers: HeaderMap): void {
    this.localEnded = true;
    if (this.#waiting !== undefined) {
      this.#waitingTrailers = trailers;
      return;
    }
    this.http2.heads.trailers(this.id, trailers);
    this.onSent();
  }

  /** Sends what the windows allow of what waits, but at most so many chunks. */
  sendWaiting(most = Infinity): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.isClosed) return;
    const trailers = this.#waitingTrailers;
    const isWhole = this.localEnded;
    const endsWithData = isWhole && trailers === undefined;
    let done = 0;
    let frames = 0;
    while (done < waiting.length && frames++ < most) {
      const chunk = waiting[done] as Buffer;
      const sent = this.#send(chunk, endsWithData && done === waiting.length - 1);
      this.#waitingBytes -= sent;
      if (sent < chunk.length) {
        if (sent > 0) waiting[done] = chunk.subarray(sent);
        break;
      }
      done++;
    }
    if (done === waiting.length) {
      this.#waiting = undefined;
      this.#joiner = undefined;
    } else if (done > 0) waiting.splice(0, done);
    this.checkWatermarks();
    if (this.#waiting !== undefined) {
      if (this.#sendWindow > 0) this.http2.onBlocked(this);
      return;
    }
    // Who was told that there is room again may have sent the rest by itself, or given the stream up.
    if (this.isClosed || !isWhole) return;
    if (trailers !== undefined) {
      this.#waitingTrailers = undefined;
      this.http2.heads.trailers(this.id, trailers);
    }
    this.onSent();
  }

  /** Above or below, of what waits here and of what the connection has: told when it changes. */
  checkWatermarks(): void {
    const { highBytes, output } = this.http2;
    const isAbove =
      output.isAboveHighWatermark ||
      this.#waitingBytes > highBytes ||
      (this.#isAbove && this.#waitingBytes > highBytes / 2);
    if (isAbove === this.#isAbove) return;
    this.#isAbove = isAbove;
    if (isAbove) this.watermarks?.onAboveWriteBufferHighWatermark();
    else this.watermarks?.onBelowWriteBufferLowWatermark();
  }

  /** Nothing is kept any more. */
  protected forget(): void {
    this.isClosed = true;
    this.#letGo();
    this.#waiting = undefined;
    this.#joiner = undefined;
    this.#waitingTrailers = undefined;
    this.#waitingBytes = 0;
  }

  #keep(chunk: Buffer): void {
    this.#joiner ??= new ChunkJoiner();
    this.#joiner.add(this.#waiting as Buffer[], chunk);
    this.#waitingBytes += chunk.length;
    this.checkWatermarks();
  }

  /** Writes as much of a chunk as the windows allow, and returns how much that is. */
  #send(chunk: Buffer, endStream: boolean): number {
    const { http2: connection, id } = this;
    const { length } = chunk;
    if (length === 0) {
      if (endStream) connection.writeData(id, Flag.EndStream, NOTHING, 0, 0);
      return 0;
    }
    let at = 0;
    while (at < length) {
      const room = Math.min(this.#sendWindow, connection.sendWindow, MAX_FRAME_BYTES);
      if (room <= 0) break;
      const upTo = Math.min(length, at + room);
      connection.writeData(id, endStream && upTo === length ? Flag.EndStream : 0, chunk, at, upTo);
      this.#sendWindow -= upTo - at;
      at = upTo;
    }
    return at;
  }
}
