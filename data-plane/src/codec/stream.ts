import type { HeaderMap, RequestHead, ResponseHead, TlsInfo } from '@heddle/engine';

/**
 * The codec-neutral stream: what HTTP/1.1 and HTTP/2 both look like to everything above them.
 *
 * Rules that every codec keeps:
 * - Chunks are immutable, and their receiver's own until it hands them on. Whoever needs the bytes of one that it also hands on
 *   takes a copy first: once it is written, the memory of a large chunk is read into again (`lent-memory.ts`).
 * - Calls towards a receiver stop after its `onReset`, after `reset()` was called on the stream, and after both directions ended.
 * - A receiver may call back into the stream from inside a callback.
 * - `endStream` is true exactly once for each direction: on the head, the last data, or the trailers.
 */

/** Why a stream ended early. */
export type ResetReason =
  /** The peer closed or broke the connection. */
  | 'connection-termination'
  /** No connection could be made. */
  | 'connection-failure'
  /** The peer reset this stream (HTTP/2), or closed in the middle of a message (HTTP/1.1). */
  | 'remote-reset'
  /** The peer says that it did not process the request (HTTP/2 REFUSED_STREAM, or GOAWAY below our id). */
  | 'remote-refused'
  /** We gave up: time-out, local reply, filter. */
  | 'local-reset'
  /** The peer's message broke the protocol; `details` on the codec's callback says how. */
  | 'protocol-error'
  /** A limit of ours was hit. */
  | 'overflow';

/** What one side does to a stream, whichever direction it sends. */
export interface StreamControl {
  /** Ends both directions now. Nothing is delivered to the local receiver afterwards, not even `onReset`. */
  reset(reason: ResetReason): void;
  /**
   * Stops (true) or resumes (false) reading from the peer; calls nest by count.
   * This is how back-pressure is passed on: whoever cannot write disables reading on the other side.
   */
  readDisable(disable: boolean): void;
  /** Bytes that are accepted for writing and not yet handed to the kernel. */
  readonly bufferedBytes: number;
}

/** Told when what is buffered for sending crosses the connection's or stream's limits. */
export interface WatermarkCallbacks {
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

/** Downstream: a request as it arrives. Implemented by the connection manager, called by a server codec. */
export interface RequestReceiver extends WatermarkCallbacks {
  onRequestHeaders(head: RequestHead, endStream: boolean): void;
  onRequestData(chunk: Buffer, endStream: boolean): void;
  onRequestTrailers(trailers: HeaderMap): void;
  /** The request will not be completed, or the response cannot be delivered. */
  onReset(reason: ResetReason, details: string): void;
}

/** Downstream: where the response is sent. Implemented by a server codec. */
export interface ResponseSender extends StreamControl {
  /** 1xx other than 101. Dropped for HTTP/1.0 clients. */
  sendInformational(head: ResponseHead): void;
  sendResponseHeaders(head: ResponseHead, endStream: boolean): void;
  sendResponseData(chunk: Buffer, endStream: boolean): void;
  sendResponseTrailers(trailers: HeaderMap): void;
  readonly connection: DownstreamConnection;
  /** Bytes of the request's head as it came, and of the response's as it was written (0 before that). */
  readonly requestHeadBytes: number;
  readonly responseHeadBytes: number;
}

/** What is known of the connection a request came by. */
export interface DownstreamConnection {
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly protocol: 'HTTP/1.1' | 'HTTP/2';
  /** Monotonic ms. */
  readonly connectedAtMs: number;
  /**
   * Takes what is in flight, then closes; `Connection: close` or GOAWAY. `closesIdle`, which is the default: one that nothing comes by
   * for a moment is closed as well; else it stays until its client was told.
   */
  drain(closesIdle?: boolean): void;
  /** Now. */
  close(): void;
}

/** A connection of clients, made by a listener's filter chain. Tells its owner about each request and its end. */
export interface ServerConnectionCallbacks {
  /** A request begins: its head follows in the same call stack. */
  newStream(sender: ResponseSender): RequestReceiver;
  /**
   * Bytes that are not a request. The codec has already answered with `status`, and will close if that is HTTP/1.1; 0: a stream
   * of HTTP/2 was reset.
   * `details` is Envoy's code detail, e.g. `http1.codec_error`; `reason` is plain English;
   * `bodyBytes` is the length of the answer's body.
   */
  onProtocolError(status: number, details: string, reason: string, bodyBytes: number): void;
  /** A limit of the connection ends it in good order: it was idle, is too old, or carried as many requests as it may. */
  onConnectionLimit?(limit: 'idle' | 'duration' | 'requests'): void;
  /** The connection itself breaks the protocol, and is closed; its requests are told first. */
  onConnectionError?(reason: string): void;
  onClose(): void;
}

/** Upstream: a response as it arrives. Implemented by the router, called by a client codec. */
export interface ResponseReceiver extends WatermarkCallbacks {
  onInformational(head: ResponseHead): void;
  onResponseHeaders(head: ResponseHead, endStream: boolean): void;
  onResponseData(chunk: Buffer, endStream: boolean): void;
  onResponseTrailers(trailers: HeaderMap): void;
  onReset(reason: ResetReason, details: string): void;
}

/** Upstream: where a request is sent. Implemented by a client codec; obtained from a pool. */
export interface RequestSender extends StreamControl {
  sendRequestHeaders(head: RequestHead, endStream: boolean): void;
  sendRequestData(chunk: Buffer, endStream: boolean): void;
  sendRequestTrailers(trailers: HeaderMap): void;
  /** False only while not one byte of this request has been handed to the kernel: then it is safe to send it elsewhere. */
  readonly anythingSent: boolean;
  readonly connection: UpstreamConnection;
}

/** What is known of the connection a request goes out by. */
export interface UpstreamConnection {
  readonly id: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** `TCP`: bytes as they are. */
  readonly protocol: 'HTTP/1.1' | 'HTTP/2' | 'TCP';
  /** Requests that it carried before this one; > 0 means that it was reused. */
  readonly requestsBefore: number;
  /** undefined for plain text. */
  readonly tls?: TlsInfo | undefined;
}

/** Why a pool could not give a stream. */
export type PoolFailureReason =
  /** max_connections, max_pending_requests or max_requests reached (flag UO). */
  | 'overflow'
  /** The host refused or could not be reached (flag UF). */
  | 'connection-failure'
  /** `connect_timeout` passed (flag UF). */
  | 'connect-timeout';

/** Told once, by one of the two. May be called inside `newStream` when a connection is ready. */
export interface PoolCallbacks {
  onPoolReady(sender: RequestSender): ResponseReceiver;
  onPoolFailure(reason: PoolFailureReason, details: string): void;
}

/** A stream that was asked for and may still be waiting. */
export interface Cancellable {
  cancel(): void;
}

/**
 * The connections to one host, for one protocol. Idle connections are reused last in, first out.
 * After `drain()` idle connections close, busy ones close when their streams end, and no new stream is given.
 */
export interface ConnectionPool {
  /** Returns undefined when a callback was already made. `fresh`: on no connection that has been idle until now. */
  newStream(callbacks: PoolCallbacks, fresh?: boolean): Cancellable | undefined;
  drain(): void;
  /** Closes everything now; streams get `connection-termination`. */
  close(): void;
  readonly activeStreams: number;
  readonly connections: number;
  readonly pendingStreams: number;
  /** Called once everything is closed after `drain()` or `close()`. */
  onIdle: (() => void) | undefined;
}
