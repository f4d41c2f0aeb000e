import { randomInt } from 'node:crypto';
import { socketCalls, type SocketCalls } from './socket-calls.js';

/** Source: linux/socket.h, asm-generic/socket.h, linux/in.h, linux/in6.h. */
const AF_INET = 2;
const AF_INET6 = 10;
const STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
const SOL_IP = 0;
const SOL_SOCKET = 1;
const SOL_IPV6 = 41;
const SO_REUSEADDR = 2;
const SO_MARK = 36;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;

/**
 * Ports to connect from. A client's own are chosen by its kernel from 32768 on: by the same one, the connection to the application
 * would be the client's, as far as the kernel can tell.
 */
const PORTS = { first: 10_240, count: 22_528 } as const;
/** Something in this namespace may listen on one that was chosen. */
const MOST_TRIES = 8;

let lastPort = randomInt(PORTS.count);

/**
 * Opens a TCP socket that connects from the address of somebody else, who has to be reached through this machine: what comes back
 * bears the mark by which rules of the kernel lead it here. It needs CAP_NET_RAW (for the mark before Linux 5.17: CAP_NET_ADMIN).
 *
 * Shape: `ip` has 4 or 16 bytes. A descriptor, which the caller has to close, or why there is none.
 */
export function openClientAddressSocket(
  ip: Uint8Array,
  mark: number,
): { readonly descriptor: number } | { readonly reason: string } {
  const calls = socketCalls();
  if ('reason' in calls) return calls;
  const isV6 = ip.length === 16;
  const descriptor = calls.openSocket(isV6 ? AF_INET6 : AF_INET, STREAM_NONBLOCK_CLOEXEC, 0);
  if (descriptor < 0) return { reason: 'no socket can be opened' };
  const reason = prepare(calls, descriptor, ip, isV6, mark);
  if (reason === undefined) return { descriptor };
  calls.closeSocket(descriptor);
  return { reason };
}

function prepare(
  calls: SocketCalls,
  descriptor: number,
  ip: Uint8Array,
  isV6: boolean,
  mark: number,
): string | undefined {
  const set = (level: number, name: number, value: number): boolean => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return calls.setSocketOption(descriptor, level, name, bytes, bytes.length) === 0;
  };
  const isTransparent = isV6 ? set(SOL_IPV6, IPV6_TRANSPARENT, 1) : set(SOL_IP, IP_TRANSPARENT, 1);
  if (!isTransparent) return 'a socket cannot be made transparent, for which CAP_NET_RAW is needed';
  if (!set(SOL_SOCKET, SO_MARK, mark)) return 'a socket cannot be marked, for which CAP_NET_RAW is needed';
  set(SOL_SOCKET, SO_REUSEADDR, 1);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    lastPort = (lastPort + 1) % PORTS.count;
    const bytes = formatSocketAddress(ip, PORTS.first + lastPort);
    if (calls.bindSocket(descriptor, bytes, bytes.length) === 0) return undefined;
  }
  return 'no port of the client’s address can be connected from';
}

/** Source: sockaddr_in and sockaddr_in6. */
function formatSocketAddress(ip: Uint8Array, port: number): Buffer {
  const isV6 = ip.length === 16;
  const bytes = Buffer.alloc(isV6 ? 28 : 16);
  bytes.writeUInt16LE(isV6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ip, isV6 ? 8 : 4);
  return bytes;
}
