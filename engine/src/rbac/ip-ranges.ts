import { parseIp } from '../address/ip-address.js';
import type { CidrConfig } from '../config/listener-config.js';

/** Address ranges made ready: whether an address lies in one of them. */
export class IpRanges {
  /** Base and mask by turns. */
  readonly #v4: readonly number[];
  readonly #v6: readonly { readonly bytes: Uint8Array; readonly prefixLength: number }[];
  /** What is asked about is mostly what was asked about before. */
  #lastText = '';
  #lastAnswer: boolean | undefined = undefined;

  constructor(ranges: readonly CidrConfig[]) {
    const v4: number[] = [];
    const v6: { bytes: Uint8Array; prefixLength: number }[] = [];
    for (const { address, prefixLength } of ranges) {
      const bytes = parseIp(address);
      if (bytes === undefined) continue;
      if (bytes.length === 16) v6.push({ bytes, prefixLength });
      else {
        // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
        const bits = address.includes(':') ? Math.max(0, prefixLength - 96) : prefixLength;
        const mask = bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0;
        v4.push((word(bytes) & mask) >>> 0, mask);
      }
    }
    this.#v4 = v4;
    this.#v6 = v6;
  }

  /** undefined when `text` is no address. */
  contains(text: string): boolean | undefined {
    if (text === this.#lastText) return this.#lastAnswer;
    const answer = this.#find(text);
    this.#lastText = text;
    this.#lastAnswer = answer;
    return answer;
  }

  #find(text: string): boolean | undefined {
    const bytes = parseIp(text);
    if (bytes === undefined) return undefined;
    if (bytes.length === 16)
      return this.#v6.some((range) => beginAlike(range.bytes, bytes, range.prefixLength));
    const address = word(bytes);
    for (let i = 0; i < this.#v4.length; i += 2) {
      if ((address & (this.#v4[i + 1] as number)) >>> 0 === this.#v4[i]) return true;
    }
    return false;
  }
}

function word(bytes: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function beginAlike(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
  const rest = bits & 7;
  return rest === 0 || ((a[whole] as number) ^ (b[whole] as number)) >> (8 - rest) === 0;
}
