import { createServer as createHttp1, type Server as Http1Server } from 'node:http';
import { createServer as createHttp2, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseBodyRequest } from './body-request.js';
import { readPattern, writePattern } from './pattern.js';

/** Servers of Node's own that look at each byte they get: HTTP/1.1, HTTP/2 and TCP. */
export class BodyServers {
  readonly #http1: Http1Server = createHttp1((request, response) => {
    void serve(request.url ?? '', request, response);
  });
  readonly #http2: Http2Server = createHttp2();
  readonly #tcp: Server = createTcp({ allowHalfOpen: true }, (socket) => serveTcp(socket));
  readonly #open = new Set<ServerHttp2Session | Socket>();
  ports = { http1: 0, http2: 0, tcp: 0 };

  async start(): Promise<void> {
    this.#http2.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200 });
      void serve(String(headers[':path']), stream, stream);
    });
    this.#http2.on('session', (session) => this.#keep(session));
    this.#tcp.on('connection', (socket) => this.#keep(socket));
    this.ports = {
      http1: await listen(this.#http1),
      http2: await listen(this.#http2),
      tcp: await listen(this.#tcp),
    };
  }

  stop(): void {
    for (const one of this.#open) one.destroy();
    this.#http1.closeAllConnections();
    for (const server of [this.#http1, this.#http2, this.#tcp]) server.close();
  }

  #keep(one: ServerHttp2Session | Socket): void {
    this.#open.add(one);
    one.on('close', () => this.#open.delete(one));
    one.on('error', () => undefined);
  }
}

function listen(server: Server | Http2Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/** Whatever breaks off here breaks off at the client too, which tells of it. */
async function serve(path: string, from: Readable, to: Writable): Promise<void> {
  const { direction, bytes, seed, serverPace } = parseBodyRequest(path);
  try {
    if (direction === 'echo') await pipeline(from, to);
    else if (direction === 'upload') to.end((await readPattern(from, seed, bytes, serverPace)) ?? 'ok');
    else {
      from.resume();
      await writePattern(to, seed, bytes, serverPace);
      to.end();
    }
  } catch {
    to.destroy();
  }
}

/** The first line says what is wanted. */
function serveTcp(socket: Socket): void {
  let head = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\n');
    if (end < 0) return;
    socket.off('data', read).pause();
    socket.unshift(head.subarray(end + 1));
    void serve(head.toString('latin1', 0, end), socket, socket);
  };
  socket.on('data', read);
}
