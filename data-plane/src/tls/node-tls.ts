import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type * as NodeTls from 'node:tls';

let loaded: typeof NodeTls | undefined;

/** Node's TLS, loaded when the first context is made: a proxy without TLS never pays for it. */
export function nodeTls(): typeof NodeTls {
  loaded ??= process.getBuiltinModule('node:tls');
  return loaded;
}

/**
 * The accepted socket that a server's TLS socket lies on.
 *
 * Node keeps it under a name that is not documented; asking the sockets for their addresses instead costs two system calls for each
 * connection, and Unix sockets have none. Should it go one day, no handshake succeeds, and every test of TLS fails.
 */
export function socketBelow(socket: TLSSocket): Socket | undefined {
  return (socket as unknown as { readonly _parent?: Socket })._parent;
}
