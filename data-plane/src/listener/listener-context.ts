import type { AddressConfig } from '@heddle/engine';
import type { ConnectionManagerOptions } from '../http/connection-manager-runtime.js';
import type { ConnectionCount } from './connection-count.js';
import type { BoundedLog } from './bounded-log.js';
import type { FirstSpeakers } from './first-speakers.js';
import type { ActiveListener } from './active-listener.js';
import type { ListenerManagerOptions } from './listener-manager.js';

/** What the listeners of one manager share. */
export interface ListenerContext {
  readonly options: ListenerManagerOptions;
  readonly filterOptions: Omit<ConnectionManagerOptions, 'bufferLimitBytes' | 'trafficDirection'>;
  /** Of connections that failed before they were anybody's. */
  readonly failures: BoundedLog;
  readonly firstSpeakers: FirstSpeakers;
  readonly drainTimeMs: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerListener: number;
  /** Of all listeners. */
  readonly connections: ConnectionCount;
  /** All that were ever accepted. */
  accepted: number;
  /** Counts the connections of one listener. */
  countFor(listener: string): ConnectionCount;
  nextConnectionId(): number;
  /** The listener whose address is that destination, for connections that were redirected. */
  listenerFor(destination: AddressConfig, asking: ActiveListener): ActiveListener | undefined;
}
