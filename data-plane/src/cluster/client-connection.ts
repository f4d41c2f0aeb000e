import type { ClientAddress } from './client-address.js';

/** The connection of a client, as far as it matters to those that are made for it. */
export interface ClientConnection {
  /** `host:port`. */
  readonly remoteAddress: string;
  readonly remoteIp: string;
  readonly localAddress: string;
  readonly localIp: string;
  readonly localPort: number;
  /** From where they come; left out: from where all do. */
  readonly clientAddress?: ClientAddress;
}
