import { connect, createServer, type Server, type Socket } from 'node:net';
import { originalDestinations, type FindOriginalDestination } from '@heddle/supervisor/original-destination';
import { NETWORK } from './pod-addresses.js';

/** Connections out of all pods together. */
const MOST_CONNECTIONS = 4_096;

/**
 * Carries connections between the network of the pods and this machine's: it accepts on sockets that were opened there, and
 * connects here. So pods reach the world outside without anything on the machine being changed, and without root.
 */
export class EgressRelay {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #find: FindOriginalDestination | undefined;

  /** Connections that come to this socket go to one address here. */
  forward(handle: object, host: string, port: number): void {
    this.#serve(handle, () => ({ host, port }));
  }

  /** Connections that were redirected to this socket go where they were going. */
  forwardAnywhere(handle: object): void {
    const found = originalDestinations();
    this.#find = 'find' in found ? found.find : undefined;
    this.#serve(handle, (socket) => {
      const destination = this.#find?.(socket);
      // What was not redirected came to the relay itself, and would come back to it for ever.
      if (destination === undefined || destination.port === socket.localPort) return undefined;
      const { virtual, machine, machineLoopback } = NETWORK[destination.host.includes(':') ? 'v6' : 'v4'];
      // A port that a service does not have leads nowhere, and certainly not out of the machine.
      if (destination.host.startsWith(virtual)) return undefined;
      return destination.host === machine ? { ...destination, host: machineLoopback } : destination;
    });
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(
    handle: object,
    destinationOf: (socket: Socket) => { readonly host: string; readonly port: number } | undefined,
  ): void {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (inside) => {
      const destination = destinationOf(inside);
      if (destination === undefined || this.#sockets.size >= 2 * MOST_CONNECTIONS) {
        inside.destroy();
        return;
      }
      const outside = connect({ ...destination, allowHalfOpen: true, noDelay: true });
      this.#join(inside, outside);
    });
    server.on('error', () => undefined);
    server.listen(handle);
    this.#servers.push(server);
  }

  #join(inside: Socket, outside: Socket): void {
    for (const [one, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        // An end that was told is passed on by the pipe; an abort is not.
        if (!one.readableEnded) other.destroy();
      });
      one.pipe(other);
    }
  }
}
