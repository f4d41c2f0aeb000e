import { Resolver, lookup, type RecordWithTtl } from 'node:dns';
import type { AddressConfig } from '@heddle/engine';

/** One resolved address. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Resolves names; injected so that tests own it. `ttlMs` is 0 when it is not known. */
export interface DnsResolver {
  resolve(
    hostname: string,
    callback: (error: Error | undefined, addresses: readonly ResolvedAddress[], ttlMs: number) => void,
  ): void;
}

/** `getaddrinfo`: honours /etc/hosts and search domains; it tells no TTL. */
export const systemDnsResolver: DnsResolver = {
  resolve(hostname, callback) {
    lookup(hostname, { all: true, verbatim: true }, (error, addresses) => {
      if (error !== null) callback(error, [], 0);
      else {
        callback(
          undefined,
          addresses.map((one) => ({ address: one.address, family: one.family === 6 ? 6 : 4 })),
          0,
        );
      }
    });
  },
};

/**
 * The system's resolver; or, where connections come from an address by which rules of interception know them, one that asks the
 * system's name servers from that address: the proxy's own questions would come back to it otherwise.
 */
export function resolverFor(bindAddress: AddressConfig | undefined): DnsResolver {
  return bindAddress?.kind === 'socket' ? new BoundDnsResolver(bindAddress.host) : systemDnsResolver;
}

/** Asks the system's name servers from one address of this machine, for addresses of its family. */
class BoundDnsResolver implements DnsResolver {
  readonly #resolver = new Resolver();
  readonly #family: 4 | 6;

  constructor(localAddress: string) {
    this.#family = localAddress.includes(':') ? 6 : 4;
    if (this.#family === 4) this.#resolver.setLocalAddress(localAddress);
    else this.#resolver.setLocalAddress('0.0.0.0', localAddress);
  }

  resolve(hostname: string, callback: Parameters<DnsResolver['resolve']>[1]): void {
    const family = this.#family;
    const done = (error: Error | null, records: readonly RecordWithTtl[] | undefined): void => {
      if (error !== null || records === undefined) callback(error ?? new Error('no records'), [], 0);
      else {
        const ttlMs = Math.min(...records.map(({ ttl }) => ttl)) * 1000;
        callback(
          undefined,
          records.map(({ address }) => ({ address, family })),
          records.length === 0 ? 0 : ttlMs,
        );
      }
    };
    if (family === 4) this.#resolver.resolve4(hostname, { ttl: true }, done);
    else this.#resolver.resolve6(hostname, { ttl: true }, done);
  }
}
