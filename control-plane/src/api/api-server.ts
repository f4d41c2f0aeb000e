import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { describeError, type Logger } from '@heddle/common';
import { listen } from '../listen.js';
import { findRoute, type ApiResponse, type ApiRoute } from './api-route.js';

export interface ApiServerOptions {
  readonly routes: readonly ApiRoute[];
  /** Writes need `Authorization: Bearer TOKEN`. */
  readonly token: string;
  /** Names beside loopback by which the API may be called (`Host`), without port. */
  readonly allowedHosts: readonly string[];
  readonly log: Logger;
  /** Default 1 MiB. */
  readonly maxBodyBytes?: number;
  /** Default 200. */
  readonly maxConnections?: number;
}

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Serves the API to the command line and the dashboard.
 *
 * A page of another site in the user's browser can reach loopback too. So the Host header must name this server (no DNS
 * rebinding), an Origin must be this server's own (no cross-site request), and writes need the token.
 */
export class ApiServer {
  readonly #options: ApiServerOptions;
  readonly #server: Server;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
      void this.#serve(request, response);
    });
    this.#server.maxConnections = options.maxConnections ?? 200;
  }

  /** Resolves with the port. */
  listen(host: string, port: number): Promise<number> {
    return listen(this.#server, host, port, this.#options.log);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: ApiResponse;
    try {
      answer = await this.#answer(request);
    } catch (cause) {
      this.#options.log.error('api request failed', { path: request.url ?? '', error: describeError(cause) });
      answer = problem(500, 'internal error; the log of heddled says more');
    }
    if (response.destroyed) return;
    if (answer.stream !== undefined && request.method !== 'HEAD') {
      response.writeHead(answer.status, headersOf(answer));
      answer.stream(response);
      return;
    }
    const body = typeof answer.body === 'string' ? answer.body : `${JSON.stringify(answer.body, null, 2)}\n`;
    response.writeHead(answer.status, { ...headersOf(answer), 'content-length': Buffer.byteLength(body) });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answer(request: IncomingMessage): Promise<ApiResponse> {
    const host = request.headers.host ?? '';
    if (!this.#isOurHost(host)) {
      return problem(
        403,
        `Host ${JSON.stringify(host)} is not this server; call it by 127.0.0.1 or localhost`,
      );
    }
    const { origin } = request.headers;
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
      return problem(403, 'requests from other sites are refused');
    }
    const target = request.url ?? '/';
    if (!target.startsWith('/')) return problem(400, 'the request target must be a path');
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
    const found = findRoute(this.#options.routes, method, path);
    if (found.kind === 'none') return problem(404, `there is nothing at ${path}; see /openapi.json`);
    if (found.kind === 'other-method') return problem(405, `use ${found.allowed.join(' or ')}`);
    if (found.route.writes && !this.#hasToken(request)) {
      return problem(
        401,
        'this changes the mesh: send the token that heddled printed as "Authorization: Bearer TOKEN"',
      );
    }
    const body = await readBody(request, this.#options.maxBodyBytes ?? 1024 * 1024);
    if (body === undefined) return problem(413, 'the body is too large');
    const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
    return found.route.handle({ parameters: found.parameters, query, headers: request.headers, body });
  }

  #isOurHost(host: string): boolean {
    const name = host.replace(/:\d+$/, '').toLowerCase();
    return LOOPBACK_NAMES.has(name) || this.#options.allowedHosts.includes(name);
  }

  #hasToken(request: IncomingMessage): boolean {
    const given = Buffer.from(request.headers.authorization ?? '');
    const wanted = Buffer.from(`Bearer ${this.#options.token}`);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}

function headersOf({ contentType = 'application/json', headers }: ApiResponse): Record<string, string> {
  return {
    'content-type': contentType,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  };
}

/** An error as every endpoint gives it. */
export function problem(status: number, message: string): ApiResponse {
  return { status, body: { error: message } };
}

/** undefined: it was larger than `maxBytes`; the rest was not kept. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes <= maxBytes) chunks.push(chunk as Buffer);
  }
  return bytes > maxBytes ? undefined : Buffer.concat(chunks).toString();
}
