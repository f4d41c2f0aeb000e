import type { Socket } from 'node:net';
import type { Clock, Logger, Random } from '@heddle/common';
import type { AddressConfig, FormatContext, ListenerConfig } from '@heddle/engine';
import type { AccessLogFiles } from '../access-log/access-log-files.js';
import type { ApplyProblem, ClusterManager } from '../cluster/cluster-manager.js';
import type { ConfigSource } from '../config-source.js';
import type { IstioTelemetry } from '../stats/istio/istio-telemetry.js';
import type { OverloadState } from '../overload/overload-state.js';
import type { SharedCells } from '../shared/shared-cells.js';
import type { Runtime } from '../runtime/runtime.js';
import type { StatsStore } from '../stats/stats-store.js';
import type { TlsTransports } from '../tls/transport.js';
import type { SocketSource } from './bind-server.js';
import { ListenerManagerImpl } from './listener-manager-impl.js';

export interface ListenerManagerOptions {
  /** Default: nothing is set. */
  readonly runtime?: Runtime | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly stats: StatsStore;
  readonly clusters: ClusterManager;
  /** Shared by every access log; its owner closes it last. */
  readonly accessLogFiles: AccessLogFiles;
  /** Where connection managers get their routes. Without one, a listener that needs RDS is refused. */
  readonly configSource?: ConfigSource | undefined;
  /** Asked when a listener with TLS comes; without an answer it is refused. */
  readonly tls?: (() => TlsTransports | undefined) | undefined;
  /** For `%HOSTNAME%` and `%ENVIRONMENT(X)%`. */
  readonly formatContext?: FormatContext;
  /** Who this proxy stands for. Default: a workload of which nothing is known. */
  readonly telemetry?: IstioTelemetry;
  /** Finds where an intercepted connection was going (SO_ORIGINAL_DST), if anything redirected it. */
  readonly originalDestination?: (socket: Socket) => AddressConfig | undefined;
  /** Who opens our listening sockets and holds them, if it is not us. */
  readonly heldSockets?: SocketSource | undefined;
  /** What is shed now. Default: nothing, ever. */
  readonly overload?: OverloadState;
  /** Bound of all downstream connections together. Default 50,000. */
  readonly maxConnections?: number;
  /** Bound of a listener that sets none. Default 10,000. */
  readonly maxConnectionsPerListener?: number;
  /** What the threads of this process limit together; undefined: there is one. */
  readonly cells?: SharedCells | undefined;
  /** How long connections of a removed listener or filter chain may go on. Default 600 s, as Envoy's --drain-time-s. */
  readonly drainTimeMs?: number;
}

export interface DrainOptions {
  /** Outbound listeners go on. */
  readonly inboundOnly?: boolean;
  /** Idle connections stay as well, until their clients were told to come by another. */
  readonly keepsIdle?: boolean;
}

/** All listeners, by name. */
export interface ListenerManager {
  /**
   * Adds, replaces and removes listeners. Resolves when every socket is bound or refused; waiting for RDS goes on after that,
   * and connections that arrive meanwhile wait. When only filter chains changed the socket is kept; connections of chains that
   * went away drain.
   */
  apply(added: readonly ListenerConfig[], removed: readonly string[]): Promise<readonly ApplyProblem[]>;
  /** Calls back once, when every listener known by then is warm; inside the call when that is so already. */
  onReady(callback: () => void): void;
  readonly ready: boolean;
  /** What the admin pages show, in order of names. */
  status(): readonly ListenerStatus[];
  /** Downstream connections of all listeners, draining ones included. */
  readonly activeConnections: number;
  /** All that were ever accepted, refused ones included. */
  readonly acceptedConnections: number;
  /** Requests and TCP connections in flight. */
  readonly activeRequests: number;
  /**
   * Stops accepting, answers what is in flight with `Connection: close`, and closes idle connections. Calls `onDrained` when
   * nothing is left or after `drainTimeMs`, whatever comes first.
   */
  drain(options?: DrainOptions, onDrained?: () => void): void;
  /** Closes every socket now. */
  close(): Promise<void>;
}

export interface ListenerStatus {
  readonly name: string;
  readonly config: ListenerConfig;
  readonly state: 'warming' | 'active' | 'draining';
  /** As bound: port 0 is replaced by the real one. */
  readonly addresses: readonly AddressConfig[];
  readonly connections: number;
}

export function createListenerManager(options: ListenerManagerOptions): ListenerManager {
  return new ListenerManagerImpl(options);
}
