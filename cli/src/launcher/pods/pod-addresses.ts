/**
 * The network of pods on one machine: every pod has an address for its application and another from which its sidecar connects,
 * and all of them reach the switch. Source: RFC 2544; no network has 198.18.0.0/15, so that nothing real is hidden.
 */
export const SWITCH_ADDRESS = '198.18.0.1';
/** By which pods reach the loopback of this machine. */
export const MACHINE_ADDRESS = '198.18.0.2';
/** How the addresses begin that heddled gives services. */
export const VIRTUAL_ADDRESSES = '240.240.';
/** What a pod's resolver asks; rules lead its questions to the sidecar, whoever is asked. */
export const NAME_SERVER_ADDRESS = '198.18.0.53';
/** Everything inside. */
export const PODS_RANGE = '198.18.0.0/15';

/** Where the switch listens: the control plane, name servers, and connections to the world outside. */
export const SWITCH_PORTS = { controlPlane: 15_012, dns: 53, egress: 15_099 } as const;
/** Where the sidecar of a pod listens. Source: Istio. */
export const SIDECAR_PORTS = { outbound: 15_001, inbound: 15_006, tunnels: 15_008, dns: 15_053 } as const;

/** The addresses of one pod. */
export interface PodAddresses {
  readonly application: string;
  readonly sidecar: string;
}

/** Above those of the switch itself. */
const FIRST = 64;
const LAST = 65_500;

/** Gives addresses to pods, each pair to one pod at a time. */
export class PodAddressPool {
  readonly #free: number[] = [];
  #next = FIRST;

  /** Errors: throws when all are taken. */
  take(): PodAddresses & { readonly number: number } {
    // Those that were used longest ago, and last: what a pod leaves behind in the kernel takes a while to go.
    const number = this.#next <= LAST ? this.#next++ : this.#free.shift();
    if (number === undefined) throw new Error(`more than ${LAST - FIRST} pods at a time`);
    const tail = `${number >> 8}.${number & 0xff}`;
    return { number, application: `198.18.${tail}`, sidecar: `198.19.${tail}` };
  }

  release(number: number): void {
    this.#free.push(number);
  }
}
