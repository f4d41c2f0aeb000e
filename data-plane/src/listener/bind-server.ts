import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { formatAddress, type AddressConfig, type ListenerConfig } from '@heddle/engine';
import type { HeldSocket } from '@heddle/supervisor/held-sockets';
import { makeTransparent } from '@heddle/supervisor/original-destination';

/** Who opens listening sockets for us: the supervisor, or the main thread for its workers. */
export interface SocketSource {
  /** `owner`: the listener's name; where port 0 is shared, it is by the same owner. */
  listen(host: string, port: number, ipv6Only: boolean, owner?: string): Promise<HeldSocket>;
  /** A Unix socket. Without it they are ours to open. */
  listenAt?(path: string, owner: string): Promise<HeldSocket>;
  /** The address is not served any more: whoever comes is to be refused. */
  unlisten(host: string, port: number): void;
}

/** Where sockets can be bound. */
export type BoundAddress = Exclude<AddressConfig, { readonly kind: 'internal' }>;

/** A listening socket, by each of its descriptors, or why there is none. */
export type BindResult =
  | { readonly ok: true; readonly servers: readonly Server[]; readonly address: AddressConfig }
  | { readonly ok: false; readonly reason: string };

/**
 * Node accepts one connection of a descriptor in a turn of the event loop: where turns are long, those who come in a crowd would wait
 * for as many of them. A socket that somebody else holds is had by several descriptors.
 */
const DESCRIPTORS = 4;

/**
 * Listens on an address; on a socket that the supervisor holds, if there is one. Connections allow half-open, which
 * tunnels and TCP relays need.
 */
export async function bindServer(
  address: BoundAddress,
  config: Pick<ListenerConfig, 'name' | 'tcpBacklogSize' | 'transparent'>,
  onConnection: (socket: Socket) => void,
  heldSockets?: SocketSource,
): Promise<BindResult> {
  const first = await bindOne(address, config, onConnection, heldSockets);
  if (!first.ok) return first;
  const servers = [first.server];
  // A port that the system chose is nobody's yet by its number.
  const isNamed = address.kind === 'socket' && address.port !== 0;
  while (heldSockets !== undefined && isNamed && servers.length < DESCRIPTORS) {
    const further = await bindOne(address, config, onConnection, heldSockets);
    if (!further.ok) break;
    servers.push(further.server);
  }
  return { ok: true, servers, address: first.address };
}

async function bindOne(
  address: BoundAddress,
  {
    name,
    tcpBacklogSize: backlog,
    transparent,
  }: Pick<ListenerConfig, 'name' | 'tcpBacklogSize' | 'transparent'>,
  onConnection: (socket: Socket) => void,
  heldSockets: SocketSource | undefined,
): Promise<
  | { readonly ok: true; readonly server: Server; readonly address: AddressConfig }
  | { readonly ok: false; readonly reason: string }
> {
  const held =
    address.kind === 'socket'
      ? await heldSockets?.listen(address.host, address.port, address.host === '::', name)
      : await heldSockets?.listenAt?.(address.path, name);
  if (held?.ok === false)
    return { ok: false, reason: `cannot listen on ${formatAddress(address)}: ${held.reason}` };
  const handle = held?.handle;
  return new Promise((resolve) => {
    if (address.kind === 'pipe' && handle === undefined) removeStaleSocket(address.path);
    const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
    const onError = (error: Error): void => {
      resolve({ ok: false, reason: `cannot listen on ${formatAddress(address)}: ${error.message}` });
    };
    server.once('error', onError);
    server.once('listening', () => {
      server.removeListener('error', onError);
      // Running out of descriptors makes accepting fail for a while; the listener goes on.
      server.on('error', () => undefined);
      const opaque = transparent === true ? makeTransparent(server) : undefined;
      if (opaque !== undefined) {
        server.close();
        resolve({ ok: false, reason: `cannot listen on ${formatAddress(address)}: ${opaque}` });
        return;
      }
      if (address.kind === 'pipe') {
        if (address.mode !== 0) chmodSync(address.path, address.mode);
        resolve({ ok: true, server, address });
        return;
      }
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
      resolve({ ok: true, server, address: { ...address, port } });
    });
    if (handle !== undefined) server.listen(handle, backlog);
    else if (address.kind === 'pipe') server.listen({ path: address.path, backlog });
    else server.listen({ host: address.host, port: address.port, backlog, ipv6Only: address.host === '::' });
  });
}

/** A socket file that another process left behind would keep us from listening. */
export function removeStaleSocket(path: string): void {
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch {
    // There is none, or listening will say what is wrong.
  }
}
