import {
  connect,
  createServer,
  type ClientHttp2Session,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

/** What came back for one request. */
export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly informational: readonly IncomingHttpHeaders[];
  readonly body: Buffer;
}

/** A client of Node's own. */
export class Http2Client {
  readonly session: ClientHttp2Session;
  goAway = false;

  constructor(port: number, options: Parameters<typeof connect>[1] = {}) {
    this.session = connect(`http://127.0.0.1:${port}`, options);
    this.session.on('error', () => undefined);
    this.session.on('goaway', () => (this.goAway = true));
  }

  /** `pauses`: stops reading for a while over and over. */
  request(
    headers: OutgoingHttpHeaders,
    body: Buffer | undefined = undefined,
    { trailers, pauses = false }: { trailers?: OutgoingHttpHeaders; pauses?: boolean } = {},
  ): Promise<Http2Answer> {
    return new Promise((resolve, reject) => {
      const stream = this.session.request(headers, {
        endStream: body === undefined && trailers === undefined,
        waitForTrailers: trailers !== undefined,
      });
      let head: IncomingHttpHeaders = {};
      let last: IncomingHttpHeaders = {};
      const informational: IncomingHttpHeaders[] = [];
      const chunks: Buffer[] = [];
      stream.on('response', (received) => (head = received));
      stream.on('headers', (received) => informational.push(received));
      stream.on('trailers', (received) => (last = received));
      stream.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        if (!pauses || chunks.length % 20 !== 1) return;
        stream.pause();
        setTimeout(() => stream.resume(), 5);
      });
      stream.on('end', () => {
        resolve({
          status: Number(head[':status']),
          headers: head,
          trailers: last,
          informational,
          body: Buffer.concat(chunks),
        });
      });
      stream.on('error', reject);
      stream.on('close', () => reject(new Error(`the stream was closed with ${stream.rstCode}`)));
      if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      if (body !== undefined || trailers !== undefined) stream.end(body);
    });
  }

  close(): void {
    this.session.destroy();
  }
}

/** A server of Node's own, without TLS. */
export async function startHttp2Backend(
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  options: Parameters<typeof createServer>[0] = {},
): Promise<{
  server: Http2Server;
  port: number;
  sessions: Set<ServerHttp2Session>;
  close: () => Promise<void>;
}> {
  const server = createServer(options);
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    onStream(stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    server,
    sessions,
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        for (const session of sessions) session.destroy();
        server.close(() => resolve());
      }),
  };
}
