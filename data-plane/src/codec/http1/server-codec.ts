import type { Socket } from 'node:net';
import { STATUS_CODES } from 'node:http';
import { HeaderMap, type HttpConnectionManagerConfig } from '@heddle/engine';
import type { LentMemory } from '../lent-memory.js';
import { LingeringClose } from '../lingering-close.js';
import { receiveBytes, type ByteReceiver } from '../socket-reads.js';
import type { DownstreamConnection, ServerConnectionCallbacks, WatermarkCallbacks } from '../stream.js';
import { BodyWriter } from './body-writer.js';
import { createDeadline, type Deadlines } from './deadline-queue.js';
import type { HeadScan } from './head-scan.js';
import { fieldText, statusLine } from './head-text.js';
import { HeldWriter } from './held-writer.js';
import { HOLD, MessageReader, STOP, type MessageSink } from './message-reader.js';
import type { ParseFailure } from './parse-failure.js';
import { RequestHeadReader, type RequestHeadOptions } from './request-head.js';
import { ServerStream } from './server-stream.js';
import { writeBatch, type WriteBatch } from './write-batch.js';

/** The part of a connection manager's configuration that its HTTP/1.1 codec keeps. */
export type ServerCodecConfig = Pick<
  HttpConnectionManagerConfig,
  | 'maxRequestHeadersBytes'
  | 'maxHeadersCount'
  | 'acceptHttp10'
  | 'allowAbsoluteUrl'
  | 'allowChunkedLength'
  | 'headersWithUnderscoresAction'
  | 'preserveHeaderCase'
  | 'enableTrailers'
  | 'requestHeadersTimeoutMs'
  | 'idleTimeoutMs'
  | 'delayedCloseTimeoutMs'
  | 'maxConnectionDurationMs'
  | 'maxRequestsPerConnection'
  | 'serverName'
  | 'serverHeaderTransformation'
>;

export interface ServerCodecOptions {
  readonly config: ServerCodecConfig;
  /** Of the listener: high watermark of what is buffered for sending; 0 means none. */
  readonly bufferLimitBytes: number;
  /** Those of this thread. */
  readonly deadlines: Deadlines;
  readonly id: number;
  /** `http`, or `https` on a TLS connection. */
  readonly scheme: string;
  /** Where the client wanted to go, when that is not the socket's own address. */
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  readonly batch?: WriteBatch;
}

const headReader = new RequestHeadReader();

/** A connection whose drain closes idle ones is closed when nothing has come for so long. */
export const DRAINED_WHEN_IDLE_MS = 500;

/**
 * One downstream HTTP/1.1 connection: reads requests one after another, writes their responses.
 *
 * A pipelined request is not read before the response to the one ahead of it has been written; the socket is paused then.
 * The socket should allow half-open connections (`allowHalfOpen`), which tunnels need.
 * Source: RFC 9112; Envoy's behaviour where the RFC leaves a choice (426 for other versions, 501 for unknown transfer
 * codings, 431 for limits, 400 for everything else; a close in the middle of a request ends it).
 */
export class ServerCodecHttp1 implements DownstreamConnection, ByteReceiver, MessageSink, WatermarkCallbacks {
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly protocol = 'HTTP/1.1';
  readonly connectedAtMs: number;

  readonly socket: Socket;
  readonly config: ServerCodecConfig;
  readonly writer: HeldWriter;
  readonly body: BodyWriter;
  readonly reader: MessageReader;
  readonly #headOptions: RequestHeadOptions;
  readonly #callbacks: ServerConnectionCallbacks;
  readonly #deadlines: Deadlines;
  readonly #batch: WriteBatch;
  #stream: ServerStream | undefined;
  #requests = 0;
  #isDraining = false;
  #closesIdle = false;
  #isClosing = false;
  #isClosed = false;
  #readDisableCount = 0;
  #waitsForResponse = false;
  readonly #idle = createDeadline(() => this.#onIdleTimeout());
  readonly #headDeadline = createDeadline(() => this.#onHeadTimeout());
  readonly #lifetime = createDeadline(() => this.#onOld());
  readonly #lingering: LingeringClose;

  constructor(socket: Socket, callbacks: ServerConnectionCallbacks, options: ServerCodecOptions) {
    const { config, deadlines } = options;
    this.socket = socket;
    this.config = config;
    this.#callbacks = callbacks;
    this.#deadlines = deadlines;
    this.#batch = options.batch ?? writeBatch;
    this.id = options.id;
    this.remoteAddress = options.remoteAddress ?? socket.remoteAddress ?? '';
    this.remotePort = options.remotePort ?? socket.remotePort ?? 0;
    this.localAddress = options.localAddress ?? socket.localAddress ?? '';
    this.localPort = options.localPort ?? socket.localPort ?? 0;
    this.connectedAtMs = deadlines.clock.monotonicMs();
    this.#lingering = new LingeringClose(socket, deadlines, config.delayedCloseTimeoutMs);
    this.#headOptions = {
      maxHeadersBytes: config.maxRequestHeadersBytes,
      maxHeadersCount: config.maxHeadersCount,
      acceptHttp10: config.acceptHttp10,
      allowAbsoluteUrl: config.allowAbsoluteUrl,
      allowChunkedLength: config.allowChunkedLength,
      headersWithUnderscoresAction: config.headersWithUnderscoresAction,
      scheme: options.scheme,
    };
    this.writer = new HeldWriter(socket, this.#batch, options.bufferLimitBytes, this);
    this.body = new BodyWriter(this.writer);
    this.reader = new MessageReader(this, this.#headOptions, true);
    socket.setNoDelay(true);
    receiveBytes(socket, this);
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => this.#onClose());
    // 'close' follows every error.
    socket.on('error', ignore);
    // It may have been accepted paused.
    socket.resume();
    deadlines.set(this.#idle, config.idleTimeoutMs);
    deadlines.set(this.#lifetime, config.maxConnectionDurationMs);
  }

  /** Takes bytes of the connection: the socket's, and those that a listener filter read before this codec was made. */
  receive(chunk: Buffer): void {
    this.#batch.enter();
    try {
      this.reader.push(chunk);
      this.#afterRead();
    } finally {
      this.#batch.leave();
    }
  }

  receiveLent(memory: LentMemory, start: number, end: number): void {
    this.#batch.enter();
    try {
      this.reader.pushLent(memory, start, end);
      this.#afterRead();
    } finally {
      this.#batch.leave();
    }
  }

  expectedBytes(lastBytes: number): number {
    return this.reader.expectedBytes(lastBytes);
  }

  drain(closesIdle = true): void {
    this.#isDraining = true;
    if (!closesIdle || this.#closesIdle) return;
    this.#closesIdle = true;
    // The next request may be on its way already: it is answered, with the word that it was the last.
    if (this.#stream === undefined && this.reader.isBetweenMessages) {
      this.#deadlines.set(this.#idle, DRAINED_WHEN_IDLE_MS);
    }
  }

  close(): void {
    this.reader.stop();
    this.#isClosing = true;
    this.socket.destroy();
  }

  /** Whether this connection takes another request after the current one. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  get requestsServed(): number {
    return this.#requests;
  }

  onHead(scan: HeadScan): number {
    const failure = headReader.read(scan, this.#headOptions);
    if (failure !== undefined) {
      this.onFailure(failure);
      return STOP;
    }
    const { head, bodyLength } = headReader;
    if (head === undefined) return STOP;
    head.headers.keepsCase = this.config.preserveHeaderCase;
    // The idle deadline stays where it is: it does nothing while there is a stream, and is set anew after it.
    if (this.#headDeadline.queue !== undefined) this.#deadlines.clear(this.#headDeadline);
    this.#requests++;
    const { maxRequestsPerConnection } = this.config;
    if (maxRequestsPerConnection > 0 && this.#requests >= maxRequestsPerConnection) {
      this.#callbacks.onConnectionLimit?.('requests');
      this.#isDraining = true;
    }
    const isTunnel = head.upgrade !== '' || head.method === 'CONNECT';
    const stream = new ServerStream(this, head, scan.text.length, headReader.keepAlive);
    this.#stream = stream;
    const receiver = this.#callbacks.newStream(stream);
    stream.begin(receiver, bodyLength === 0 && !isTunnel);
    if (this.writer.isAboveHighWatermark) receiver.onAboveWriteBufferHighWatermark();
    receiver.onRequestHeaders(head, bodyLength === 0 && !isTunnel);
    return isTunnel ? HOLD : bodyLength;
  }

  onBody(chunk: Buffer, endOfMessage: boolean): void {
    this.#stream?.onBody(chunk, endOfMessage);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#stream?.onTrailers(trailers, this.config.enableTrailers);
  }

  onFailure(failure: ParseFailure): void {
    const stream = this.#stream;
    this.#stream = undefined;
    const receiver = stream?.detach();
    const body = failure.body ?? STATUS_CODES[failure.status] ?? 'Bad Request';
    if (stream === undefined || !stream.hasResponded) this.#answer(failure.status, body);
    if (stream === undefined)
      this.#callbacks.onProtocolError(failure.status, failure.details, failure.reason, body.length);
    else receiver?.onReset('protocol-error', failure.reason);
    this.closeAfterWrites();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#stream?.receiver?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#stream?.receiver?.onBelowWriteBufferLowWatermark();
  }

  readDisable(disable: boolean): void {
    this.#readDisableCount += disable ? 1 : -1;
    if (this.#readDisableCount < 0) this.#readDisableCount = 0;
    this.#applyReading();
  }

  /** Both directions of the stream are done with. */
  streamDone(stream: ServerStream, keepAlive: boolean): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#readDisableCount = 0;
    if (!keepAlive) {
      this.closeAfterWrites();
      return;
    }
    this.#waitsForResponse = false;
    // Where the drain began after the head of the answer, the client was not told and may have sent the next request already.
    this.#deadlines.set(this.#idle, this.#closesIdle ? DRAINED_WHEN_IDLE_MS : this.config.idleTimeoutMs);
    this.reader.next();
    this.#afterRead();
  }

  /** The stream was given up: with HTTP/1.1 nothing can follow. */
  streamReset(stream: ServerStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.close();
  }

  /** Sends what is written, then our end, and gives the client time to read it. */
  closeAfterWrites(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.reader.stop();
    this.#deadlines.clear(this.#idle);
    this.#deadlines.clear(this.#headDeadline);
    this.writer.flush();
    this.#lingering.begin();
  }

  /** `body` is ASCII. */
  #answer(status: number, body: string): void {
    const headers = new HeaderMap();
    headers.append('content-length', String(body.length));
    if (body !== '') headers.append('content-type', 'text/plain');
    headers.append('date', new Date(this.#deadlines.clock.nowMs()).toUTCString());
    const { serverName, serverHeaderTransformation } = this.config;
    if (serverHeaderTransformation !== 'pass-through') headers.append('server', serverName);
    const fields = fieldText(headers);
    this.writer.write(`${statusLine(status)}${fields}\r\nconnection: close\r\n\r\n${body}`);
  }

  #afterRead(): void {
    if (this.#isClosing) return;
    const { reader } = this;
    if (reader.isInHead) {
      if (this.#headDeadline.queue === undefined) {
        this.#deadlines.set(this.#headDeadline, this.config.requestHeadersTimeoutMs);
      }
    } else if (this.#stream !== undefined && reader.keptBytes > 0 && !this.#waitsForResponse) {
      this.#waitsForResponse = true;
      this.#applyReading();
      return;
    }
    if (this.socket.isPaused()) this.#applyReading();
  }

  /** Bytes that were held for a tunnel flow again. */
  resumeTunnel(): void {
    this.#waitsForResponse = false;
    this.reader.tunnel();
    this.#applyReading();
  }

  #applyReading(): void {
    if (this.#isClosing) return;
    if (this.#readDisableCount > 0 || this.#waitsForResponse) this.socket.pause();
    else if (this.socket.isPaused()) this.socket.resume();
  }

  #onOld(): void {
    this.#callbacks.onConnectionLimit?.('duration');
    this.drain();
  }

  #onIdleTimeout(): void {
    if (this.#stream !== undefined) return;
    if (this.reader.isBetweenMessages) setImmediate(() => this.#closeIfStillIdle());
    else this.closeAfterWrites();
  }

  /**
   * After a turn in which sockets were read: a request that had arrived while this thread was busy is answered, and not cut off by a
   * timer that was late as well.
   */
  #closeIfStillIdle(): void {
    if (this.#isClosing || this.#stream !== undefined || this.#idle.queue !== undefined) return;
    if (this.reader.isBetweenMessages) {
      if (!this.#isDraining) this.#callbacks.onConnectionLimit?.('idle');
      this.closeAfterWrites();
    } else this.#deadlines.set(this.#idle, this.config.idleTimeoutMs);
  }

  #onHeadTimeout(): void {
    if (!this.reader.isInHead || this.#stream !== undefined) return;
    this.onFailure({
      status: 408,
      details: 'request_header_timeout',
      reason: 'the head of the request did not arrive in time',
      body: 'request header timeout',
    });
  }

  #onEnd(): void {
    this.#batch.enter();
    try {
      const stream = this.#stream;
      if (stream?.isTunnel === true) {
        this.reader.end();
      } else if (stream !== undefined) {
        this.close();
      } else {
        this.closeAfterWrites();
      }
    } finally {
      this.#batch.leave();
    }
  }

  #onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isClosing = true;
    this.reader.stop();
    for (const deadline of [this.#idle, this.#headDeadline, this.#lifetime]) this.#deadlines.clear(deadline);
    this.#lingering.cancel();
    const stream = this.#stream;
    this.#stream = undefined;
    this.#batch.enter();
    try {
      stream?.detach()?.onReset('connection-termination', 'the client closed the connection');
      this.#callbacks.onClose();
    } finally {
      this.#batch.leave();
    }
  }
}

function ignore(): void {
  // Nothing to do.
}
