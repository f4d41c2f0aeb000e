import type { HeaderMap } from './header-map.js';

/** The HTTP version a message came by. */
export type HttpVersion = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';

/**
 * The head of a request: pseudo-headers as properties, everything else in `headers` (which never holds `host`).
 *
 * Shape: `path` is `:path`, path and query as received (a fragment is never in it); `authority` may be empty for HTTP/1.0;
 * `scheme` is `http` or `https`; `upgrade` is the lower-case token of a wanted protocol switch (`websocket`), or empty.
 * Codecs remove hop-by-hop fields (Connection and what it lists, Transfer-Encoding, Keep-Alive, Upgrade…) when reading and
 * add their own when writing; `content-length` stays, because it describes the message.
 */
export interface RequestHead {
  method: string;
  scheme: string;
  authority: string;
  path: string;
  readonly headers: HeaderMap;
  readonly version: HttpVersion;
  upgrade: string;
}

/** The head of a response, final or informational. `upgrade` is set on 101. */
export interface ResponseHead {
  status: number;
  readonly headers: HeaderMap;
  upgrade: string;
}
