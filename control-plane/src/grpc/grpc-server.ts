import { Server, ServerCredentials } from '@grpc/grpc-js';

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

/** Binds without TLS: for loopback. Resolves with the port that was bound. */
export function bindPlaintext(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}
