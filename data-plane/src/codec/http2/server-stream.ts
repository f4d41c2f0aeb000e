import type { HeaderMap, RequestHead, ResponseHead } from '@heddle/engine';
import { createDeadline, type Deadline } from '../http1/deadline-queue.js';
import type {
  DownstreamConnection,
  RequestReceiver,
  ResetReason,
  ResponseSender,
  WatermarkCallbacks,
} from '../stream.js';
import { cleanTrailers, NO_LENGTH, type FieldSection } from './field-section.js';
import { ErrorCode, errorName } from './frame.js';
import { Http2Stream } from './http2-stream.js';
import type { ServerCodecHttp2 } from './server-codec.js';

const NOTHING = Buffer.alloc(0);

/** One request and its response on a downstream HTTP/2 connection. */
export class Http2ServerStream extends Http2Stream implements ResponseSender {
  readonly requestHeadBytes: number;
  responseHeadBytes = 0;
  readonly #codec: ServerCodecHttp2;
  readonly #isHead: boolean;
  /** Asked for by an extended CONNECT. */
  readonly #isTunnel: boolean;
  readonly #isConnect: boolean;
  /** What was asked for was granted. */
  #isTunnelOpen = false;
  readonly #startedAtMs: number;
  #receiver: RequestReceiver | undefined = undefined;
  #responseBegun = false;
  /** Runs while an answer that its maker is done with waits for a client that takes nothing. */
  #flush: Deadline | undefined = undefined;

  constructor(
    codec: ServerCodecHttp2,
    id: number,
    head: RequestHead,
    section: FieldSection,
    endStream: boolean,
  ) {
    super(codec);
    this.id = id;
    this.#codec = codec;
    this.#isHead = head.method === 'HEAD';
    this.#isTunnel = head.upgrade !== '';
    this.#isConnect = head.method === 'CONNECT';
    this.requestHeadBytes = section.bytes;
    this.remoteEnded = endStream;
    this.#startedAtMs = codec.options.deadlines.clock.monotonicMs();
    if (section.contentLength !== NO_LENGTH) this.expectLength(section.contentLength);
  }

  get connection(): DownstreamConnection & ServerCodecHttp2 {
    return this.#codec;
  }

  /** Tells the receiver of the request. It may answer, or give the stream up, inside this call. */
  begin(receiver: RequestReceiver, head: RequestHead, endStream: boolean): void {
    if (this.isClosed) return;
    if (endStream && !this.isLengthRight) {
      this.onStreamError(ErrorCode.ProtocolError, 'there is no body, but a content-length');
      receiver.onReset('protocol-error', 'there is no body, but a content-length');
      return;
    }
    this.#receiver = receiver;
    this.checkWatermarks();
    receiver.onRequestHeaders(head, endStream);
  }

  onHeaders(section: FieldSection, endStream: boolean): void {
    // Source: RFC 9113 section 8.1: trailers end the stream (CVE-2026-73513).
    const trailers = endStream ? section.toTrailers() : undefined;
    if (trailers === undefined || !('names' in trailers) || !this.isLengthRight) {
      this.#codec.options.stats.rxMessagingError.inc();
      this.onStreamError(
        ErrorCode.ProtocolError,
        trailers === undefined ? 'HEADERS in the middle of a body' : 'bad trailers',
      );
      return;
    }
    this.remoteEnded = true;
    cleanTrailers(trailers);
    if (trailers.length > 0) this.#receiver?.onRequestTrailers(trailers);
    else this.#receiver?.onRequestData(NOTHING, true);
    this.#finishIfDone();
  }

  protected onBody(chunk: Buffer, endStream: boolean): void {
    this.#receiver?.onRequestData(chunk, endStream);
    if (endStream) this.#finishIfDone();
  }

  onPeerReset(code: number): void {
    const { config, deadlines } = this.#codec.options;
    // One that its client gives up at once was not meant.
    const isEarly = deadlines.clock.monotonicMs() - this.#startedAtMs < config.prematureResetMs;
    const receiver = this.#end(isEarly);
    receiver?.onReset('remote-reset', `the client reset the stream with ${errorName(code)}`);
  }

  onLost(reason: ResetReason, details: string): void {
    this.#detach()?.onReset(reason, details);
  }

  onStreamError(code: number, reason: string): void {
    if (this.isClosed) return;
    this.#codec.sendReset(this.id, code);
    this.#end(true)?.onReset('protocol-error', reason);
  }

  sendInformational(head: ResponseHead): void {
    if (this.isClosed || this.#responseBegun) return;
    head.headers.remove('content-length');
    this.#codec.heads.response(this.id, head.status, head.headers, false);
  }

  sendResponseHeaders(head: ResponseHead, endStream: boolean): void {
    if (this.isClosed || this.#responseBegun) return;
    this.#responseBegun = true;
    let { status } = head;
    const { headers } = head;
    if (status === 101) {
      if (!this.#isTunnel) {
        // Nobody asked for another protocol.
        this.reset('protocol-error');
        return;
      }
      status = 200;
    }
    this.#isTunnelOpen = head.status === 101 || (this.#isConnect && status < 300);
    if (status === 204 || this.#isTunnelOpen) headers.remove('content-length');
    else if (endStream && !this.#isHead && status !== 304 && headers.get('content-length') !== '0') {
      headers.remove('content-length');
    }
    this.responseHeadBytes = this.#codec.heads.response(this.id, status, headers, endStream);
    if (endStream) {
      this.localEnded = true;
      this.onSent();
    }
  }

  sendResponseData(chunk: Buffer, endStream: boolean): void {
    if (this.isClosed || !this.#responseBegun || this.localEnded) return;
    this.writeData(chunk, endStream);
    if (endStream) this.#awaitFlush();
  }

  sendResponseTrailers(trailers: HeaderMap): void {
    if (this.isClosed || !this.#responseBegun || this.localEnded) return;
    this.writeTrailers(trailers);
    this.#awaitFlush();
  }

  reset(reason: ResetReason): void {
    if (this.isClosed) return;
    this.#codec.sendReset(
      this.id,
      reason === 'protocol-error' ? ErrorCode.ProtocolError : ErrorCode.InternalError,
    );
    this.#end(false);
  }

  protected get watermarks(): WatermarkCallbacks | undefined {
    return this.#receiver;
  }

  protected onSent(): void {
    if (this.isClosed) return;
    if (this.#flush !== undefined) this.#codec.options.deadlines.clear(this.#flush);
    // A tunnel closes one way at a time.
    if (!this.remoteEnded && this.#isTunnelOpen) return;
    // Source: RFC 9113 section 8.1: what the client still sends is not wanted.
    if (!this.remoteEnded) this.#codec.sendReset(this.id, ErrorCode.NoError);
    this.#end(false);
  }

  /** The receiver is done; what waits here has to be taken within the time that a stream may idle. */
  #awaitFlush(): void {
    if (this.isClosed || !this.hasWaiting) return;
    if (this.remoteEnded) this.#receiver = undefined;
    const { deadlines } = this.#codec.options;
    this.#flush = createDeadline(() => this.#onNotTaken());
    deadlines.set(this.#flush, this.#codec.config.streamIdleTimeoutMs);
  }

  override sendWaiting(most?: number): void {
    super.sendWaiting(most);
    if (this.#flush !== undefined && this.hasWaiting) {
      this.#codec.options.deadlines.set(this.#flush, this.#codec.config.streamIdleTimeoutMs);
    }
  }

  #onNotTaken(): void {
    if (this.isClosed) return;
    this.#codec.sendReset(this.id, ErrorCode.Cancel);
    this.#end(false)?.onReset('local-reset', 'the client did not take the response in time');
  }

  #finishIfDone(): void {
    if (!this.isClosed && this.localEnded && !this.hasWaiting) this.#end(false);
  }

  /** The stream is over, and counts; `isByPeer`: before its time. Returns who is to be told. */
  #end(isByPeer: boolean): RequestReceiver | undefined {
    const receiver = this.#detach();
    this.#codec.judge(isByPeer);
    return receiver;
  }

  #detach(): RequestReceiver | undefined {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (this.isClosed) return undefined;
    this.forget();
    if (this.#flush !== undefined) this.#codec.options.deadlines.clear(this.#flush);
    this.#codec.removeStream(this);
    return receiver;
  }
}
