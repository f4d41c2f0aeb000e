import type { HeaderMap, RequestHead, ResponseHead } from '@heddle/engine';
import type {
  RequestSender,
  ResetReason,
  ResponseReceiver,
  UpstreamConnection,
  WatermarkCallbacks,
} from '../stream.js';
import type { ClientCodecHttp2 } from './client-codec.js';
import { NO_LENGTH, type FieldSection } from './field-section.js';
import { ErrorCode, errorName } from './frame.js';
import { Http2Stream } from './http2-stream.js';

/** More 1xx responses to one request than this are an attack. */
const MOST_INFORMATIONAL = 32;
const NOTHING = Buffer.alloc(0);

/** One request and its response on an upstream HTTP/2 connection. */
export class Http2ClientStream extends Http2Stream implements RequestSender {
  readonly #codec: ClientCodecHttp2;
  readonly connection: UpstreamConnection & ClientCodecHttp2;
  #receiver: ResponseReceiver | undefined = undefined;
  #earlyFailure = '';
  #isHead = false;
  #tunnel = '';
  #isConnect = false;
  #requestBegun = false;
  #responseBegun = false;
  #informational = 0;
  /** Where in all that the connection writes its head ends. */
  #headAt = 0;

  constructor(codec: ClientCodecHttp2) {
    super(codec);
    this.#codec = codec;
    this.connection = codec;
  }

  attach(receiver: ResponseReceiver): void {
    if (this.#earlyFailure !== '') receiver.onReset('protocol-error', this.#earlyFailure);
    else if (!this.isClosed) {
      this.#receiver = receiver;
      this.checkWatermarks();
    }
  }

  get anythingSent(): boolean {
    return this.#requestBegun && this.#codec.output.flushedBytes >= this.#headAt;
  }

  sendRequestHeaders(head: RequestHead, endStream: boolean): void {
    if (this.isClosed || this.#requestBegun) return;
    const { method, upgrade, headers } = head;
    if (this.#codec.isTunnelRefused(upgrade)) {
      this.#earlyFailure = 'the server takes no extended CONNECT';
      this.#detach()?.onReset('protocol-error', this.#earlyFailure);
      return;
    }
    this.#requestBegun = true;
    this.#tunnel = upgrade;
    this.#isConnect = method === 'CONNECT';
    this.#isHead = method === 'HEAD';
    const isTunnel = upgrade !== '' || this.#isConnect;
    if (isTunnel) headers.remove('content-length');
    const ends = endStream && !isTunnel;
    const id = this.#codec.open(this);
    const wireMethod = upgrade === '' ? method : 'CONNECT';
    this.#codec.heads.request(id, wireMethod, head.scheme, head.authority, head.path, upgrade, headers, ends);
    this.#headAt = this.#codec.output.writtenBytes;
    if (ends) this.localEnded = true;
  }

  sendRequestData(chunk: Buffer, endStream: boolean): void {
    if (this.isClosed || !this.#requestBegun || this.localEnded) return;
    this.writeData(chunk, endStream);
  }

  sendRequestTrailers(trailers: HeaderMap): void {
    if (this.isClosed || !this.#requestBegun || this.localEnded) return;
    this.writeTrailers(trailers);
  }

  reset(_reason: ResetReason): void {
    if (this.isClosed) return;
    if (this.#requestBegun) this.#codec.sendReset(this.id, ErrorCode.Cancel);
    this.#detach();
  }

  onHeaders(section: FieldSection, endStream: boolean): void {
    if (this.#responseBegun) {
      const trailers = endStream ? section.toTrailers() : undefined;
      if (trailers === undefined || !('names' in trailers) || !this.isLengthRight) {
        this.#refuse(
          trailers === undefined ? 'HEADERS in the middle of a body' : 'the trailers are malformed',
        );
        return;
      }
      this.remoteEnded = true;
      if (trailers.length > 0) this.#receiver?.onResponseTrailers(trailers);
      else this.#receiver?.onResponseData(NOTHING, true);
      this.#finishIfDone();
      return;
    }
    const head = section.toResponse();
    if (!('status' in head)) {
      this.#refuse(head.reason);
      return;
    }
    if (head.status < 200) {
      if (endStream || ++this.#informational > MOST_INFORMATIONAL)
        this.#refuse('too many informational responses, or one that ends');
      else this.#receiver?.onInformational(head);
      return;
    }
    this.#onHead(head, section.contentLength, endStream);
  }

  #onHead(head: ResponseHead, contentLength: number, endStream: boolean): void {
    const { status } = head;
    this.#responseBegun = true;
    if (this.#tunnel !== '' && status === 200) {
      // What HTTP/1.1 calls a change of protocols, and so everything above the codecs.
      head.status = 101;
      head.upgrade = this.#tunnel;
    } else if (contentLength !== NO_LENGTH && !this.#isHead && status !== 304 && !this.#isConnect) {
      this.expectLength(contentLength);
      if (endStream && contentLength > 0) {
        this.#refuse('there is no body, but a content-length');
        return;
      }
    }
    if (endStream) this.remoteEnded = true;
    this.#receiver?.onResponseHeaders(head, endStream);
    if (endStream) this.#finishIfDone();
  }

  protected onBody(chunk: Buffer, endStream: boolean): void {
    if (!this.#responseBegun || (this.#isHead && chunk.length > 0)) {
      this.#refuse('a body without a head, or where none may be');
      return;
    }
    this.#receiver?.onResponseData(chunk, endStream);
    if (endStream) this.#finishIfDone();
  }

  onPeerReset(code: number): void {
    const isWhole = this.remoteEnded;
    const receiver = this.#detach();
    // Source: RFC 9113 section 8.1: the response is whole, and the rest of the request not wanted.
    if (isWhole) return;
    const reason = code === ErrorCode.RefusedStream ? 'remote-refused' : 'remote-reset';
    receiver?.onReset(reason, `the server reset the stream with ${errorName(code)}`);
  }

  onLost(reason: ResetReason, details: string): void {
    const isWhole = this.remoteEnded;
    const receiver = this.#detach();
    if (!isWhole) receiver?.onReset(reason, details);
  }

  onStreamError(code: number, reason: string): void {
    if (this.isClosed) return;
    this.#codec.sendReset(this.id, code);
    this.#detach()?.onReset('protocol-error', reason);
  }

  protected get watermarks(): WatermarkCallbacks | undefined {
    return this.#receiver;
  }

  protected onSent(): void {
    this.#finishIfDone();
  }

  #refuse(reason: string): void {
    this.#codec.options.stats.rxMessagingError.inc();
    this.onStreamError(ErrorCode.ProtocolError, reason);
  }

  #finishIfDone(): void {
    if (this.isClosed || !this.remoteEnded || !this.localEnded) return;
    // The response is whole: what waits of the request is not wanted.
    if (this.hasWaiting) this.#codec.sendReset(this.id, ErrorCode.Cancel);
    this.#detach();
  }

  #detach(): ResponseReceiver | undefined {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (this.isClosed) return undefined;
    this.forget();
    if (this.#requestBegun) this.#codec.removeStream(this);
    else this.#codec.streamAbandoned();
    return receiver;
  }
}
