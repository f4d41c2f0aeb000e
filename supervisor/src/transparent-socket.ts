import type { Server } from 'node:net';
import { descriptorOf, socketCalls } from './socket-calls.js';

/** Source: linux/in.h; one call covers IPv4 and IPv6. */
const SOL_IP = 0;
const IP_TRANSPARENT = 19;

/**
 * Lets a listening socket accept connections to addresses that are not this machine's, as TPROXY leads them to it. It needs
 * CAP_NET_RAW or CAP_NET_ADMIN. Returns why that failed, if it did.
 */
export function makeTransparent(server: Server): string | undefined {
  const calls = socketCalls();
  if ('reason' in calls) return calls.reason;
  const descriptor = descriptorOf(server);
  if (descriptor === undefined) return 'it does not listen';
  const on = Buffer.alloc(4);
  on.writeInt32LE(1);
  return calls.setSocketOption(descriptor, SOL_IP, IP_TRANSPARENT, on, on.length) === 0
    ? undefined
    : 'it cannot be made transparent, for which CAP_NET_RAW is needed';
}
