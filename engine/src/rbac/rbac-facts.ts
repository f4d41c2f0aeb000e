import type { RequestHead } from '../http/message-head.js';
import type { DynamicMetadata, FilterState } from '../http/stream-info.js';
import type { TlsInfo } from '../http/tls-info.js';

/**
 * What is known of a request, or of a connection before it carries any, when policies decide on it.
 *
 * Addresses are plain text without port; empty where there is none (a Unix socket).
 */
export interface RbacFacts {
  /** undefined for a connection. */
  readonly request: RequestHead | undefined;
  /** The path as routes see it: normalised, without query. Empty for a connection. */
  readonly path: string;
  /** undefined when the peer speaks plain text. */
  readonly tls: TlsInfo | undefined;
  readonly serverName: string;
  /** The client, as far as trusted proxies in front tell. */
  readonly remoteIp: string;
  /** The peer of the connection. */
  readonly directRemoteIp: string;
  readonly destinationIp: string;
  /** 0 where there is none. */
  readonly destinationPort: number;
  /** undefined while there is none. */
  readonly filterState?: FilterState | undefined;
  readonly dynamicMetadata: ReadonlyMap<string, DynamicMetadata> | undefined;
}
