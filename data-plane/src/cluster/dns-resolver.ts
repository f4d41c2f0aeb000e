import { lookup } from 'node:dns';

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
