import type { HeaderMap, RequestHead, ResponseHead } from '@heddle/engine';
import type { RequestSender, ResetReason, ResponseReceiver, UpstreamConnection } from '../stream.js';
import { BodyFraming } from './body-writer.js';
import type { ClientCodecHttp1 } from './client-codec.js';
import { fieldText, isSafeAuthority, isSafeWord } from './head-text.js';

/** Methods for which a length of 0 need not be said. Source: RFC 9110 section 8.6. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'TRACE', 'CONNECT', 'OPTIONS']);

/** What a client may have sent ahead of the answer to its upgrade. */
const MOST_EARLY_BYTES = 64 * 1024;

/** One request and its response on an upstream HTTP/1.1 connection. */
export class ClientStream implements RequestSender {
  readonly #codec: ClientCodecHttp1;
  readonly #requestsBefore: number;
  #receiver: ResponseReceiver | undefined;
  #method = '';
  #requestBegun = false;
  #requestEnded = false;
  #isOver = false;
  #wantsTunnel = false;
  #wantsUpgrade = false;
  #isTunnel = false;
  #responseBegun = false;
  #responseEnded = false;
  #bytesBefore = 0;
  #readDisableCount = 0;
  /** Sent by the client before the server has agreed to the tunnel. */
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #earlyEnd = false;
  #earlyFailure = '';

  constructor(codec: ClientCodecHttp1, requestsBefore: number) {
    this.#codec = codec;
    this.#requestsBefore = requestsBefore;
    this.#bytesBefore = codec.writer.bytesWritten;
  }

  attach(receiver: ResponseReceiver): void {
    if (!this.#isOver) this.#receiver = receiver;
    else if (this.#earlyFailure !== '') receiver.onReset('protocol-error', this.#earlyFailure);
  }

  /** The request was refused while its head was being sent, before there was a receiver to be told. */
  failBeforeAttach(details: string): void {
    this.#earlyFailure = details;
  }

  get receiver(): ResponseReceiver | undefined {
    return this.#receiver;
  }

  get connection(): UpstreamConnection {
    return this.#codec;
  }

  get connectionWasReused(): boolean {
    return this.#requestsBefore > 0;
  }

  get method(): string {
    return this.#method;
  }

  get wantsUpgrade(): boolean {
    return this.#wantsUpgrade;
  }

  get wantsTunnel(): boolean {
    return this.#wantsTunnel;
  }

  get isTunnel(): boolean {
    return this.#isTunnel;
  }

  /** The head of the final response was read. */
  get responseBegun(): boolean {
    return this.#responseBegun;
  }

  get requestEnded(): boolean {
    return this.#requestEnded;
  }

  get bufferedBytes(): number {
    return this.#isOver ? 0 : this.#codec.writer.bufferedBytes + this.#earlyBytes;
  }

  get anythingSent(): boolean {
    return this.#codec.writer.bytesWritten > this.#bytesBefore;
  }

  sendRequestHeaders(head: RequestHead, endStream: boolean): void {
    if (this.#isOver || this.#requestBegun) return;
    const { method, authority, headers } = head;
    const isConnect = method === 'CONNECT';
    const target = isConnect ? authority : head.path;
    if (
      !isSafeWord(method) ||
      !isSafeWord(target) ||
      !isSafeAuthority(authority) ||
      (head.upgrade !== '' && !isSafeAuthority(head.upgrade))
    ) {
      this.#codec.streamFailed(this, 'the request line would have a byte that HTTP/1.1 does not allow');
      return;
    }
    this.#requestBegun = true;
    this.#method = method;
    this.#wantsUpgrade = head.upgrade !== '';
    this.#wantsTunnel = isConnect || this.#wantsUpgrade;
    const { writer, body } = this.#codec;
    const contentLength = headers.get('content-length');
    const length = contentLength === undefined ? -1 : Number(contentLength);
    let framing = '';
    if (this.#wantsTunnel) {
      if (contentLength !== undefined) headers.remove('content-length');
      if (!isConnect) framing = `\r\nconnection: upgrade\r\nupgrade: ${head.upgrade}`;
      body.begin(BodyFraming.Raw);
    } else if (endStream) {
      if (contentLength !== undefined && length !== 0) headers.remove('content-length');
      if (length !== 0 && !BODILESS.has(method)) framing = '\r\ncontent-length: 0';
      body.begin(BodyFraming.None);
    } else if (length >= 0 && Number.isSafeInteger(length)) {
      body.begin(BodyFraming.Length, length);
    } else {
      if (contentLength !== undefined) headers.remove('content-length');
      framing = '\r\ntransfer-encoding: chunked';
      body.begin(BodyFraming.Chunked);
    }
    if (headers.has('te')) framing += '\r\nconnection: te';
    const fields = fieldText(headers);
    const text = `${method} ${target} HTTP/1.1\r\nhost: ${authority}${fields}${framing}\r\n\r\n`;
    if (endStream || this.#wantsTunnel) {
      this.#requestEnded = endStream && !this.#wantsTunnel;
      this.#earlyEnd = endStream && this.#wantsTunnel;
      writer.write(text);
    } else {
      writer.hold(text);
    }
  }

  sendRequestData(chunk: Buffer, endStream: boolean): void {
    if (this.#isOver || !this.#requestBegun || this.#requestEnded) return;
    if (this.#wantsTunnel && !this.#isTunnel) {
      this.#keepEarly(chunk, endStream);
      return;
    }
    if (endStream) this.#requestEnded = true;
    const isRight = this.#codec.body.data(chunk, endStream);
    if (!isRight) {
      this.#codec.streamFailed(this, 'the body of the request is not as long as its content-length says');
    } else if (endStream && this.#isTunnel) {
      this.#codec.socket.end();
      if (this.#responseEnded) this.#codec.tunnelDone(this);
    }
  }

  sendRequestTrailers(trailers: HeaderMap): void {
    if (this.#isOver || !this.#requestBegun || this.#requestEnded) return;
    if (this.#wantsTunnel) {
      this.sendRequestData(NOTHING, true);
      return;
    }
    this.#requestEnded = true;
    if (!this.#codec.body.trailers(trailers, this.#codec.options.enableTrailers)) {
      this.#codec.streamFailed(this, 'the body of the request is not as long as its content-length says');
    }
  }

  readDisable(disable: boolean): void {
    if (this.#isOver || (!disable && this.#readDisableCount === 0)) return;
    this.#readDisableCount += disable ? 1 : -1;
    this.#codec.readDisable(disable);
  }

  reset(_reason: ResetReason): void {
    if (this.#isOver) return;
    this.detach();
    this.#codec.streamReset(this);
  }

  onInformational(head: ResponseHead): void {
    this.#receiver?.onInformational(head);
  }

  onHead(head: ResponseHead, endStream: boolean, isTunnel: boolean): void {
    this.#isTunnel = isTunnel;
    this.#responseBegun = true;
    this.#responseEnded = endStream;
    this.#receiver?.onResponseHeaders(head, endStream);
    if (isTunnel) this.#sendEarly();
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#responseEnded = true;
    this.#receiver?.onResponseData(chunk, endStream);
  }

  onTrailers(trailers: HeaderMap, enabled: boolean): void {
    this.#responseEnded = true;
    if (enabled && trailers.length > 0) this.#receiver?.onResponseTrailers(trailers);
    else this.#receiver?.onResponseData(NOTHING, true);
  }

  /** Stops telling the receiver anything, and returns it for a last word. */
  detach(): ResponseReceiver | undefined {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#isOver = true;
    this.#early = [];
    this.#earlyBytes = 0;
    return receiver;
  }

  #keepEarly(chunk: Buffer, endStream: boolean): void {
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > MOST_EARLY_BYTES) {
      this.#codec.streamFailed(this, 'too many bytes were sent before the upgrade was answered');
      return;
    }
    if (chunk.length > 0) this.#early.push(chunk);
    if (endStream) this.#earlyEnd = true;
  }

  #sendEarly(): void {
    const early = this.#early;
    const isEnd = this.#earlyEnd;
    this.#early = [];
    this.#earlyBytes = 0;
    this.#earlyEnd = false;
    for (const chunk of early) this.sendRequestData(chunk, false);
    if (isEnd) this.sendRequestData(NOTHING, true);
  }
}

const NOTHING = Buffer.alloc(0);
