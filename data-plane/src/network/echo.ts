import type { Socket } from 'node:net';
import type { Clock } from '@heddle/common';
import { RefusedConnection, type ConnectionRefusal } from '../http/refused-connection.js';
import type { ConnectionInfo } from '../http/stream-state.js';
import type { NetworkConnection, NetworkFilter } from './network-connection.js';

/**
 * Sends back what comes, to find out whether connections get as far as here, and what they cost by then.
 *
 * Source: envoy.extensions.filters.network.echo.v3.Echo.
 */
export class Echo implements NetworkFilter {
  readonly adoptsSockets = false;
  readonly #clock: Clock;
  activeRequests = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(onWarm: () => void): void {
    onWarm();
  }

  /** Holds no more than what the client does not read: it is asked for more once that is gone. */
  accept(socket: Socket, _info: ConnectionInfo, early: Buffer | undefined): NetworkConnection {
    this.activeRequests++;
    socket.on('error', ignore);
    socket.once('close', () => this.activeRequests--);
    const echo = (chunk: Buffer): void => {
      if (!socket.write(chunk)) socket.pause();
    };
    socket.on('data', echo);
    socket.on('drain', () => socket.resume());
    socket.once('end', () => socket.end());
    if (early !== undefined) echo(early);
    return { drain: () => undefined, close: () => socket.destroy() };
  }

  refuse(socket: Socket, info: ConnectionInfo, refusal: ConnectionRefusal): NetworkConnection {
    return new RefusedConnection(socket, info, refusal, this.#clock);
  }

  beginDrain(): void {
    // A connection has no point at which it could be asked to end.
  }

  close(): void {
    // Nothing is shared that would have to stop.
  }
}

function ignore(): void {
  // 'close' follows every error.
}
