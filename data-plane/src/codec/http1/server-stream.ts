import type { HeaderMap, RequestHead, ResponseHead } from '@heddle/engine';
import type { DownstreamConnection, RequestReceiver, ResetReason, ResponseSender } from '../stream.js';
import { BodyFraming } from './body-writer.js';
import { fieldText, statusLine } from './head-text.js';
import type { ServerCodecHttp1 } from './server-codec.js';

/** One request and its response on a downstream HTTP/1.1 connection. */
export class ServerStream implements ResponseSender {
  readonly #codec: ServerCodecHttp1;
  readonly #isHead: boolean;
  readonly #isConnect: boolean;
  readonly #isHttp10: boolean;
  readonly #upgrade: string;
  readonly requestHeadBytes: number;
  responseHeadBytes = 0;
  #keepAlive: boolean;
  #receiver: RequestReceiver | undefined;
  #requestEnded = false;
  #responseBegun = false;
  #responseEnded = false;
  #isTunnel = false;
  #isOver = false;
  #readDisableCount = 0;

  constructor(codec: ServerCodecHttp1, head: RequestHead, headBytes: number, keepAlive: boolean) {
    this.#codec = codec;
    this.#isHead = head.method === 'HEAD';
    this.#isConnect = head.method === 'CONNECT';
    this.#isHttp10 = head.version === 'HTTP/1.0';
    this.#upgrade = head.upgrade;
    this.requestHeadBytes = headBytes;
    this.#keepAlive = keepAlive;
  }

  get connection(): DownstreamConnection {
    return this.#codec;
  }

  get bufferedBytes(): number {
    return this.#codec.writer.bufferedBytes;
  }

  get receiver(): RequestReceiver | undefined {
    return this.#receiver;
  }

  /** Whether both sides exchange plain bytes now. */
  get isTunnel(): boolean {
    return this.#isTunnel;
  }

  get hasResponded(): boolean {
    return this.#responseBegun;
  }

  begin(receiver: RequestReceiver, requestEnded: boolean): void {
    // A receiver may have reset the stream before it was known here.
    if (this.#isOver) return;
    this.#receiver = receiver;
    this.#requestEnded = requestEnded;
  }

  onBody(chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#requestEnded = true;
    this.#receiver?.onRequestData(chunk, endStream);
    if (endStream && this.#isTunnel && this.#responseEnded) this.#finish();
  }

  onTrailers(trailers: HeaderMap, enabled: boolean): void {
    this.#requestEnded = true;
    if (enabled && trailers.length > 0) this.#receiver?.onRequestTrailers(trailers);
    else this.#receiver?.onRequestData(NOTHING, true);
  }

  sendInformational(head: ResponseHead): void {
    if (this.#isHttp10 || this.#responseBegun || this.#responseEnded) return;
    head.headers.remove('content-length');
    this.#codec.writer.hold(`${statusLine(head.status)}${this.#fields(head)}\r\n\r\n`);
  }

  sendResponseHeaders(head: ResponseHead, endStream: boolean): void {
    if (this.#responseBegun || this.#responseEnded) return;
    this.#responseBegun = true;
    const { status } = head;
    if (status === 101 || (this.#isConnect && status >= 200 && status < 300)) {
      this.#beginTunnel(head, endStream);
      return;
    }
    const { writer, body } = this.#codec;
    // An answer before the end of the request, and a refused upgrade: what the client still sends is not a request.
    if (!this.#requestEnded || this.#codec.isDraining) this.#keepAlive = false;
    const bodyless = this.#isHead || status === 304 || status === 204;
    let framing = '';
    if (status === 204) head.headers.remove('content-length');
    const contentLength = head.headers.get('content-length');
    const length = contentLength === undefined ? -1 : Number(contentLength);
    if (bodyless) {
      body.begin(BodyFraming.None);
    } else if (endStream) {
      if (contentLength !== undefined && length !== 0) head.headers.remove('content-length');
      if (length !== 0) framing = '\r\ncontent-length: 0';
      body.begin(BodyFraming.None);
    } else if (length >= 0 && Number.isSafeInteger(length)) {
      body.begin(BodyFraming.Length, length);
    } else {
      if (contentLength !== undefined) head.headers.remove('content-length');
      if (this.#isHttp10) {
        this.#keepAlive = false;
        body.begin(BodyFraming.Raw);
      } else {
        framing = '\r\ntransfer-encoding: chunked';
        body.begin(BodyFraming.Chunked);
      }
    }
    if (!this.#keepAlive) framing += '\r\nconnection: close';
    else if (this.#isHttp10) framing += '\r\nconnection: keep-alive';
    const text = `${statusLine(status)}${this.#fields(head)}${framing}\r\n\r\n`;
    this.responseHeadBytes = text.length;
    if (endStream) {
      writer.write(text);
      this.#endResponse(true);
    } else {
      writer.hold(text);
    }
  }

  sendResponseData(chunk: Buffer, endStream: boolean): void {
    if (!this.#responseBegun || this.#responseEnded) return;
    const isRight = this.#codec.body.data(chunk, endStream);
    if (!isRight && !endStream) this.#keepAlive = false;
    if (endStream) this.#endResponse(isRight);
  }

  sendResponseTrailers(trailers: HeaderMap): void {
    if (!this.#responseBegun || this.#responseEnded) return;
    this.#endResponse(this.#codec.body.trailers(trailers, this.#codec.config.enableTrailers));
  }

  readDisable(disable: boolean): void {
    if (this.#isOver || (!disable && this.#readDisableCount === 0)) return;
    this.#readDisableCount += disable ? 1 : -1;
    this.#codec.readDisable(disable);
  }

  reset(_reason: ResetReason): void {
    if (this.#isOver) return;
    // What was answered before goes out, cut off: without it the client would see no answer at all.
    if (this.#responseBegun) this.#codec.writer.flush();
    this.detach();
    this.#codec.streamReset(this);
  }

  /** Stops telling the receiver anything, and returns it for a last word. */
  detach(): RequestReceiver | undefined {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#isOver = true;
    this.#responseEnded = true;
    return receiver;
  }

  #fields(head: ResponseHead): string {
    return fieldText(head.headers);
  }

  #beginTunnel(head: ResponseHead, endStream: boolean): void {
    const { writer, body } = this.#codec;
    if (!this.#isConnect && this.#upgrade === '') {
      // Nobody asked for another protocol.
      this.reset('protocol-error');
      return;
    }
    this.#keepAlive = false;
    this.#isTunnel = true;
    head.headers.remove('content-length');
    const upgrade = head.upgrade === '' ? this.#upgrade : head.upgrade;
    const framing = this.#isConnect ? '' : `\r\nconnection: upgrade\r\nupgrade: ${upgrade}`;
    const text = `${statusLine(head.status)}${this.#fields(head)}${framing}\r\n\r\n`;
    this.responseHeadBytes = text.length;
    writer.hold(text);
    body.begin(BodyFraming.Raw);
    if (endStream) {
      writer.flush();
      this.#endResponse(true);
    }
    this.#codec.resumeTunnel();
  }

  /** A body of the wrong length: the client can only learn of it by the connection being cut. */
  #endResponse(isRight: boolean): void {
    this.#responseEnded = true;
    if (!isRight) {
      this.detach();
      this.#codec.streamReset(this);
      return;
    }
    if (this.#isTunnel && !this.#requestEnded) {
      this.#codec.writer.flush();
      this.#codec.socket.end();
      return;
    }
    this.#finish();
  }

  #finish(): void {
    this.detach();
    this.#codec.streamDone(this, this.#keepAlive && this.#requestEnded);
  }
}

const NOTHING = Buffer.alloc(0);
