import type { FilterState } from '@heddle/engine';
import type { ConnectionPool } from '../codec/stream.js';
import type { ClientConnection } from './client-connection.js';
import type { Cluster } from './cluster.js';
import type { Host } from './host.js';

/** `auto`: whichever is agreed on with the host. */
export type PoolProtocol = 'http1' | 'http2' | 'auto';

/** `tcp`: each stream is a connection of its own, and its bytes go as they are. */
export type SpokenUpstream = PoolProtocol | 'tcp';

/** Whose connections a pool keeps. */
export interface PoolRequest {
  readonly cluster: Cluster;
  readonly host: Host;
  readonly protocol: SpokenUpstream;
  readonly priority: 'default' | 'high';
  /** The only one whose requests it takes, where connections say so or come from there. */
  readonly client?: ClientConnection | undefined;
  /** What hosts inside this process are told of the filter state. */
  readonly filterState?: FilterState | undefined;
}

/** Makes the connection pool of one host; injected so that tests own the connections. */
export type PoolFactory = (request: PoolRequest) => ConnectionPool;
