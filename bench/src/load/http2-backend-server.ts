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

  constructor(sender: ResponseSender) {
    this.#sender = sender;
  }

  onRequestHeaders(head: { path: string; headers: HeaderMap }, endStream: boolean): void {
    this.#path = head.path;
    this.#isGrpc = head.headers.get('content-type') === 'application/grpc';
    if (endStream) this.#answer();
  }

  onRequestData(_chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#answer();
  }

  onRequestTrailers(): void {
    this.#answer();
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

  #answer(): void {
    const headers = new HeaderMap();
    const body = this.#isGrpc ? GRPC_MESSAGE : bodies.get(this.#path.slice(this.#path.lastIndexOf('/') + 1));
    headers.append('content-type', this.#isGrpc ? 'application/grpc' : 'text/plain');
    if (!this.#isGrpc) headers.append('content-length', String(body?.length ?? 0));
    const status = body === undefined ? 404 : 200;
    this.#sender.sendResponseHeaders({ status, headers, upgrade: '' }, body === undefined);
    if (body === undefined) return;
    this.#sender.sendResponseData(body, !this.#isGrpc);
    if (!this.#isGrpc) return;
    const trailers = new HeaderMap();
    trailers.append('grpc-status', '0');
    this.#sender.sendResponseTrailers(trailers);
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
