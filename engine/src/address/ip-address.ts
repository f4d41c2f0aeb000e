import { isIP } from 'node:net';
import type { CidrConfig } from '../config/listener-config.js';

/** The bytes of an IP address: 4 or 16; undefined for anything else. IPv4 inside IPv6 is IPv4. */
export function parseIp(text: string): Uint8Array | undefined {
  const family = isIP(text);
  if (family === 4) return Uint8Array.from(text.split('.'), Number);
  if (family === 0) return undefined;
  const bytes = parseIpv6(text.split('%')[0] as string);
  const isMapped =
    bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return isMapped ? bytes.slice(12) : bytes;
}

/** Whether a text is an IP address. Cost: allocates nothing. */
export function isIpAddress(text: string): boolean {
  return isIP(text) !== 0;
}

function parseIpv6(text: string): Uint8Array {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  let words = text;
  if (dotted !== null) {
    const [, before, a, b, c, d] = dotted as unknown as [string, string, string, string, string, string];
    const high = ((Number(a) << 8) | Number(b)).toString(16);
    const low = ((Number(c) << 8) | Number(d)).toString(16);
    words = `${before}${high}:${low}`;
  }
  const [left = '', right] = words.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const bytes = new Uint8Array(16);
  const put = (word: string, at: number): void => {
    const value = Number.parseInt(word, 16);
    bytes[at * 2] = value >> 8;
    bytes[at * 2 + 1] = value & 0xff;
  };
  head.forEach((word, index) => put(word, index));
  tail.forEach((word, index) => put(word, 8 - tail.length + index));
  return bytes;
}

/** `10.0.0.0/8`. */
export function formatCidr({ address, prefixLength }: CidrConfig): string {
  return `${address}/${prefixLength}`;
}
