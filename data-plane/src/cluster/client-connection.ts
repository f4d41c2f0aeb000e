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
  /** What to do when it closes, with what was made for it alone; left out while there is nothing. */
  whenGone?: Set<() => void>;
}

/** To be called when the connection has closed. */
export function tellGone({ whenGone }: Pick<ClientConnection, 'whenGone'>): void {
  if (whenGone !== undefined) for (const onGone of whenGone) onGone();
}
