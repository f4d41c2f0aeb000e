import { isIP } from 'node:net';
import type { Service } from './mesh-model.js';

/** Addresses that no network has; connections to them are taken to the sidecar. Source: Istio's 240.240.0.0/16. */
const FIRST_OCTETS = '240.240';
/** The first and the last address of a third octet are left out, as in Istio: some programs take them for something else. */
const HOSTS_PER_OCTET = 254;
const SLOTS = 256 * HOSTS_PER_OCTET;

/**
 * An address for each service that has none, by the service's key, so that transparent interception can tell them apart.
 *
 * Shape: made from the service's own key, and from others only where two would have the same one; so services that come and go
 * leave the addresses of the rest alone, and every replica of the control plane gives the same ones. Hosts that are wildcards or addresses get none, and
 * nobody does once all addresses are taken.
 */
export function virtualAddresses(services: ReadonlyMap<string, Service>): ReadonlyMap<string, string> {
  const addresses = new Map<string, string>();
  const taken = new Set<number>();
  for (const [key, { hostname, addresses: own, resolution }] of services) {
    // Without endpoints, where the caller was going is all there is to go by.
    const isNamed = !hostname.startsWith('*') && isIP(hostname) === 0 && resolution !== 'none';
    if (own.length > 0 || !isNamed || taken.size === SLOTS) continue;
    let slot = hashOf(key) % SLOTS;
    while (taken.has(slot)) slot = (slot + 1) % SLOTS;
    taken.add(slot);
    addresses.set(
      key,
      `${FIRST_OCTETS}.${Math.floor(slot / HOSTS_PER_OCTET)}.${(slot % HOSTS_PER_OCTET) + 1}`,
    );
  }
  return addresses;
}

/** Source: FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash ^= text.charCodeAt(at);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}
