import type { AddressConfig } from '../config/address.js';
import { isIpAddress } from './ip-address.js';

/** The address that `host:port` or `[v6]:port` says, with an IP address; undefined: it says none. */
export function parseAddress(text: string): AddressConfig | undefined {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2] ?? '';
  const port = Number(found?.[3]);
  if (!isIpAddress(host) || port < 1 || port > 65_535) return undefined;
  return { kind: 'socket', host, port, protocol: 'tcp' };
}
