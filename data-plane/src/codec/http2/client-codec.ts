import type { Socket } from 'node:net';
import type { Http2Config, TlsInfo } from '@heddle/engine';
import type { ResetReason, UpstreamConnection } from '../stream.js';
import { Http2ClientStream } from './client-stream.js';
import type { FieldSection } from './field-section.js';
import { CLIENT_PREFACE, ErrorCode, errorName, MAX_STREAM_ID, SettingId } from './frame.js';
import { Http2Connection, type Http2ConnectionOptions } from './http2-connection.js';

export interface Http2ClientOptions extends Omit<Http2ConnectionOptions, 'limits' | 'config'> {
  readonly id: number;
  readonly http2: Http2Config;
  /** undefined for plain text. */
  readonly tls?: TlsInfo | undefined;
  readonly maxResponseHeadersBytes: number;
  readonly maxHeadersCount: number;
}

/** Told by a client codec: implemented by its pool. */
export interface Http2ClientCallbacks {
  /** The server takes another number of streams. */
  onRoom(codec: ClientCodecHttp2): void;
  /** A stream is over. */
  onStreamDone(codec: ClientCodecHttp2): void;
  /** It takes no further streams; those that are under way go on. */
  onGoAway(codec: ClientCodecHttp2): void;
  onClose(codec: ClientCodecHttp2): void;
}

const NO_PREFACE = Buffer.alloc(0);

/** One upstream HTTP/2 connection. The socket is connected. */
export class ClientCodecHttp2 extends Http2Connection implements UpstreamConnection {
  readonly id: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly protocol = 'HTTP/2';
  readonly tls: TlsInfo | undefined;
  readonly #callbacks: Http2ClientCallbacks;
  #nextId = 1;
  #begun = 0;
  #isGoingAway = false;
  #errorText = '';

  constructor(socket: Socket, callbacks: Http2ClientCallbacks, options: Http2ClientOptions) {
    const { http2, maxResponseHeadersBytes, maxHeadersCount } = options;
    super(socket, NO_PREFACE, {
      ...options,
      config: http2,
      limits: { maxHeadersBytes: maxResponseHeadersBytes, maxHeadersCount, underscores: 'allow' },
    });
    this.#callbacks = callbacks;
    this.id = options.id;
    this.tls = options.tls;
    this.localAddress = socket.localAddress ?? '';
    this.localPort = socket.localPort ?? 0;
    socket.on('error', (error: Error) => (this.#errorText = error.message));
    this.output.raw(CLIENT_PREFACE);
    this.begin([
      [SettingId.HeaderTableSize, http2.hpackTableBytes],
      [SettingId.EnablePush, 0],
      [SettingId.InitialWindowSize, this.ownStreamWindow],
    ]);
  }

  /** Begins a stream; `attach` must follow at once. Only while `hasRoom`. */
  newStream(): Http2ClientStream {
    this.#begun++;
    return new Http2ClientStream(this);
  }

  /** Whether it takes another stream now. */
  get hasRoom(): boolean {
    const { maxConcurrentStreams } = this.options.config;
    return (
      this.isUsable && this.streams.size < Math.min(maxConcurrentStreams, this.peer.maxConcurrentStreams)
    );
  }

  /** Whether it takes streams at all. */
  get isUsable(): boolean {
    return !this.isClosing && !this.#isGoingAway && this.#nextId <= MAX_STREAM_ID && !this.socket.destroyed;
  }

  /** Streams that it carried, with those under way. */
  get begunStreams(): number {
    return this.#begun;
  }

  get requestsBefore(): number {
    return Math.max(0, this.#begun - 1);
  }

  /** It takes no further streams, and closes when those under way have ended. */
  drain(): void {
    this.#isGoingAway = true;
    this.#closeIfDone();
  }

  /** Now. Streams on it are told. */
  close(): void {
    this.stopReading();
    this.socket.destroy();
  }

  /** The number of the stream whose head is written next. */
  open(stream: Http2ClientStream): number {
    stream.id = this.#nextId;
    this.#nextId += 2;
    this.addStream(stream);
    this.keepalive?.onNewStream();
    return stream.id;
  }

  /** A stream was given up before its head was written. */
  streamAbandoned(): void {
    this.#callbacks.onStreamDone(this);
  }

  /** Whether a tunnel for that protocol cannot be asked for on this connection. */
  isTunnelRefused(protocol: string): boolean {
    return protocol !== '' && !this.peer.allowsConnect;
  }

  protected onHeaderBlock(streamId: number, _endStream: boolean, _section: FieldSection): void {
    if (this.isIdleStream(streamId)) this.fail(ErrorCode.ProtocolError, 'a response without a request');
    // Else it is of a stream that has ended here.
  }

  protected onGoAway(lastId: number, code: number, debug: string): void {
    this.#isGoingAway = true;
    const why = `the server goes away with ${errorName(code)}${debug === '' ? '' : `: ${debug}`}`;
    for (const stream of [...this.streams.values()]) {
      if (stream.id > lastId) stream.onLost('remote-refused', why);
    }
    this.#callbacks.onGoAway(this);
    this.#closeIfDone();
  }

  protected isIdleStream(streamId: number): boolean {
    return streamId % 2 === 0 || streamId >= this.#nextId;
  }

  protected override onSettings(): void {
    this.#callbacks.onRoom(this);
  }

  protected onStreamOver(): void {
    this.#callbacks.onStreamDone(this);
    this.#closeIfDone();
  }

  protected onConnectionError(_code: number, reason: string): void {
    this.loseStreams('protocol-error', reason);
    this.output.flush();
    this.socket.destroySoon();
  }

  protected onPeerEnd(): void {
    this.stopReading();
    this.socket.destroy();
  }

  protected onSocketClose(): void {
    const cause = this.#errorText === '' ? '' : `: ${this.#errorText}`;
    const reason: ResetReason = 'connection-termination';
    this.loseStreams(reason, `the server closed the connection${cause}`);
    this.#callbacks.onClose(this);
  }

  #closeIfDone(): void {
    if (!this.#isGoingAway || this.streams.size > 0 || this.isClosing) return;
    this.stopReading();
    this.output.flush();
    this.socket.destroySoon();
  }
}
