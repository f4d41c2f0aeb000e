import { HeaderMap, type RequestHead, type ResponseHead } from '@heddle/engine';
import type {
  RequestReceiver,
  ResetReason,
  ResponseReceiver,
  ResponseSender,
  ServerConnectionCallbacks,
} from '../codec/stream.js';

/** One request as it was delivered, and the sender to answer it. */
export class RecordedRequest implements RequestReceiver {
  readonly sender: ResponseSender;
  readonly chunks: Buffer[] = [];
  readonly #onEnd: (request: RecordedRequest) => void;
  head: RequestHead | undefined;
  trailers: HeaderMap | undefined;
  ended = false;
  reset: { reason: ResetReason; details: string } | undefined;
  aboveHighWatermark = 0;
  belowLowWatermark = 0;

  constructor(sender: ResponseSender, onEnd: (request: RecordedRequest) => void) {
    this.sender = sender;
    this.#onEnd = onEnd;
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onRequestHeaders(head: RequestHead, endStream: boolean): void {
    this.head = head;
    if (endStream) this.#end();
  }

  onRequestData(chunk: Buffer, endStream: boolean): void {
    this.chunks.push(chunk);
    if (endStream) this.#end();
  }

  onRequestTrailers(trailers: HeaderMap): void {
    this.trailers = trailers;
    this.#end();
  }

  onReset(reason: ResetReason, details: string): void {
    if (this.reset !== undefined) throw new Error('reset twice');
    this.reset = { reason, details };
  }

  onAboveWriteBufferHighWatermark(): void {
    this.aboveHighWatermark++;
  }

  onBelowWriteBufferLowWatermark(): void {
    this.belowLowWatermark++;
  }

  #end(): void {
    if (this.ended) throw new Error('ended twice');
    this.ended = true;
    this.#onEnd(this);
  }
}

/** A server that records every request of a connection. */
export class RecordingServer implements ServerConnectionCallbacks {
  readonly requests: RecordedRequest[] = [];
  readonly errors: { status: number; details: string; reason: string; bodyBytes: number }[] = [];
  readonly #onEnd: (request: RecordedRequest) => void;
  closed = false;

  /** `onEnd` is called when a request is complete: the place to answer. */
  constructor(onEnd: (request: RecordedRequest) => void = () => undefined) {
    this.#onEnd = onEnd;
  }

  newStream(sender: ResponseSender): RequestReceiver {
    const request = new RecordedRequest(sender, this.#onEnd);
    this.requests.push(request);
    return request;
  }

  onProtocolError(status: number, details: string, reason: string, bodyBytes: number): void {
    this.errors.push({ status, details, reason, bodyBytes });
  }

  onClose(): void {
    this.closed = true;
  }
}

/** One response as it was delivered. */
export class RecordedResponse implements ResponseReceiver {
  readonly informational: ResponseHead[] = [];
  readonly chunks: Buffer[] = [];
  head: ResponseHead | undefined;
  trailers: HeaderMap | undefined;
  ended = false;
  reset: { reason: ResetReason; details: string } | undefined;
  onDone: (() => void) | undefined;

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onInformational(head: ResponseHead): void {
    this.informational.push(head);
  }

  onResponseHeaders(head: ResponseHead, endStream: boolean): void {
    this.head = head;
    if (endStream) this.#end();
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    this.chunks.push(chunk);
    if (endStream) this.#end();
  }

  onResponseTrailers(trailers: HeaderMap): void {
    this.trailers = trailers;
    this.#end();
  }

  onReset(reason: ResetReason, details: string): void {
    if (this.reset !== undefined || this.ended) throw new Error('reset after the end');
    this.reset = { reason, details };
    this.onDone?.();
  }

  onAboveWriteBufferHighWatermark(): void {
    // Not recorded.
  }

  onBelowWriteBufferLowWatermark(): void {
    // Not recorded.
  }

  #end(): void {
    if (this.ended) throw new Error('ended twice');
    this.ended = true;
    this.onDone?.();
  }
}

/** A head to answer with; `fields` as name and value pairs. */
export function responseHead(status: number, fields: Record<string, string> = {}): ResponseHead {
  return { status, headers: headerMap(fields), upgrade: '' };
}

/** A head to ask with. */
export function requestHead(
  method: string,
  path: string,
  fields: Record<string, string> = {},
  upgrade = '',
): RequestHead {
  return {
    method,
    scheme: 'http',
    authority: 'a',
    path,
    headers: headerMap(fields),
    version: 'HTTP/1.1',
    upgrade,
  };
}

function headerMap(fields: Record<string, string>): HeaderMap {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) headers.append(name.toLowerCase(), value, name);
  return headers;
}
