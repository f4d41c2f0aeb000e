import { BlockList, isIP } from 'node:net';

/** Which addresses heddled may ask for keys. */
export interface AddressGuard {
  /** Why not; undefined: it may. */
  whyRefused(address: string): string | undefined;
}

/**
 * A policy names URLs that heddled calls, from where heddled stands: not every author of a policy may reach what it reaches. So
 * addresses that mean the machine itself, its link or everybody are refused, and with them the metadata services of clouds.
 * Private networks are not: that is where issuers of a cluster are.
 *
 * `allowLoopback` is for a mesh on one machine, whose issuers run on it.
 */
export function createAddressGuard({ allowLoopback }: { readonly allowLoopback: boolean }): AddressGuard {
  return {
    whyRefused(address) {
      const version = isIP(address);
      if (version === 0) return `${JSON.stringify(address)} is no address`;
      const family = version === 4 ? 'ipv4' : 'ipv6';
      if (LOOPBACK.check(address, family)) {
        return allowLoopback
          ? undefined
          : `${address} is a loopback address, which heddled calls only with --jwks-allow-loopback`;
      }
      for (const { list, what, version: only = version } of NEVER) {
        // The list of one family holds addresses of the other, too, where they mean the same.
        if (only === version && list.check(address, family)) {
          return `${address} is ${what}, which heddled does not call`;
        }
      }
      return undefined;
    },
  };
}

interface Refused {
  readonly what: string;
  readonly list: BlockList;
  /** Asked only of addresses of this version. */
  readonly version?: 4 | 6;
}

const LOOPBACK = subnets(['127.0.0.0/8', '::1/128']);

const NEVER: readonly Refused[] = [
  {
    what: 'a link-local or metadata address',
    list: subnets([
      '169.254.0.0/16',
      'fe80::/10',
      // Metadata services that are not link-local: of Amazon, Alibaba, Oracle and Azure.
      'fd00:ec2::254/128',
      '100.100.100.200/32',
      '192.0.0.192/32',
      '168.63.129.16/32',
    ]),
  },
  {
    what: 'not an address of one machine',
    list: subnets(['0.0.0.0/8', '224.0.0.0/4', '240.0.0.0/4', '::/128', 'ff00::/8']),
  },
  {
    // They stand for IPv4 addresses, which would have to be checked in their own form.
    what: 'an IPv4 address in the clothes of IPv6',
    list: subnets(['::ffff:0:0/96', '64:ff9b::/96', '2002::/16', '::/96']),
    version: 6,
  },
];

function subnets(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits = ''] = range.split('/');
    list.addSubnet(address, Number(bits), address.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}
