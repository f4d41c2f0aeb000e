import { parseIp } from '../address/ip-address.js';
import type { InternalAddressConfig } from '../config/http-connection-manager-config.js';
import { IpRanges } from '../rbac/ip-ranges.js';

/** Addresses whose requests are internal, made ready: what their `x-envoy-*` fields ask for is done. */
export class InternalAddresses {
  readonly #unixSockets: boolean;
  readonly #ranges: IpRanges;

  constructor({ unixSockets, ranges }: InternalAddressConfig) {
    this.#unixSockets = unixSockets;
    this.#ranges = new IpRanges(ranges);
  }

  /** IPv4 that is written as IPv6 is not internal, as in Envoy. */
  has(ip: string): boolean {
    return this.#ranges.contains(ip) === true && !(ip.includes(':') && parseIp(ip)?.length === 4);
  }

  /** Whether whoever is connected is internal. Unix sockets have no addresses, at neither end. */
  hasPeer({ remoteIp, localAddress }: { readonly remoteIp: string; readonly localAddress: string }): boolean {
    return remoteIp === '' && localAddress === '' ? this.#unixSockets : this.has(remoteIp);
  }
}
