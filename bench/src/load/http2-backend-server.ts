// The backend's own process where proxies speak HTTP/2 to it: fixed answers chosen by the end of the path, or one message of gRPC.
import net from 'node:net';
import { systemClock } from '@heddle/common';
import {
  Deadlines,
  Http2Stats,
  ServerCodecHttp2,
  StatsStore,
  type RequestReceiver,
  type ResponseSender,
} from '@heddle/data-plane';
import { DEFAULT_HTTP2_CONFIG, HeaderMap } from '@heddle/engine';
import { BODY_SIZES } from './body-size.js';
import { GRPC_MESSAGE } from './http2-load.js';

const bodies = new Map(Object.entries(BODY_SIZES).map(([name, bytes]) => [name, Buffer.alloc(bytes, 'x')]));
const stats = new Http2Stats(new StatsStore(), 'http2', []);
const deadlines = new Deadlines(systemClock);
let lastId = 0;

class Answer implements RequestReceiver {
  readonly #sender: ResponseSender;
  #isGrpc = false;
  #path = '';
  /** Bytes of messages of gRPC that came and were not answered yet. */
  #unanswered = 0;
  #hasBegun = false;

  constructor(sender: ResponseSender) {
    this.#sender = sender;
  }

  onRequestHeaders(head: { path: string; headers: HeaderMap }, endStream: boolean): void {
    this.#path = head.path;
    this.#isGrpc = head.headers.get('content-type') === 'application/grpc';
    if (endStream) this.#end();
  }

  onRequestData(chunk: Buffer, endStream: boolean): void {
    if (this.#isGrpc) this.#answerMessages(chunk.length);
    if (endStream) this.#end();
  }

  onRequestTrailers(): void {
    this.#end();
  }

  onReset(): void {
    // Whoever asked counts it.
  }

  onAboveWriteBufferHighWatermark(): void {
    // Answers are short, or wait.
  }

  onBelowWriteBufferLowWatermark(): void {
    // As above.
  }

  /** One message for each that came, as it comes. */
  #answerMessages(bytes: number): void {
    this.#unanswered += bytes;
    for (; this.#unanswered >= GRPC_MESSAGE.length; this.#unanswered -= GRPC_MESSAGE.length) {
      if (!this.#hasBegun) this.#begin(200, 'application/grpc', undefined);
      this.#sender.sendResponseData(GRPC_MESSAGE, false);
    }
  }

  #end(): void {
    if (this.#isGrpc) {
      if (!this.#hasBegun) this.#begin(200, 'application/grpc', undefined);
      const trailers = new HeaderMap();
      trailers.append('grpc-status', '0');
      this.#sender.sendResponseTrailers(trailers);
      return;
    }
    const body = bodies.get(this.#path.slice(this.#path.lastIndexOf('/') + 1));
    this.#begin(body === undefined ? 404 : 200, 'text/plain', body?.length ?? 0);
    if (body !== undefined) this.#sender.sendResponseData(body, true);
  }

  #begin(status: number, contentType: string, length: number | undefined): void {
    this.#hasBegun = true;
    const headers = new HeaderMap();
    headers.append('content-type', contentType);
    if (length !== undefined) headers.append('content-length', String(length));
    this.#sender.sendResponseHeaders({ status, headers, upgrade: '' }, length === 0);
  }
}

const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  new ServerCodecHttp2(
    socket,
    { newStream: (sender) => new Answer(sender), onProtocolError() {}, onClose() {} },
    {
      config: {
        maxRequestHeadersBytes: 64 * 1_024,
        maxHeadersCount: 100,
        headersWithUnderscoresAction: 'allow',
        requestHeadersTimeoutMs: 0,
        idleTimeoutMs: 0,
        delayedCloseTimeoutMs: 0,
        maxConnectionDurationMs: 0,
        maxRequestsPerConnection: 0,
        drainTimeoutMs: 1_000,
        streamIdleTimeoutMs: 0,
        http2: DEFAULT_HTTP2_CONFIG,
      },
      bufferLimitBytes: 0,
      deadlines,
      stats,
      id: ++lastId,
      scheme: 'http',
    },
  );
});
server.listen(Number(process.argv[2]), '127.0.0.1', 4_096);
