import net from 'node:net';
import { systemClock } from '@heddle/common';
import { ClientCodecHttp2, Deadlines, Http2Stats, StatsStore } from '@heddle/data-plane';
import { DEFAULT_HTTP2_CONFIG, HeaderMap, type RequestHead } from '@heddle/engine';
import type { RequestTarget } from './generator-protocol.js';

/** A call by gRPC: the prefix of a message, and a message. */
export const GRPC_MESSAGE = Buffer.concat([Buffer.of(0, 0, 0, 0, 200), Buffer.alloc(200, 'm')]);

/** What a stream is used for: a GET, one message of gRPC each way, or very many of them in turn. */
export type Http2Use = 'get' | 'unary' | 'streaming';

/** So many messages go each way on a stream of many. */
export const MESSAGES_PER_STREAM = 100;

export interface Http2LoadOptions {
  readonly port: number;
  /** What each answer has to be long. */
  readonly bodyBytes: number;
  /** Calls by gRPC have to end with status 0. */
  readonly use: Http2Use;
  /** Of a stream of many messages, each message is answered. */
  readonly onAnswer: (slot: Http2Slot, problem: string | undefined) => void;
  readonly onLost: (slot: Http2Slot, reason: string) => void;
}

/** One stream at a time of a connection that has several. */
export class Http2Slot {
  readonly #codec: ClientCodecHttp2;
  readonly #options: Http2LoadOptions;
  readonly #messages: number;
  #stream: ReturnType<ClientCodecHttp2['newStream']> | undefined;
  /** Messages of this stream. */
  #sent = 0;
  #received = 0;
  #problem: string | undefined;
  busy = false;
  sentAtMs = 0;

  constructor(codec: ClientCodecHttp2, options: Http2LoadOptions) {
    this.#codec = codec;
    this.#options = options;
    this.#messages = options.use === 'streaming' ? MESSAGES_PER_STREAM : 1;
  }

  /** Makes a request, or sends the next message of the one that is under way. */
  send(target: RequestTarget): void {
    const isGrpc = this.#options.use !== 'get';
    this.#stream ??= this.#begin(target, isGrpc);
    if (isGrpc) this.#stream.sendRequestData(GRPC_MESSAGE, ++this.#sent === this.#messages);
  }

  close(): void {
    this.#codec.close();
  }

  #begin(target: RequestTarget, isGrpc: boolean): ReturnType<ClientCodecHttp2['newStream']> {
    this.#sent = 0;
    this.#received = 0;
    this.#problem = undefined;
    const stream = this.#codec.newStream();
    stream.attach({
      onInformational() {},
      onResponseHeaders: (head, endStream) => {
        if (head.status !== 200) this.#problem = `status ${head.status}`;
        if (endStream) this.#end(isGrpc ? 'no trailers' : undefined);
      },
      onResponseData: (chunk, endStream) => {
        const { bodyBytes, onAnswer } = this.#options;
        this.#received += chunk.length;
        if (endStream) this.#end(isGrpc ? 'no trailers' : undefined);
        // The last one is answered when the stream has ended well.
        else if (this.#sent < this.#messages && this.#received === this.#sent * bodyBytes)
          onAnswer(this, this.#problem);
      },
      onResponseTrailers: (trailers) => {
        const status = trailers.get('grpc-status');
        this.#end(status === '0' ? undefined : `grpc-status ${status}`);
      },
      onReset: (reason, details) => {
        this.#stream = undefined;
        this.#options.onAnswer(this, `${reason}: ${details}`);
      },
      onAboveWriteBufferHighWatermark() {},
      onBelowWriteBufferLowWatermark() {},
    });
    stream.sendRequestHeaders(headOf(target, isGrpc), !isGrpc);
    return stream;
  }

  #end(found: string | undefined): void {
    const wanted = this.#messages * this.#options.bodyBytes;
    let problem = this.#problem ?? found;
    if (this.#received !== wanted) problem ??= `${this.#received} bytes instead of ${wanted}`;
    this.#stream = undefined;
    this.#options.onAnswer(this, problem);
  }
}

const stats = new Http2Stats(new StatsStore(), 'http2', []);
const deadlines = new Deadlines(systemClock);
let lastId = 0;

/** Opens one connection, for so many streams at once. */
export function openHttp2(streams: number, options: Http2LoadOptions): Promise<Http2Slot[]> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port: options.port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      let slots: Http2Slot[] = [];
      const codec = new ClientCodecHttp2(
        socket,
        {
          onRoom() {},
          onStreamDone() {},
          onGoAway: () => slots.forEach((slot) => options.onLost(slot, 'GOAWAY')),
          onClose: () => slots.forEach((slot) => options.onLost(slot, 'connection closed')),
        },
        {
          id: ++lastId,
          http2: DEFAULT_HTTP2_CONFIG,
          stats,
          deadlines,
          bufferLimitBytes: 0,
          maxResponseHeadersBytes: 64 * 1_024,
          maxHeadersCount: 100,
        },
      );
      slots = Array.from({ length: streams }, () => new Http2Slot(codec, options));
      resolve(slots);
    });
  });
}

function headOf({ host, path }: RequestTarget, grpc: boolean): RequestHead {
  const headers = new HeaderMap();
  headers.append('user-agent', 'heddle-bench');
  if (grpc) {
    headers.append('content-type', 'application/grpc');
    headers.append('te', 'trailers');
    headers.append('grpc-timeout', '10S');
  } else {
    headers.append('accept', '*/*');
    headers.append('accept-encoding', 'identity');
  }
  const method = grpc ? 'POST' : 'GET';
  return { method, scheme: 'http', authority: host, path, headers, version: 'HTTP/2', upgrade: '' };
}
