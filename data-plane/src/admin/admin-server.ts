import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import { describeError, type Logger } from '@heddle/common';
import type { AddressConfig } from '@heddle/engine';
import type { HeldSockets } from '@heddle/supervisor/held-sockets';
import { text, type AdminPage, type AdminResponse } from './admin-page.js';
import { isAllowedHost } from './allowed-host.js';
import { indexPages } from './index-page.js';

export interface AdminServerOptions {
  readonly address: AddressConfig;
  readonly pages: readonly AdminPage[];
  readonly log: Logger;
  /** The supervisor that holds our listening sockets, if there is one. */
  readonly heldSockets?: Pick<HeldSockets, 'listen'> | undefined;
  /** Called before a page is asked, and waited for: what it shows may be elsewhere. */
  readonly prepare?: ((path: string) => Promise<void>) | undefined;
}

const MAX_CONNECTIONS = 100;
const MAX_TARGET_BYTES = 8192;
/** What is collected before it is written. */
const CHUNK_CHARACTERS = 64 * 1024;

/**
 * Serves the admin pages over HTTP/1.1.
 *
 * Only pages that change nothing answer GET; the others want POST, and neither answers a browser that was led here under
 * a foreign name (Host) or from a foreign page (Origin).
 */
export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #pages: ReadonlyMap<string, AdminPage>;
  #server: HttpServer | undefined;
  #boundTo: AddressConfig | undefined;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    const pages = [...options.pages, ...indexPages(options.pages)];
    this.#pages = new Map(pages.map((page) => [page.path, page]));
  }

  /** Where it listens: port 0 is replaced by the real one. */
  get address(): AddressConfig {
    return this.#boundTo ?? this.#options.address;
  }

  /** Errors: rejects when the address cannot be bound. */
  async start(): Promise<void> {
    const { createServer } = await import('node:http');
    const { address } = this.#options;
    const server = createServer({
      maxHeaderSize: 16 * 1024,
      requestTimeout: 10_000,
      keepAliveTimeout: 5_000,
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.on('request', (request, response) => this.#onRequest(request, response));
    server.on('clientError', (_error, socket) => socket.destroy());
    this.#server = server;
    const { heldSockets } = this.#options;
    const held =
      heldSockets === undefined || address.kind !== 'socket'
        ? undefined
        : await heldSockets.listen(address.host, address.port, false);
    if (held?.ok === false) throw new Error(held.reason);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const listening = (): void => {
        server.removeListener('error', reject);
        server.on('error', (error) => this.#options.log.warn('admin server', { error }));
        resolve();
      };
      if (held !== undefined) server.listen(held.handle, listening);
      else if (address.kind === 'pipe') server.listen(address.path, listening);
      else if (address.kind === 'socket') server.listen(address.port, address.host, listening);
    });
    const bound = server.address();
    if (address.kind === 'socket' && bound !== null && typeof bound === 'object') {
      this.#boundTo = { ...address, host: bound.address, port: bound.port };
    }
  }

  /** Leaves the address to another process that listens there too; what is asked already is answered. */
  stopAccepting(): void {
    this.#server?.close();
  }

  /** Closes everything now. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    request.resume(); // bodies mean nothing here
    const { prepare } = this.#options;
    if (prepare === undefined) this.#respond(request, response);
    else {
      const respond = (): void => this.#respond(request, response);
      void prepare(request.url ?? '/').then(respond, respond);
    }
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    let answer: AdminResponse;
    try {
      answer = this.#answer(request);
    } catch (thrown) {
      this.#options.log.error('an admin page failed', { error: thrown });
      answer = text(`${describeError(thrown)}\n`, 500);
    }
    response.writeHead(answer.status, {
      'content-type': answer.contentType,
      'cache-control': 'no-cache, max-age=0',
      'x-content-type-options': 'nosniff',
      server: 'heddle',
    });
    if (request.method === 'HEAD') response.end();
    else writeParts(response, typeof answer.body === 'string' ? [answer.body] : answer.body);
  }

  #answer(request: IncomingMessage): AdminResponse {
    const target = request.url ?? '/';
    if (target.length > MAX_TARGET_BYTES) return text('the request target is too long\n', 414);
    const { host, origin } = request.headers;
    if (!isAllowedHost(host, this.address, this.#options.address)) {
      return text('this Host is not served here: use the address, or localhost\n', 403);
    }
    if (origin !== undefined && origin !== `http://${host}`) {
      return text('requests from other origins are refused\n', 403);
    }
    const question = target.indexOf('?');
    const path = question < 0 ? target : target.slice(0, question);
    const page = this.#pages.get(path) ?? this.#pages.get(path.replace(/\/+$/, ''));
    if (page === undefined) {
      return text('invalid path. admin commands are listed under /help\n', 404);
    }
    const { method } = request;
    if (page.mutates && method !== 'POST') return text(`Method ${method} not allowed, POST required.`, 405);
    if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') {
      return text(`Method ${method} not allowed.`, 405);
    }
    return page.respond({ path, query: new URLSearchParams(question < 0 ? '' : target.slice(question + 1)) });
  }
}

/** Writes parts as the client takes them. */
function writeParts(response: ServerResponse, body: Iterable<string>): void {
  const parts = body[Symbol.iterator]();
  const more = (): void => {
    while (!response.destroyed) {
      let chunk = '';
      let done = false;
      while (chunk.length < CHUNK_CHARACTERS && !done) {
        const next = parts.next();
        if (next.done) done = true;
        else chunk += next.value;
      }
      if (done) {
        response.end(chunk);
        return;
      }
      if (!response.write(chunk)) {
        response.once('drain', more);
        return;
      }
    }
  };
  more();
}
