import {
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

/** A request as it reached a server of HTTP/2. */
export interface Http2Request {
  readonly headers: IncomingHttpHeaders;
  /** In the order of the wire: name, value, name, value… */
  readonly rawHeaders: readonly string[];
  body: Buffer;
  trailers: IncomingHttpHeaders;
  /** Whether its end came. */
  ended: boolean;
}

/** A server of Node's own that keeps what it gets, and answers 200 at the end. */
export class RecordingHttp2Upstream {
  readonly requests: Http2Request[] = [];
  readonly #server = createServer();
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor() {
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', () => undefined);
    });
    this.#server.on(
      'stream',
      (
        stream: ServerHttp2Stream,
        headers: IncomingHttpHeaders,
        _flags: number,
        rawHeaders: readonly string[],
      ) => this.#take(stream, headers, rawHeaders),
    );
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Requests since the last call. */
  take(): readonly Http2Request[] {
    return this.requests.splice(0);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      for (const session of this.#sessions) session.destroy();
      this.#server.close(() => resolve());
    });
  }

  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]): void {
    const request: Http2Request = { headers, rawHeaders, body: Buffer.alloc(0), trailers: {}, ended: false };
    this.requests.push(request);
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => (request.body = Buffer.concat([request.body, chunk])));
    stream.on('trailers', (trailers) => (request.trailers = trailers));
    stream.on('end', () => {
      // So it is told of a stream that was reset as well.
      if (stream.destroyed || stream.closed) return;
      request.ended = true;
      stream.respond({ ':status': 200 });
      stream.end('h2');
    });
  }
}
