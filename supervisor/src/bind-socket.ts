import net from 'node:net';
import { getSystemErrorName } from 'node:util';

/** A bound socket as Node hands it from process to process. */
export interface SocketHandle {
  /** Below 0 where the platform has none. */
  readonly fd?: number;
  getsockname(out: { address?: string; port?: number }): number;
  close(): void;
}

/** `addressType` -1: the address is the path of a Unix socket. */
type CreateServerHandle = (
  address: string,
  port: number,
  addressType: 4 | 6 | -1,
  descriptor: number | undefined,
  flags: number,
) => SocketHandle | number;

/** Source: libuv, UV_TCP_IPV6ONLY. */
const IPV6_ONLY = 1;

export type BoundSocket =
  { readonly handle: SocketHandle; readonly port: number } | { readonly reason: string };

/** Binds an address without accepting on it; or tells why not. `port` is the one that was bound, also where 0 was asked for. */
export function bindSocket(host: string, port: number, ipv6Only: boolean): BoundSocket {
  const made = createHandle(host, port, host.includes(':') ? 6 : 4, ipv6Only ? IPV6_ONLY : 0);
  if ('reason' in made) return made;
  const name: { port?: number } = {};
  // A failure to bind is kept back by libuv until the handle is used.
  const failure = made.handle.getsockname(name);
  if (failure !== 0) {
    made.handle.close();
    return { reason: getSystemErrorName(failure) };
  }
  return { handle: made.handle, port: name.port ?? port };
}

/** The same for a Unix socket. Whoever closes it removes its file. */
export function bindUnixSocket(
  path: string,
): { readonly handle: SocketHandle } | { readonly reason: string } {
  return createHandle(path, -1, -1, 0);
}

/** Whether this Node can hold sockets for other processes. */
export function canHoldSockets(): boolean {
  return createServerHandle() !== undefined;
}

function createHandle(
  address: string,
  port: number,
  type: 4 | 6 | -1,
  flags: number,
): { readonly handle: SocketHandle } | { readonly reason: string } {
  const create = createServerHandle();
  if (create === undefined) return { reason: 'this Node cannot bind a socket without accepting on it' };
  const made = create(address, port, type, undefined, flags);
  return typeof made === 'number' ? { reason: getSystemErrorName(made) } : { handle: made };
}

/**
 * What Node's own `cluster` binds sockets with. There is no public way to bind one without accepting on it; where a
 * Node has this no more, children bind for themselves. Decided in docs/adr/0010.
 */
function createServerHandle(): CreateServerHandle | undefined {
  return (net as unknown as { _createServerHandle?: CreateServerHandle })._createServerHandle;
}
