import { HBONE_PORT } from '@heddle/injector';

/** The families of addresses. */
export const FAMILIES = ['v4', 'v6'] as const;
export type Family = (typeof FAMILIES)[number];

/** What the network of the pods consists of, in one family. */
export interface FamilyAddresses {
  /** By which everybody inside reaches the switch. */
  readonly switch: string;
  /** By which pods reach the loopback of this machine. */
  readonly machine: string;
  readonly machineLoopback: string;
  readonly loopbackRange: string;
  /** Everything inside. */
  readonly pods: string;
  /** How the addresses begin that control planes give services, which no machine has. */
  readonly virtual: string;
  /** One of those that no service gets. */
  readonly nowhere: string;
  /** How long a prefix is that means one address. */
  readonly bits: 32 | 128;
  /** What `ip addr add` is told besides: an address of IPv6 is not used before nobody else was found to have it. */
  readonly atOnce: '' | ' nodad';
}

/**
 * The network of pods on one machine: every pod has an address for its application and another from which its sidecar connects,
 * and all of them reach the switch.
 *
 * Source: RFC 2544, no network has 198.18.0.0/15; RFC 4193, nobody else has drawn our prefix; Istio's ranges for services.
 */
export const NETWORK: Readonly<Record<Family, FamilyAddresses>> = {
  v4: {
    switch: '198.18.0.1',
    machine: '198.18.0.2',
    machineLoopback: '127.0.0.1',
    loopbackRange: '127.0.0.0/8',
    pods: '198.18.0.0/15',
    virtual: '240.240.',
    nowhere: '240.240.255.254',
    bits: 32,
    atOnce: '',
  },
  v6: {
    switch: 'fd68:6564:646c::1',
    machine: 'fd68:6564:646c::2',
    machineLoopback: '::1',
    loopbackRange: '::1/128',
    pods: 'fd68:6564:646c::/48',
    virtual: '2001:2::',
    nowhere: '2001:2::ffff',
    bits: 128,
    atOnce: ' nodad',
  },
};

/** What a pod's resolver asks; rules lead its questions to the sidecar, whoever is asked. */
export const NAME_SERVER_ADDRESS = '198.18.0.53';

/** Where the switch listens: the control plane, name servers, and connections to the world outside. */
export const SWITCH_PORTS = { controlPlane: 15_012, dns: 53, egress: 15_099 } as const;
/** Where the sidecar of a pod listens. Source: Istio. */
export const SIDECAR_PORTS = { outbound: 15_001, inbound: 15_006, tunnels: HBONE_PORT, dns: 15_053 } as const;

/** The addresses of one pod in one family. */
export interface PodAddressPair {
  readonly application: string;
  readonly sidecar: string;
}

/** `v6` is left out where the machine has no IPv6. */
export interface PodAddresses {
  readonly v4: PodAddressPair;
  readonly v6?: PodAddressPair;
}

/** The families that a pod has addresses of, with them. */
export function pairsOf(addresses: PodAddresses): readonly (readonly [Family, PodAddressPair])[] {
  return FAMILIES.flatMap((family): (readonly [Family, PodAddressPair])[] => {
    const pair = addresses[family];
    return pair === undefined ? [] : [[family, pair]];
  });
}

/** Above those of the switch itself. */
const FIRST = 64;
const LAST = 65_500;

/** Gives addresses to pods, each pair to one pod at a time. */
export class PodAddressPool {
  readonly #families: readonly Family[];
  readonly #free: number[] = [];
  #next = FIRST;

  constructor(families: readonly Family[]) {
    this.#families = families;
  }

  /** Errors: throws when all are taken. */
  take(): { readonly number: number; readonly addresses: PodAddresses } {
    // Those that were used longest ago, and last: what a pod leaves behind in the kernel takes a while to go.
    const number = this.#next <= LAST ? this.#next++ : this.#free.shift();
    if (number === undefined) throw new Error(`more than ${LAST - FIRST} pods at a time`);
    const tail = `${number >> 8}.${number & 0xff}`;
    const v4 = { application: `198.18.${tail}`, sidecar: `198.19.${tail}` };
    if (!this.#families.includes('v6')) return { number, addresses: { v4 } };
    const hex = number.toString(16);
    const v6 = { application: `fd68:6564:646c:1::${hex}`, sidecar: `fd68:6564:646c:2::${hex}` };
    return { number, addresses: { v4, v6 } };
  }

  release(number: number): void {
    this.#free.push(number);
  }
}
