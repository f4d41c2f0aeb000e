import type { HeaderMap, RequestHead, ResponseHead } from '@heddle/engine';
import type {
  Cancellable,
  ConnectionPool,
  DownstreamConnection,
  PoolCallbacks,
  PoolFailureReason,
  RequestReceiver,
  RequestSender,
  ResetReason,
  ResponseReceiver,
  ResponseSender,
  ServerConnectionCallbacks,
  UpstreamConnection,
} from './stream.js';

/** What a stream was made to send, in order. */
export type SentEvent =
  | { readonly kind: 'request-headers'; readonly head: RequestHead; readonly endStream: boolean }
  | {
      readonly kind: 'informational' | 'response-headers';
      readonly head: ResponseHead;
      readonly endStream: boolean;
    }
  | { readonly kind: 'data'; readonly chunk: Buffer; readonly endStream: boolean }
  | { readonly kind: 'trailers'; readonly trailers: HeaderMap }
  | { readonly kind: 'reset'; readonly reason: ResetReason };

/** What both kinds of fake streams have in common: a record of what was sent, and the reading switch. */
class FakeStream {
  readonly sent: SentEvent[] = [];
  bufferedBytes = 0;
  #readDisableCount = 0;
  #sendEnded = false;
  #isReset = false;

  /** Whether the stream's owner has asked to stop reading. */
  get isReadDisabled(): boolean {
    return this.#readDisableCount > 0;
  }

  get isReset(): boolean {
    return this.#isReset;
  }

  /** Whether the stream's owner has ended what it sends. */
  get sendEnded(): boolean {
    return this.#sendEnded;
  }

  /** The data sent so far, put together. */
  get sentBody(): Buffer {
    return Buffer.concat(this.sent.flatMap((event) => (event.kind === 'data' ? [event.chunk] : [])));
  }

  readDisable(disable: boolean): void {
    this.#readDisableCount += disable ? 1 : -1;
    if (this.#readDisableCount < 0) throw new Error('reading was enabled more often than disabled');
  }

  reset(reason: ResetReason): void {
    if (this.#isReset) return;
    this.#isReset = true;
    this.sent.push({ kind: 'reset', reason });
    this.onOver();
  }

  /** The owner breaks the contract by sending after its end: better to hear of it at once. */
  protected record(event: SentEvent, endStream: boolean): void {
    if (this.#isReset) throw new Error(`${event.kind} was sent after a reset`);
    if (this.#sendEnded) throw new Error(`${event.kind} was sent after the end of the stream`);
    this.sent.push(event);
    if (endStream) this.#sendEnded = true;
  }

  protected markReset(): void {
    this.#isReset = true;
  }

  protected onOver(): void {
    // Nothing to give back.
  }
}

/** An upstream stream: records the request, and sends the response that the test wants. */
export class FakeUpstreamStream extends FakeStream implements RequestSender {
  readonly connection: UpstreamConnection;
  readonly #onOver: (stream: FakeUpstreamStream) => void;
  #receiver: ResponseReceiver | undefined;
  #responseEnded = false;
  #isOver = false;

  constructor(connection: UpstreamConnection, onOver: (stream: FakeUpstreamStream) => void) {
    super();
    this.connection = connection;
    this.#onOver = onOver;
  }

  attach(receiver: ResponseReceiver): void {
    this.#receiver = receiver;
  }

  get anythingSent(): boolean {
    return this.sent.some((event) => event.kind !== 'reset');
  }

  /** The head of the request, once it was sent. */
  get requestHead(): RequestHead | undefined {
    for (const event of this.sent) if (event.kind === 'request-headers') return event.head;
    return undefined;
  }

  sendRequestHeaders(head: RequestHead, endStream: boolean): void {
    this.record({ kind: 'request-headers', head, endStream }, endStream);
    this.#checkOver();
  }

  sendRequestData(chunk: Buffer, endStream: boolean): void {
    this.record({ kind: 'data', chunk, endStream }, endStream);
    this.#checkOver();
  }

  sendRequestTrailers(trailers: HeaderMap): void {
    this.record({ kind: 'trailers', trailers }, true);
    this.#checkOver();
  }

  respondInformational(head: ResponseHead): void {
    this.#live()?.onInformational(head);
  }

  respondHeaders(head: ResponseHead, endStream: boolean): void {
    const receiver = this.#live();
    this.#responseEnded = endStream;
    receiver?.onResponseHeaders(head, endStream);
    this.#checkOver();
  }

  respondData(chunk: Buffer, endStream: boolean): void {
    const receiver = this.#live();
    this.#responseEnded = endStream;
    receiver?.onResponseData(chunk, endStream);
    this.#checkOver();
  }

  respondTrailers(trailers: HeaderMap): void {
    const receiver = this.#live();
    this.#responseEnded = true;
    receiver?.onResponseTrailers(trailers);
    this.#checkOver();
  }

  /** The server resets this stream alone. */
  respondReset(reason: ResetReason, details = reason as string): void {
    const receiver = this.#live();
    this.markReset();
    this.onOver();
    receiver?.onReset(reason, details);
  }

  /** Moves the stream's watermark. */
  setAboveHighWatermark(above: boolean): void {
    if (above) this.#live()?.onAboveWriteBufferHighWatermark();
    else this.#live()?.onBelowWriteBufferLowWatermark();
  }

  protected override onOver(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onOver(this);
  }

  #live(): ResponseReceiver | undefined {
    return this.isReset || this.#isOver ? undefined : this.#receiver;
  }

  #checkOver(): void {
    if (this.#responseEnded && this.sendEnded) this.onOver();
  }
}

interface FakeConnection extends UpstreamConnection {
  readonly streams: Set<FakeUpstreamStream>;
  requestsBefore: number;
}

export interface FakeMultiplexPoolOptions {
  /** As HTTP/2's SETTINGS_MAX_CONCURRENT_STREAMS. Default 100. */
  readonly maxStreamsPerConnection?: number;
  /** Default true: a stream is ready inside `newStream`. False: it waits for `connectNow` or `failNow`. */
  readonly connectsAtOnce?: boolean;
}

/** A pool whose connections carry many streams, as HTTP/2's do; without any socket. For tests. */
export class FakeMultiplexPool implements ConnectionPool {
  onIdle: (() => void) | undefined;
  /** Every stream that was given, in order. */
  readonly streams: FakeUpstreamStream[] = [];
  readonly #connections = new Set<FakeConnection>();
  readonly #pending = new Set<PoolCallbacks>();
  readonly #maxStreams: number;
  readonly #connectsAtOnce: boolean;
  #nextId = 1;
  #isDraining = false;

  constructor(options: FakeMultiplexPoolOptions = {}) {
    this.#maxStreams = options.maxStreamsPerConnection ?? 100;
    this.#connectsAtOnce = options.connectsAtOnce ?? true;
  }

  get activeStreams(): number {
    let active = 0;
    for (const connection of this.#connections) active += connection.streams.size;
    return active;
  }

  get connections(): number {
    return this.#connections.size;
  }

  get pendingStreams(): number {
    return this.#pending.size;
  }

  newStream(callbacks: PoolCallbacks): Cancellable | undefined {
    if (this.#isDraining) {
      callbacks.onPoolFailure('connection-failure', 'the pool is draining');
      return undefined;
    }
    if (this.#connectsAtOnce || this.#free() !== undefined) {
      this.#give(callbacks);
      return undefined;
    }
    this.#pending.add(callbacks);
    return { cancel: () => void this.#pending.delete(callbacks) };
  }

  /** Gives every stream that waits. */
  connectNow(): void {
    for (const callbacks of [...this.#pending]) if (this.#pending.delete(callbacks)) this.#give(callbacks);
  }

  /** Refuses every stream that waits. */
  failNow(reason: PoolFailureReason, details = reason as string): void {
    for (const callbacks of [...this.#pending]) {
      if (this.#pending.delete(callbacks)) callbacks.onPoolFailure(reason, details);
    }
  }

  drain(): void {
    this.#isDraining = true;
    for (const connection of [...this.#connections]) this.#closeIfUnused(connection);
    this.#checkIdle();
  }

  /** All streams of all connections end with `connection-termination`. */
  close(): void {
    this.#isDraining = true;
    this.failNow('connection-failure', 'the pool was closed');
    for (const connection of [...this.#connections]) {
      for (const stream of [...connection.streams]) stream.respondReset('connection-termination');
      this.#closeIfUnused(connection);
    }
    this.#checkIdle();
  }

  #free(): FakeConnection | undefined {
    for (const connection of this.#connections)
      if (connection.streams.size < this.#maxStreams) return connection;
    return undefined;
  }

  #give(callbacks: PoolCallbacks): void {
    const connection = this.#free() ?? this.#connect();
    const stream = new FakeUpstreamStream({ ...connection }, (over) => this.#onOver(connection, over));
    connection.requestsBefore++;
    connection.streams.add(stream);
    this.streams.push(stream);
    stream.attach(callbacks.onPoolReady(stream));
  }

  #connect(): FakeConnection {
    const connection: FakeConnection = {
      id: this.#nextId++,
      localAddress: '127.0.0.1',
      localPort: 40_000 + this.#nextId,
      protocol: 'HTTP/2',
      requestsBefore: 0,
      streams: new Set(),
    };
    this.#connections.add(connection);
    return connection;
  }

  #onOver(connection: FakeConnection, stream: FakeUpstreamStream): void {
    connection.streams.delete(stream);
    if (this.#isDraining) this.#closeIfUnused(connection);
    this.#checkIdle();
  }

  #closeIfUnused(connection: FakeConnection): void {
    if (connection.streams.size === 0) this.#connections.delete(connection);
  }

  #checkIdle(): void {
    if (this.#isDraining && this.#connections.size === 0 && this.#pending.size === 0) this.onIdle?.();
  }
}

/** A downstream stream: the test sends the request, and reads the response that was sent. */
export class FakeDownstreamStream extends FakeStream implements ResponseSender {
  readonly requestHeadBytes = 0;
  readonly responseHeadBytes = 0;
  readonly connection: DownstreamConnection;
  readonly #onOver: (stream: FakeDownstreamStream) => void;
  #receiver: RequestReceiver | undefined;
  #requestEnded = false;
  #isOver = false;

  constructor(connection: DownstreamConnection, onOver: (stream: FakeDownstreamStream) => void) {
    super();
    this.connection = connection;
    this.#onOver = onOver;
  }

  attach(receiver: RequestReceiver): void {
    this.#receiver = receiver;
  }

  /** The final head of the response, once it was sent. */
  get responseHead(): ResponseHead | undefined {
    for (const event of this.sent) if (event.kind === 'response-headers') return event.head;
    return undefined;
  }

  requestHeaders(head: RequestHead, endStream: boolean): void {
    this.#requestEnded = endStream;
    this.#live()?.onRequestHeaders(head, endStream);
  }

  requestData(chunk: Buffer, endStream: boolean): void {
    this.#requestEnded = endStream;
    this.#live()?.onRequestData(chunk, endStream);
    this.#checkOver();
  }

  requestTrailers(trailers: HeaderMap): void {
    this.#requestEnded = true;
    this.#live()?.onRequestTrailers(trailers);
    this.#checkOver();
  }

  /** The client resets this stream alone. */
  requestReset(reason: ResetReason, details = reason as string): void {
    const receiver = this.#live();
    this.markReset();
    this.onOver();
    receiver?.onReset(reason, details);
  }

  /** Moves the stream's watermark. */
  setAboveHighWatermark(above: boolean): void {
    if (above) this.#live()?.onAboveWriteBufferHighWatermark();
    else this.#live()?.onBelowWriteBufferLowWatermark();
  }

  sendInformational(head: ResponseHead): void {
    this.record({ kind: 'informational', head, endStream: false }, false);
  }

  sendResponseHeaders(head: ResponseHead, endStream: boolean): void {
    this.record({ kind: 'response-headers', head, endStream }, endStream);
    this.#checkOver();
  }

  sendResponseData(chunk: Buffer, endStream: boolean): void {
    this.record({ kind: 'data', chunk, endStream }, endStream);
    this.#checkOver();
  }

  sendResponseTrailers(trailers: HeaderMap): void {
    this.record({ kind: 'trailers', trailers }, true);
    this.#checkOver();
  }

  protected override onOver(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onOver(this);
  }

  #live(): RequestReceiver | undefined {
    return this.isReset || this.#isOver ? undefined : this.#receiver;
  }

  #checkOver(): void {
    if (this.#requestEnded && this.sendEnded) this.onOver();
  }
}

/** A downstream connection with many streams at once, as HTTP/2's; without any socket. For tests. */
export class FakeMultiplexServer implements DownstreamConnection {
  readonly id = 1;
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 50_000;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 80;
  readonly protocol = 'HTTP/2';
  readonly connectedAtMs: number;
  readonly #callbacks: ServerConnectionCallbacks;
  readonly #streams = new Set<FakeDownstreamStream>();
  isDraining = false;
  isClosed = false;

  constructor(callbacks: ServerConnectionCallbacks, connectedAtMs = 0) {
    this.#callbacks = callbacks;
    this.connectedAtMs = connectedAtMs;
  }

  get activeStreams(): number {
    return this.#streams.size;
  }

  /** A client begins a stream with this head. */
  request(head: RequestHead, endStream: boolean): FakeDownstreamStream {
    if (this.isDraining || this.isClosed) throw new Error('the connection takes no new stream');
    const stream = new FakeDownstreamStream(this, (over) => {
      this.#streams.delete(over);
      if (this.isDraining && this.#streams.size === 0) this.close();
    });
    this.#streams.add(stream);
    stream.attach(this.#callbacks.newStream(stream));
    stream.requestHeaders(head, endStream);
    return stream;
  }

  drain(): void {
    this.isDraining = true;
    if (this.#streams.size === 0) this.close();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const stream of [...this.#streams]) stream.requestReset('connection-termination');
    this.#callbacks.onClose();
  }
}
