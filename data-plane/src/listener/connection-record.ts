import type { Socket } from 'node:net';
import type { Clock } from '@heddle/common';
import type { AccessLog } from '../access-log/access-log.js';
import { StreamState, type ConnectionInfo } from '../http/stream-state.js';

/**
 * One connection for the access logs of its listener, which are written when it ends.
 *
 * Source: envoy.config.listener.v3.Listener.access_log.
 */
export class ConnectionRecord extends StreamState {
  readonly #clock: Clock;
  readonly #logs: readonly AccessLog[];
  downstreamTransportFailureReason = '';

  constructor(info: ConnectionInfo, clock: Clock, logs: readonly AccessLog[]) {
    super(info, clock.nowMs(), clock.monotonicMs());
    this.#clock = clock;
    this.#logs = logs;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  /** Writes the lines once `socket` has closed. */
  logWhenClosed(socket: Socket): void {
    if (socket.closed) this.#log(socket);
    else socket.once('close', () => this.#log(socket));
  }

  /** No chain takes it. */
  noFilterChain(socket: Socket): void {
    this.addFlag('NR');
    this.codeDetails = 'filter_chain_not_found';
    this.reason = 'no filter chain of the listener takes this connection';
    this.logWhenClosed(socket);
  }

  /** TLS with the client failed. */
  transportFailed(socket: Socket, reason: string): void {
    this.downstreamTransportFailureReason = reason;
    this.reason = reason;
    this.logWhenClosed(socket);
  }

  #log(socket: Socket): void {
    this.endedAtMs = this.monotonicMs();
    this.bytesReceived = socket.bytesRead;
    this.bytesSent = socket.bytesWritten;
    for (const log of this.#logs) log.log(this);
  }
}
