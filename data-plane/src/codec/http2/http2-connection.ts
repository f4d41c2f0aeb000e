import type { Socket } from 'node:net';
import type { Http2Config } from '@heddle/engine';
import type { Deadlines } from '../http1/deadline-queue.js';
import { writeBatch, type WriteBatch } from '../http1/write-batch.js';
import { giveBack, type LentMemory } from '../lent-memory.js';
import { receiveBytes, type ByteReceiver } from '../socket-reads.js';
import type { WatermarkCallbacks } from '../stream.js';
import { FieldSection, type FieldLimits } from './field-section.js';
import { FloodGuard } from './flood-guard.js';
import {
  DEFAULT_WINDOW,
  ErrorCode,
  Flag,
  FrameType,
  MAX_WINDOW,
  readId,
  readUint32,
  writeUint32,
} from './frame.js';
import { FrameOutput } from './frame-output.js';
import { FrameReader, type FrameSink } from './frame-reader.js';
import { HeadWriter } from './head-writer.js';
import { BlockState, HeaderBlock } from './header-block.js';
import { HpackDecoder } from './hpack-decoder.js';
import { HpackEncoder } from './hpack-encoder.js';
import type { Http2Stats } from './http2-stats.js';
import type { Http2Stream } from './http2-stream.js';
import { Keepalive, type PingedConnection } from './keepalive.js';
import { ReceiveWindow, type WindowOwner } from './receive-window.js';
import { PeerSettings, writeSettings } from './settings.js';
import { turnFlusher, type TurnFlusher } from './turn-flusher.js';

export interface Http2ConnectionOptions {
  readonly config: Http2Config;
  readonly stats: Http2Stats;
  readonly limits: FieldLimits;
  /** High watermark of what is buffered for sending, for a stream and for the connection; 0 means none. */
  readonly bufferLimitBytes: number;
  /** Those of this thread. */
  readonly deadlines: Deadlines;
  readonly batch?: WriteBatch;
  readonly flusher?: TurnFlusher;
}

/** A body of which so much came at once is worth memory of its own. */
const MUCH_BYTES = 16 * 1024;
const READ_BYTES = 64 * 1024;
/** Streams that we have reset: what the peer had sent before it knew is ignored. As many as clients mostly have open at once. */
const MOST_REMEMBERED = 1024;
const KEEPALIVE = 1;
const DRAIN = 2;

const section = new FieldSection();
const NOTHING = Buffer.alloc(0);

/**
 * One HTTP/2 connection, whichever side of it we are: frames in and out, their streams, and the state that all streams share.
 *
 * Source: RFC 9113. Bounds: streams by what SETTINGS offer; one unfinished header block; what waits to be sent by watermarks and
 * by the flood guard; header tables by their SETTINGS.
 * Shape: what is written leaves once in a turn of the event loop.
 */
export abstract class Http2Connection
  implements ByteReceiver, FrameSink, PingedConnection, WatermarkCallbacks, WindowOwner
{
  readonly socket: Socket;
  readonly output: FrameOutput;
  readonly streams = new Map<number, Http2Stream>();
  readonly highBytes: number;
  readonly peer: PeerSettings;
  /** What the peer takes of all streams together. */
  sendWindow = DEFAULT_WINDOW;
  readonly options: Http2ConnectionOptions;
  protected readonly guard: FloodGuard;
  readonly heads: HeadWriter;
  protected isClosing = false;
  protected isClosed = false;
  /** The highest stream that the peer has begun. */
  protected lastPeerId = 0;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #batch: WriteBatch;
  readonly #blocked = new Set<Http2Stream>();
  readonly #reset = new Set<number>();
  readonly #window: ReceiveWindow;
  /** Frames and header blocks that were read to their end. */
  #finished = 0;
  /** Of the DATA frame under way. */
  #dataStream: Http2Stream | undefined = undefined;
  #dataIsEnd = false;
  /** The one that is under way, where it goes on in other frames. */
  #block: HeaderBlock | undefined = undefined;
  protected readonly keepalive: Keepalive | undefined;

  /** `preface`: what the peer says before its first frame. */
  constructor(socket: Socket, preface: Buffer, options: Http2ConnectionOptions) {
    const { config, bufferLimitBytes } = options;
    this.socket = socket;
    this.options = options;
    this.highBytes = bufferLimitBytes === 0 ? Infinity : bufferLimitBytes;
    this.#batch = options.batch ?? writeBatch;
    this.output = new FrameOutput(socket, options.flusher ?? turnFlusher, bufferLimitBytes, this);
    const encoder = new HpackEncoder(config.hpackTableBytes);
    this.peer = new PeerSettings(encoder);
    this.heads = new HeadWriter(this.output, encoder);
    this.guard = new FloodGuard(config, options.stats, this.output);
    this.#decoder = new HpackDecoder(config.hpackTableBytes);
    this.#reader = new FrameReader(this, preface);
    const { initialConnectionWindowBytes, mostHeldBytes } = config;
    const { windowStalls } = options.stats;
    this.#window = new ReceiveWindow(this, initialConnectionWindowBytes, mostHeldBytes, windowStalls);
    const isKept = config.keepaliveIntervalMs + config.keepaliveIdleMs > 0;
    this.keepalive = isKept ? new Keepalive(this, config, options.deadlines) : undefined;
    socket.setNoDelay(true);
    receiveBytes(socket, this);
    socket.on('end', () => this.onPeerEnd());
    socket.on('close', () => this.#onClose());
  }

  /** A header block of a stream; whether the stream is there is the question. */
  protected abstract onHeaderBlock(streamId: number, endStream: boolean, section: FieldSection): void;
  /** The peer takes no stream above `lastId`. */
  protected abstract onGoAway(lastId: number, code: number, debug: string): void;
  /** Whether no frame of that stream was to be expected yet. */
  protected abstract isIdleStream(streamId: number): boolean;
  /** The connection is broken: GOAWAY was written, and every stream has to be told. */
  protected abstract onConnectionError(code: number, reason: string): void;
  protected abstract onSocketClose(): void;
  protected abstract onPeerEnd(): void;
  /** A stream is not there any more. */
  protected abstract onStreamOver(): void;
  /** The peer has said what it takes. */
  protected onSettings(): void {
    // Of interest to clients.
  }
  /** A stream has ended. `isReset`: the peer had it end before its time. */
  judge(_isReset: boolean): void {
    // Only clients can flood.
  }

  protected onDrainAcknowledged(): void {
    // Only servers ask.
  }

  get peerStreamWindow(): number {
    return this.peer.initialWindow;
  }

  /** Until the peer knows ours it may send as much as the protocol says. */
  get ownStreamWindow(): number {
    return Math.max(DEFAULT_WINDOW, this.options.config.initialStreamWindowBytes);
  }

  /** Says what is said first. */
  protected begin(settings: readonly (readonly [id: number, value: number])[]): void {
    this.output.frame(FrameType.Settings, 0, 0, writeSettings(settings));
    const { more } = this.#window;
    if (more > 0) this.output.uint32(FrameType.WindowUpdate, 0, more);
  }

  receive(bytes: Buffer): void {
    this.#take(bytes, 0, bytes.length, undefined);
  }

  receiveLent(memory: LentMemory, start: number, end: number): void {
    this.#take(memory.bytes, start, end, memory);
  }

  #take(bytes: Buffer, start: number, end: number, lender: LentMemory | undefined): void {
    if (this.isClosing) return;
    this.keepalive?.onBytes();
    const before = this.#finished;
    this.#batch.enter();
    try {
      this.#reader.push(bytes, start, end, lender);
      this.afterRead(this.#block !== undefined || this.#reader.isWithinFrame, this.#finished !== before);
    } finally {
      this.#batch.leave();
    }
  }

  /** `isWithin`: a frame or a header block has begun and not ended. `hasFinished`: another one ended before it. */
  protected afterRead(_isWithin: boolean, _hasFinished: boolean): void {
    // Of interest to servers.
  }

  expectedBytes(lastBytes: number): number {
    return lastBytes >= MUCH_BYTES && this.#reader.dataLeft > 0 ? READ_BYTES : 0;
  }

  writeData(streamId: number, flags: number, chunk: Buffer, start: number, end: number): void {
    this.sendWindow -= end - start;
    this.guard.onDataSent();
    this.output.data(streamId, flags, chunk, start, end);
  }

  sendWindowUpdate(streamId: number, bytes: number): void {
    if (!this.isClosing) this.output.uint32(FrameType.WindowUpdate, streamId, bytes);
  }

  /** A stream waits for the connection's window. */
  onBlocked(stream: Http2Stream): void {
    this.#blocked.add(stream);
  }

  /** The stream is over. */
  removeStream(stream: Http2Stream): void {
    if (this.#dataStream === stream) this.#dataStream = undefined;
    this.#blocked.delete(stream);
    if (!this.streams.delete(stream.id)) return;
    this.options.stats.streamsActive.dec();
    this.onStreamOver();
  }

  protected addStream(stream: Http2Stream): void {
    this.streams.set(stream.id, stream);
    this.options.stats.streamsActive.inc();
    this.guard.onStream();
  }

  /** RST_STREAM; the stream may be one that is not there any more. */
  sendReset(streamId: number, code: number): void {
    if (this.isClosing) return;
    this.options.stats.txReset.inc();
    const reset = this.#reset;
    if (reset.size === MOST_REMEMBERED) {
      for (const oldest of reset) {
        reset.delete(oldest);
        break;
      }
    }
    reset.add(streamId);
    this.output.uint32(FrameType.RstStream, streamId, code);
    if (this.guard.isOutputFlood())
      this.fail(ErrorCode.EnhanceYourCalm, 'too much waits for a peer that does not read');
  }

  /** The peer breaks the rules of one stream. */
  protected streamError(streamId: number, code: number, reason: string): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) {
      stream.onStreamError(code, reason);
      return;
    }
    this.sendReset(streamId, code);
    this.judge(true);
  }

  /** The peer breaks the rules of the connection: it is told, and the connection ends. */
  fail(code: number, reason: string): void {
    if (this.isClosing) return;
    this.sendGoAway(this.lastPeerId, code, reason);
    this.isClosing = true;
    this.#reader.stop();
    this.onConnectionError(code, reason);
  }

  protected sendGoAway(lastId: number, code: number, reason = ''): void {
    this.options.stats.goawaySent.inc();
    const debug = Buffer.from(reason.slice(0, 128), 'latin1');
    const payload = Buffer.alloc(8 + debug.length);
    writeUint32(payload, 0, lastId);
    writeUint32(payload, 4, code);
    payload.set(debug, 8);
    this.output.frame(FrameType.GoAway, 0, 0, payload);
  }

  /** Asks for an answer that comes behind all that the peer had sent before it read this. */
  protected sendDrainPing(): void {
    this.#ping(DRAIN);
  }

  onAboveWriteBufferHighWatermark(): void {
    for (const stream of this.streams.values()) stream.checkWatermarks();
  }

  onBelowWriteBufferLowWatermark(): void {
    for (const stream of this.streams.values()) stream.checkWatermarks();
  }

  onBadFrame(isTooLarge: boolean): void {
    if (isTooLarge) this.fail(ErrorCode.FrameSizeError, 'a frame has an impossible length');
    else this.fail(ErrorCode.ProtocolError, 'a frame is padded beyond its end');
  }

  onBadPreface(): void {
    this.fail(ErrorCode.ProtocolError, 'the connection does not begin as HTTP/2 does');
  }

  /** Streams hold so many bytes more, or less, for readers that do not take them. */
  changeHeld(bytes: number): void {
    this.#window.changeHeld(bytes);
  }

  onDataBegin(streamId: number, length: number, dataBytes: number, isEnd: boolean): void {
    this.#dataStream = undefined;
    this.#finished++;
    if (this.#block !== undefined || this.isIdleStream(streamId)) {
      this.fail(ErrorCode.ProtocolError, 'DATA where none may be');
      return;
    }
    if (!this.#window.take(length)) {
      this.fail(ErrorCode.FlowControlError, 'more data than the window of the connection');
      return;
    }
    if (dataBytes > 0 || isEnd) this.guard.onFullFrame();
    else if (this.guard.isEmptyFlood()) {
      this.fail(ErrorCode.EnhanceYourCalm, 'too many empty frames');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined || stream.remoteEnded) {
      if (!this.#reset.has(streamId))
        this.streamError(streamId, ErrorCode.StreamClosed, 'DATA after the end');
      return;
    }
    if (!stream.takeFrame(length, dataBytes)) {
      stream.onStreamError(ErrorCode.FlowControlError, 'more data than the window of the stream');
      return;
    }
    if (dataBytes === 0) {
      if (isEnd) stream.receiveData(NOTHING, true);
      return;
    }
    this.#dataStream = stream;
    this.#dataIsEnd = isEnd;
  }

  onData(chunk: Buffer, isLast: boolean): void {
    const stream = this.#dataStream;
    if (stream === undefined || stream.isClosed) giveBack(chunk);
    else stream.receiveData(chunk, isLast && this.#dataIsEnd);
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const block = this.#block;
    if (block !== undefined && (type !== FrameType.Continuation || streamId !== block.streamId)) {
      this.fail(ErrorCode.ProtocolError, 'a header block is interrupted');
      return;
    }
    switch (type) {
      case FrameType.Headers:
        this.#onHeaders(flags, streamId, bytes, start, end);
        return;
      case FrameType.Continuation:
        this.#onContinuation(flags, bytes, start, end);
        return;
      case FrameType.WindowUpdate:
        this.#onWindowUpdate(streamId, bytes, start, end - start);
        return;
      case FrameType.RstStream:
        this.#onReset(streamId, bytes, start, end - start);
        return;
      case FrameType.Settings:
        this.#onSettings(flags, streamId, bytes, start, end);
        return;
      case FrameType.Ping:
        this.#onPing(flags, streamId, bytes, start, end);
        return;
      case FrameType.GoAway:
        if (streamId !== 0) this.fail(ErrorCode.ProtocolError, 'GOAWAY of a stream');
        else if (end - start < 8) this.onBadFrame(true);
        else {
          const debug = bytes.toString('latin1', start + 8, Math.min(end, start + 8 + 128));
          this.onGoAway(readId(bytes, start), readUint32(bytes, start + 4), debug);
        }
        return;
      case FrameType.Priority:
        this.#onPriority(streamId, bytes, start, end - start);
        return;
      case FrameType.PushPromise:
        this.fail(ErrorCode.ProtocolError, 'PUSH_PROMISE, which nobody allowed');
        return;
      default:
      // Unknown frames are read over. Source: RFC 9113 section 5.5.
    }
  }

  #onHeaders(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId === 0) {
      this.fail(ErrorCode.ProtocolError, 'HEADERS without a stream');
      return;
    }
    let from = start;
    let to = end;
    if ((flags & Flag.Padded) !== 0) {
      if (from === to) {
        this.onBadFrame(true);
        return;
      }
      to -= bytes[from++] as number;
    }
    let dependsOn = 0;
    if ((flags & Flag.Priority) !== 0) {
      if (to - from >= 5) dependsOn = readId(bytes, from);
      from += 5;
    }
    if (from > to) {
      this.onBadFrame(false);
      return;
    }
    const isEnd = (flags & Flag.EndStream) !== 0;
    if (from < to || isEnd) this.guard.onFullFrame();
    else if (this.guard.isEmptyFlood()) {
      this.fail(ErrorCode.EnhanceYourCalm, 'too many empty frames');
      return;
    }
    if ((flags & Flag.EndHeaders) === 0) {
      this.#block = new HeaderBlock(streamId, isEnd, this.#decoder, this.options.limits);
      this.#onBlockPart(this.#block, bytes, from, to, false);
      return;
    }
    section.begin(this.options.limits);
    if (!this.#decoder.decode(bytes, from, to, section)) this.#onBrokenBlock();
    else this.#onSection(streamId, isEnd, section, dependsOn === streamId);
  }

  #onContinuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const block = this.#block;
    if (block === undefined) {
      this.fail(ErrorCode.ProtocolError, 'CONTINUATION of nothing');
      return;
    }
    const isLast = (flags & Flag.EndHeaders) !== 0;
    if (start < end || isLast) this.guard.onFullFrame();
    else if (this.guard.isEmptyFlood()) {
      this.fail(ErrorCode.EnhanceYourCalm, 'too many empty frames');
      return;
    }
    this.#onBlockPart(block, bytes, start, end, isLast);
  }

  #onBlockPart(block: HeaderBlock, bytes: Buffer, start: number, end: number, isLast: boolean): void {
    switch (block.add(bytes, start, end, isLast)) {
      case BlockState.Open:
        return;
      case BlockState.Whole:
        this.#block = undefined;
        this.#onSection(block.streamId, block.isEnd, block.section, false);
        return;
      case BlockState.Broken:
        this.#onBrokenBlock();
        return;
      case BlockState.Endless:
        this.options.stats.headerOverflow.inc();
        this.fail(ErrorCode.EnhanceYourCalm, 'a header block is too long');
    }
  }

  #onBrokenBlock(): void {
    this.fail(ErrorCode.CompressionError, 'a header block cannot be decoded');
  }

  #onSection(streamId: number, isEnd: boolean, section: FieldSection, dependsOnItself: boolean): void {
    this.#finished++;
    if (section.droppedFields > 0) this.options.stats.droppedUnderscores.add(section.droppedFields);
    if (section.isTooLarge) this.options.stats.headerOverflow.inc();
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      // What comes for a stream that we have reset was on its way.
      if (this.#reset.has(streamId)) return;
      if (dependsOnItself) section.refuse('a stream depends on itself');
      this.onHeaderBlock(streamId, isEnd, section);
    } else if (stream.remoteEnded) {
      stream.onStreamError(ErrorCode.StreamClosed, 'HEADERS after the end of the stream');
    } else {
      stream.onHeaders(section, isEnd);
    }
  }

  #onWindowUpdate(streamId: number, bytes: Buffer, at: number, length: number): void {
    if (length !== 4) {
      this.onBadFrame(true);
      return;
    }
    if (this.guard.isWindowUpdateFlood()) {
      this.fail(ErrorCode.EnhanceYourCalm, 'too many WINDOW_UPDATE frames');
      return;
    }
    const more = readId(bytes, at);
    if (streamId === 0) {
      this.sendWindow += more;
      if (more === 0) this.fail(ErrorCode.ProtocolError, 'WINDOW_UPDATE by nothing');
      else if (this.sendWindow > MAX_WINDOW) this.fail(ErrorCode.FlowControlError, 'a window is too large');
      else this.#resumeBlocked();
      return;
    }
    if (this.isIdleStream(streamId)) {
      this.fail(ErrorCode.ProtocolError, 'WINDOW_UPDATE of a stream that has not begun');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    if (more === 0) stream.onStreamError(ErrorCode.ProtocolError, 'WINDOW_UPDATE by nothing');
    else if (!stream.widenSendWindow(more)) {
      stream.onStreamError(ErrorCode.FlowControlError, 'a window is too large');
    }
  }

  /** One chunk of each stream in turn. */
  #resumeBlocked(): void {
    const blocked = this.#blocked;
    while (this.sendWindow > 0 && blocked.size > 0) {
      for (const stream of blocked) {
        blocked.delete(stream);
        stream.sendWaiting(1);
        break;
      }
    }
  }

  #onReset(streamId: number, bytes: Buffer, at: number, length: number): void {
    if (length !== 4) {
      this.onBadFrame(true);
      return;
    }
    if (this.isIdleStream(streamId)) {
      this.fail(ErrorCode.ProtocolError, 'RST_STREAM of a stream that has not begun');
      return;
    }
    this.options.stats.rxReset.inc();
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    stream.onPeerReset(readUint32(bytes, at));
  }

  #onSettings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (streamId !== 0) {
      this.fail(ErrorCode.ProtocolError, 'SETTINGS of a stream');
      return;
    }
    if ((flags & Flag.Ack) !== 0) {
      if (length !== 0) this.onBadFrame(true);
      return;
    }
    if (length % 6 !== 0) {
      this.onBadFrame(true);
      return;
    }
    const before = this.peer.initialWindow;
    const problem = this.peer.read(bytes, start, end);
    if (problem !== undefined) {
      this.fail(problem.code, problem.reason);
      return;
    }
    this.output.frame(FrameType.Settings, Flag.Ack, 0, NOTHING);
    if (this.guard.isOutputFlood()) {
      this.fail(ErrorCode.EnhanceYourCalm, 'too much waits for a peer that does not read');
      return;
    }
    const change = this.peer.initialWindow - before;
    if (change !== 0) {
      for (const stream of [...this.streams.values()]) {
        if (stream.widenSendWindow(change)) continue;
        this.fail(ErrorCode.FlowControlError, 'a window is too large');
        return;
      }
    }
    this.onSettings();
  }

  #onPing(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) {
      this.fail(ErrorCode.ProtocolError, 'PING of a stream');
    } else if (end - start !== 8) {
      this.onBadFrame(true);
    } else if ((flags & Flag.Ack) === 0) {
      this.output.frame(FrameType.Ping, Flag.Ack, 0, bytes.subarray(start, end));
      if (this.guard.isOutputFlood()) {
        this.fail(ErrorCode.EnhanceYourCalm, 'too much waits for a peer that does not read');
      }
    } else if (bytes[end - 1] === KEEPALIVE) {
      this.keepalive?.onAnswer();
    } else if (bytes[end - 1] === DRAIN) {
      this.onDrainAcknowledged();
    }
  }

  #onPriority(streamId: number, bytes: Buffer, at: number, length: number): void {
    if (streamId === 0) {
      this.fail(ErrorCode.ProtocolError, 'PRIORITY without a stream');
    } else if (length !== 5) {
      this.streamError(streamId, ErrorCode.FrameSizeError, 'a PRIORITY frame has an impossible length');
    } else if (this.guard.isPriorityFlood()) {
      this.fail(ErrorCode.EnhanceYourCalm, 'too many PRIORITY frames');
    } else if (readId(bytes, at) === streamId) {
      this.streamError(streamId, ErrorCode.ProtocolError, 'a stream depends on itself');
    }
  }

  #ping(purpose: number): void {
    const payload = Buffer.alloc(8);
    payload[7] = purpose;
    this.output.frame(FrameType.Ping, 0, 0, payload);
  }

  sendKeepalivePing(): void {
    if (!this.isClosing) this.#ping(KEEPALIVE);
  }

  onKeepaliveTimeout(): void {
    this.options.stats.keepaliveTimeout.inc();
    this.socket.destroy();
  }

  #onClose(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isClosing = true;
    this.#reader.stop();
    this.output.close();
    this.keepalive?.stop();
    this.#batch.enter();
    try {
      this.onSocketClose();
    } finally {
      this.#batch.leave();
    }
  }

  /** Reads nothing more. */
  protected stopReading(): void {
    this.isClosing = true;
    this.#reader.stop();
  }

  /** Every stream ends by the connection's fault. */
  protected loseStreams(reason: Parameters<Http2Stream['onLost']>[0], details: string): void {
    for (const stream of [...this.streams.values()]) stream.onLost(reason, details);
  }
}
