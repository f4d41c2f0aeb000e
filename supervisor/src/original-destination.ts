import type { Socket } from 'node:net';
import { descriptorOf, socketCalls } from './socket-calls.js';

export { openClientAddressSocket } from './client-address-socket.js';
export { makeTransparent } from './transparent-socket.js';

/** Where a connection was going before a rule of the kernel led it elsewhere. */
export interface OriginalDestination {
  readonly host: string;
  readonly port: number;
}

/** Reads it from an accepted socket; undefined where the kernel knows of none. */
export type FindOriginalDestination = (socket: Socket) => OriginalDestination | undefined;

const SOL_IP = 0;
const SOL_IPV6 = 41;
/** Source: linux/netfilter_ipv4.h SO_ORIGINAL_DST and linux/netfilter_ipv6/ip6_tables.h IP6T_SO_ORIGINAL_DST. */
const SO_ORIGINAL_DST = 80;
/** Source: sizes of sockaddr_in and sockaddr_in6. */
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

/**
 * The way to ask the kernel for original destinations. Nothing is loaded before this is called.
 *
 * Shape: a function, or why there is none. A connection that nothing redirected is reported with its own address.
 * Cost: about 2 µs for each call.
 */
export function originalDestinations():
  { readonly find: FindOriginalDestination } | { readonly reason: string } {
  const calls = socketCalls();
  if ('reason' in calls) return calls;
  const { getSocketOption } = calls;
  const address = Buffer.alloc(SOCKADDR_IN6_BYTES);
  const length = Buffer.alloc(4);
  return {
    find: (socket) => {
      const { localAddress } = socket;
      const descriptor = descriptorOf(socket);
      // Closed already, or not a TCP socket of this platform.
      if (localAddress === undefined || descriptor === undefined) return undefined;
      const isIpv6 = localAddress.includes(':') && !localAddress.startsWith('::ffff:');
      length.writeUInt32LE(isIpv6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES);
      if (getSocketOption(descriptor, isIpv6 ? SOL_IPV6 : SOL_IP, SO_ORIGINAL_DST, address, length) !== 0)
        return undefined;
      return parseSocketAddress(address, isIpv6);
    },
  };
}

/** Source: sockaddr_in (port and address from byte 2 and 4) and sockaddr_in6 (2 and 8). */
export function parseSocketAddress(bytes: Buffer, isIpv6: boolean): OriginalDestination {
  const port = bytes.readUInt16BE(2);
  if (!isIpv6) return { host: `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`, port };
  const groups: string[] = [];
  for (let at = 8; at < 24; at += 2) groups.push(bytes.readUInt16BE(at).toString(16));
  return { host: shortened(groups), port };
}

/** Source: RFC 5952, section 4.2: the longest run of zeros, the first of equals, becomes `::`; a single zero stays. */
function shortened(groups: readonly string[]): string {
  let best = 0;
  let bestLength = 1;
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === '0') end++;
    if (end - start > bestLength) {
      best = start;
      bestLength = end - start;
    }
  }
  if (bestLength === 1) return groups.join(':');
  return `${groups.slice(0, best).join(':')}::${groups.slice(best + bestLength).join(':')}`;
}
