import { parseIp } from '../address/ip-address.js';
import type { CidrConfig } from '../config/listener-config.js';

/** The address with everything after `prefixLength` bits cleared, as a key. */
function maskedKey(bytes: Uint8Array, prefixLength: number): string {
  let key = '';
  for (let i = 0; i < bytes.length; i++) {
    const bits = prefixLength - i * 8;
    if (bits <= 0) break;
    const byte = bytes[i] as number;
    key += String.fromCharCode(bits >= 8 ? byte : byte & (0xff << (8 - bits)));
  }
  return key;
}

/** Whether an address lies in a range. */
export function cidrContains(cidr: CidrConfig, address: string): boolean {
  const range = parseIp(cidr.address);
  const bytes = parseIp(address);
  if (range === undefined || bytes === undefined || range.length !== bytes.length) return false;
  return maskedKey(range, cidr.prefixLength) === maskedKey(bytes, cidr.prefixLength);
}

/** Values by address range; the longest range that holds an address wins. Values of `any` are found when no range does. */
export class CidrMap<T> {
  /** By length of address, then by prefix length, longest first. */
  readonly #v4: { readonly prefixLength: number; readonly values: Map<string, T> }[] = [];
  readonly #v6: { readonly prefixLength: number; readonly values: Map<string, T> }[] = [];
  #any: T | undefined = undefined;

  /** The value of exactly this range (undefined: any address), made when there is none. */
  getOrCreate(cidr: CidrConfig | undefined, create: () => T): T {
    if (cidr === undefined) return (this.#any ??= create());
    const bytes = parseIp(cidr.address) ?? new Uint8Array(4);
    const levels = bytes.length === 4 ? this.#v4 : this.#v6;
    const prefixLength = Math.min(cidr.prefixLength, bytes.length * 8);
    let level = levels.find((one) => one.prefixLength === prefixLength);
    if (level === undefined) {
      level = { prefixLength, values: new Map() };
      levels.push(level);
      levels.sort((a, b) => b.prefixLength - a.prefixLength);
    }
    const key = maskedKey(bytes, prefixLength);
    let value = level.values.get(key);
    if (value === undefined) {
      value = create();
      level.values.set(key, value);
    }
    return value;
  }

  find(address: string): T | undefined {
    if (this.#v4.length + this.#v6.length > 0) {
      const bytes = parseIp(address);
      if (bytes !== undefined) {
        for (const { prefixLength, values } of bytes.length === 4 ? this.#v4 : this.#v6) {
          const value = values.get(maskedKey(bytes, prefixLength));
          if (value !== undefined) return value;
        }
      }
    }
    return this.#any;
  }
}
