import { isIPv4, isIPv6 } from 'node:net';

/** A range of addresses, its host bits cleared. */
export interface Cidr {
  readonly family: 'v4' | 'v6';
  /** `10.0.0.0/8`: canonical, so that equal ranges are equal texts. */
  readonly text: string;
}

/**
 * Reads `10.0.0.0/8`, `fd00::/8` or a bare address, which means that address alone.
 *
 * Shape: undefined where it is neither. Zones (`fe80::1%eth0`) are not ranges, so they are refused.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const family = isIPv4(address) ? 'v4' : isIPv6(address) && !address.includes('%') ? 'v6' : undefined;
  if (family === undefined) return undefined;
  const bits = family === 'v4' ? 32 : 128;
  const lengthText = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(lengthText)) return undefined;
  const length = Number(lengthText);
  if (length > bits) return undefined;
  const number = family === 'v4' ? numberOfV4(address) : numberOfV6(address);
  const hostBits = BigInt(bits - length);
  const masked = (number >> hostBits) << hostBits;
  return Object.freeze({
    family,
    text: `${family === 'v4' ? formatV4(masked) : formatV6(masked)}/${length}`,
  });
}

function numberOfV4(address: string): bigint {
  return address.split('.').reduce((number, part) => (number << 8n) | BigInt(part), 0n);
}

function numberOfV6(address: string): bigint {
  // An IPv4 address may stand for the last 32 bits.
  const lastColon = address.lastIndexOf(':');
  let groups = address;
  if (address.includes('.')) {
    const v4 = numberOfV4(address.slice(lastColon + 1));
    groups = `${address.slice(0, lastColon + 1)}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
  }
  const [head = '', tail] = groups.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = new Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].reduce(
    (number, group) => (number << 16n) | BigInt(`0x${group}`),
    0n,
  );
}

function formatV4(number: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((number >> shift) & 0xffn)).join('.');
}

/** Source: RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`. */
function formatV6(number: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((number >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === '0') length++;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}
