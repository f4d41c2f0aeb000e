import { isDeepStrictEqual } from 'node:util';
import type { FilterChainConfig, ListenerConfig } from '@heddle/engine';

/** Whether connections of one chain may go on under the other. */
export function sameFilterChain(a: FilterChainConfig, b: FilterChainConfig): boolean {
  return isDeepStrictEqual(a, b);
}

/** Whether one set of sockets serves both versions of a listener. */
export function sameSockets(a: ListenerConfig, b: ListenerConfig): boolean {
  return (
    isDeepStrictEqual(a.address, b.address) &&
    isDeepStrictEqual(a.additionalAddresses, b.additionalAddresses) &&
    a.bindToPort === b.bindToPort &&
    a.transparent === b.transparent &&
    a.tcpBacklogSize === b.tcpBacklogSize
  );
}
