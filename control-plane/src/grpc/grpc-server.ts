import { createServer, type Server as TcpServer, type Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Logger } from '@heddle/common';
import { listen } from '../listen.js';

/** A gRPC server with keep-alive that suits long-lived discovery streams. */
export function createGrpcServer(): Server {
  return new Server({
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.http2.min_time_between_pings_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.max_receive_message_length': 16 * 1024 * 1024,
    'grpc.max_concurrent_streams': 256,
    // Of those on which nothing is asked, whoever they are from.
    'grpc.max_connection_idle_ms': 300_000,
  });
}

/** A port on which gRPC is spoken without TLS: for loopback. */
export class PlaintextPort {
  readonly #tcp: TcpServer;
  readonly #log: Logger;
  readonly #open = new Set<Socket>();

  constructor(grpc: Server, log: Logger) {
    this.#log = log;
    // grpc-js would listen itself, with a backlog that is too short for a mesh that comes back.
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#tcp = createServer({ noDelay: true }, (socket) => {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
      injector.injectConnection(socket);
    });
  }

  /** `address` is `HOST:PORT`, IPv6 in brackets. Resolves with the port. Errors: it is taken. */
  listen(address: string): Promise<number> {
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    return listen(this.#tcp, host, Number(address.slice(colon + 1)), this.#log);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#tcp.close(() => resolve());
      for (const socket of this.#open) socket.destroy();
    });
  }
}
