import type { Socket } from 'node:net';
import type { HeaderMap, TlsInfo } from '@heddle/engine';
import type { LentMemory } from '../lent-memory.js';
import { receiveBytes, type ByteReceiver } from '../socket-reads.js';
import type { ResetReason, UpstreamConnection, WatermarkCallbacks } from '../stream.js';
import { BodyWriter } from './body-writer.js';
import { ClientStream } from './client-stream.js';
import type { HeadLimits, HeadScan } from './head-scan.js';
import { HeldWriter } from './held-writer.js';
import { ANOTHER_HEAD, MessageReader, STOP, type MessageSink } from './message-reader.js';
import { badRequest, type ParseFailure } from './parse-failure.js';
import { ResponseHeadReader, UNTIL_CLOSE } from './response-head.js';
import { writeBatch, type WriteBatch } from './write-batch.js';

export interface ClientCodecOptions {
  readonly id: number;
  /** undefined for plain text. */
  readonly tls?: TlsInfo | undefined;
  /** Of the cluster: high watermark of what is buffered for sending; 0 means none. */
  readonly bufferLimitBytes: number;
  readonly maxResponseHeadersBytes: number;
  readonly maxHeadersCount: number;
  readonly preserveHeaderCase: boolean;
  readonly enableTrailers: boolean;
  readonly batch?: WriteBatch;
}

/** Told by a client codec: implemented by its pool. */
export interface ClientConnectionCallbacks {
  /** The stream is over. The connection can carry another one if `codec.isReusable`; otherwise it is closing. */
  onStreamDone(codec: ClientCodecHttp1): void;
  onClose(codec: ClientCodecHttp1): void;
}

/** More 1xx responses to one request than this are an attack. */
const MOST_INFORMATIONAL = 32;

const headReader = new ResponseHeadReader();

/** One upstream HTTP/1.1 connection: one request at a time. The socket is connected, and allows half-open for tunnels. */
export class ClientCodecHttp1 implements UpstreamConnection, ByteReceiver, MessageSink, WatermarkCallbacks {
  readonly id: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly protocol = 'HTTP/1.1';
  readonly tls: TlsInfo | undefined;
  readonly socket: Socket;
  readonly options: ClientCodecOptions;
  readonly writer: HeldWriter;
  readonly body: BodyWriter;
  readonly reader: MessageReader;
  readonly #callbacks: ClientConnectionCallbacks;
  readonly #limits: HeadLimits;
  readonly #batch: WriteBatch;
  #stream: ClientStream | undefined;
  #streams = 0;
  #isClosed = false;
  #isUsable = true;
  #keepAlive = true;
  /** The server said with its last response that it closes the connection. */
  isToldToClose = false;
  #informational = 0;
  #readDisableCount = 0;
  #errorText = '';

  constructor(socket: Socket, callbacks: ClientConnectionCallbacks, options: ClientCodecOptions) {
    this.socket = socket;
    this.options = options;
    this.#callbacks = callbacks;
    this.#batch = options.batch ?? writeBatch;
    this.id = options.id;
    this.tls = options.tls;
    this.localAddress = socket.localAddress ?? '';
    this.localPort = socket.localPort ?? 0;
    this.#limits = {
      maxHeadersBytes: options.maxResponseHeadersBytes,
      maxHeadersCount: options.maxHeadersCount,
    };
    this.writer = new HeldWriter(socket, this.#batch, options.bufferLimitBytes, this);
    this.body = new BodyWriter(this.writer);
    this.reader = new MessageReader(this, this.#limits, false);
    socket.setNoDelay(true);
    receiveBytes(socket, this);
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => this.#onClose());
    socket.on('error', (error: Error) => (this.#errorText = error.message));
  }

  /** Begins a stream; `attach` must follow at once. Only while `isReusable`. */
  newStream(): ClientStream {
    const stream = new ClientStream(this, this.#streams++);
    this.#stream = stream;
    this.#informational = 0;
    return stream;
  }

  /** Whether a stream can begin now. */
  get isReusable(): boolean {
    return this.#isUsable && this.#stream === undefined;
  }

  get hasStream(): boolean {
    return this.#stream !== undefined;
  }

  get requestsBefore(): number {
    return Math.max(0, this.#streams - 1);
  }

  /** Streams that it carried, with the current one. */
  get begunStreams(): number {
    return this.#streams;
  }

  /** Now. A stream on it is told. */
  close(): void {
    this.#isUsable = false;
    this.socket.destroy();
  }

  receive(bytes: Buffer): void {
    if (!this.#mayReceive()) return;
    this.#batch.enter();
    try {
      this.reader.push(bytes);
    } finally {
      this.#batch.leave();
    }
  }

  receiveLent(memory: LentMemory, start: number, end: number): void {
    if (!this.#mayReceive()) return;
    this.#batch.enter();
    try {
      this.reader.pushLent(memory, start, end);
    } finally {
      this.#batch.leave();
    }
  }

  expectedBytes(lastBytes: number): number {
    return this.reader.expectedBytes(lastBytes);
  }

  /** Bytes that nobody asked for, whatever they are, must not answer the next request. */
  #mayReceive(): boolean {
    if (this.#stream === undefined) {
      this.close();
      return false;
    }
    return true;
  }

  onHead(scan: HeadScan): number {
    const stream = this.#stream;
    if (stream === undefined) return this.#refuse(badRequest('a response without a request'));
    const failure = headReader.read(scan, stream.method);
    if (failure !== undefined) return this.#refuse(failure);
    const { head, bodyLength } = headReader;
    if (head === undefined) return STOP;
    head.headers.keepsCase = this.options.preserveHeaderCase;
    if (head.status === 101) {
      if (!stream.wantsUpgrade || head.upgrade === '') {
        return this.#refuse(badRequest('the server changes to a protocol that nobody asked for'));
      }
    } else if (head.status < 200) {
      if (++this.#informational > MOST_INFORMATIONAL) {
        return this.#refuse(badRequest('too many informational responses'));
      }
      stream.onInformational(head);
      return ANOTHER_HEAD;
    }
    const isTunnel = head.status === 101 || (stream.method === 'CONNECT' && head.status < 300);
    this.isToldToClose = !headReader.keepAlive;
    this.#keepAlive = headReader.keepAlive && !stream.wantsTunnel && bodyLength !== UNTIL_CLOSE;
    stream.onHead(head, bodyLength === 0 && !isTunnel, isTunnel);
    if (isTunnel) this.reader.tunnel();
    else if (bodyLength === 0) this.#complete(stream);
    return bodyLength;
  }

  onBody(chunk: Buffer, endOfMessage: boolean): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.onData(chunk, endOfMessage);
    if (endOfMessage && (!stream.isTunnel || stream.requestEnded)) this.#complete(stream);
  }

  onTrailers(trailers: HeaderMap): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.onTrailers(trailers, this.options.enableTrailers);
    this.#complete(stream);
  }

  onFailure(failure: ParseFailure): void {
    this.#fail('protocol-error', failure.reason);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#stream?.receiver?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#stream?.receiver?.onBelowWriteBufferLowWatermark();
  }

  readDisable(disable: boolean): void {
    this.#readDisableCount = Math.max(0, this.#readDisableCount + (disable ? 1 : -1));
    if (this.#readDisableCount > 0) this.socket.pause();
    else if (this.socket.isPaused()) this.socket.resume();
  }

  /** The stream was given up by its owner: the response that may still come must not meet another request. */
  streamReset(stream: ClientStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#isUsable = false;
    this.reader.stop();
    this.socket.destroy();
    this.#callbacks.onStreamDone(this);
  }

  /** The tunnel's request side has ended after its response side. */
  tunnelDone(stream: ClientStream): void {
    if (this.#stream === stream) this.#complete(stream);
  }

  /** The request cannot be written. */
  streamFailed(stream: ClientStream, reason: string): void {
    if (this.#stream === stream) this.#fail('protocol-error', reason);
  }

  #refuse(failure: ParseFailure): number {
    this.#fail('protocol-error', failure.reason);
    return STOP;
  }

  #complete(stream: ClientStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    stream.detach();
    if (!this.#keepAlive || !stream.requestEnded || this.reader.keptBytes > 0) {
      this.#isUsable = false;
      this.reader.stop();
      if (stream.isTunnel) this.socket.destroySoon();
      else this.socket.destroy();
    } else {
      if (this.#readDisableCount > 0) {
        this.#readDisableCount = 0;
        this.socket.resume();
      }
      this.reader.next();
    }
    this.#callbacks.onStreamDone(this);
  }

  #fail(reason: ResetReason, details: string): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#isUsable = false;
    this.reader.stop();
    this.socket.destroy();
    if (stream === undefined) return;
    const receiver = stream.detach();
    if (receiver === undefined) stream.failBeforeAttach(details);
    else receiver.onReset(reason, details);
    this.#callbacks.onStreamDone(this);
  }

  #onEnd(): void {
    this.#batch.enter();
    try {
      const stream = this.#stream;
      if (stream !== undefined && !this.reader.end() && (this.#stream !== stream || stream.isTunnel)) return;
      this.#failClosed();
    } finally {
      this.#batch.leave();
    }
  }

  #failClosed(): void {
    const stream = this.#stream;
    const cause = this.#errorText === '' ? '' : `: ${this.#errorText}`;
    if (stream !== undefined && this.reader.isInHead) {
      // As Envoy does: half a head is no message.
      this.#fail('protocol-error', `the server closed the connection within a response head${cause}`);
    } else if (stream?.responseBegun === true) {
      this.#fail('remote-reset', `the server closed the connection in the middle of its response${cause}`);
    } else {
      const kind = stream !== undefined && stream.connectionWasReused ? 'a reused' : 'the';
      this.#fail('connection-termination', `the server closed ${kind} connection before a response${cause}`);
    }
  }

  #onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#batch.enter();
    try {
      this.#failClosed();
      this.#callbacks.onClose(this);
    } finally {
      this.#batch.leave();
    }
  }
}
