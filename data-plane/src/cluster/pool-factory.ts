import type { ConnectionPool } from '../codec/stream.js';
import type { ClientAddress } from './client-address.js';
import type { Cluster } from './cluster.js';
import type { Host } from './host.js';

/** `auto`: whichever is agreed on with the host. */
export type PoolProtocol = 'http1' | 'http2' | 'auto';

/** Whose connections a pool keeps. */
export interface PoolRequest {
  readonly cluster: Cluster;
  readonly host: Host;
  readonly protocol: PoolProtocol;
  readonly priority: 'default' | 'high';
  /** Of the only client whose requests it takes, where connections come from there. */
  readonly clientAddress?: ClientAddress | undefined;
}

/** Makes the connection pool of one host; injected so that tests own the connections. */
export type PoolFactory = (request: PoolRequest) => ConnectionPool;
