import type { Random } from '@heddle/common';

/** Ends of ranges, and what stands beside them. */
const EDGES = [0, 1, 0x0a, 0x0d, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xfe, 0xff];
const MOST_CHANGES = 6;
const LONGEST_RUN = 64;

/** Changes inputs a little, over and over, by chance that can be repeated. */
export class Mutator {
  readonly #random: Random;
  readonly #tokens: readonly Buffer[];
  readonly #mostBytes: number;

  constructor(random: Random, tokens: readonly (string | Buffer)[], mostBytes: number) {
    this.#random = random;
    this.#tokens = tokens.map((token) => (typeof token === 'string' ? Buffer.from(token, 'latin1') : token));
    this.#mostBytes = mostBytes;
  }

  /** A number from 0 up to and without `bound`. */
  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  /** Another input made of one; `other` may lend it a part. Neither is changed. */
  mutate(input: Buffer, other: Buffer): Buffer {
    let bytes = input;
    for (let changes = 1 + this.below(MOST_CHANGES); changes > 0; changes--)
      bytes = this.#change(bytes, other);
    return bytes.subarray(0, this.#mostBytes);
  }

  /** Cuts an input into parts, none of which is empty. */
  cut(input: Buffer): readonly Buffer[] {
    const longest = this.below(8) === 0 ? 1 : 1 + this.below(Math.max(1, input.length));
    const parts: Buffer[] = [];
    for (let at = 0; at < input.length;) {
      const end = at + 1 + this.below(longest);
      parts.push(input.subarray(at, end));
      at = end;
    }
    return parts;
  }

  #change(bytes: Buffer, other: Buffer): Buffer {
    const at = this.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + this.below(LONGEST_RUN));
    switch (this.below(11)) {
      case 0:
        return this.#withByte(bytes, at, (byte) => byte ^ (1 << this.below(8)));
      case 1:
        return this.#withByte(bytes, at, () => this.below(256));
      case 2:
        return this.#withByte(bytes, at, () => EDGES[this.below(EDGES.length)] ?? 0);
      case 3:
        return this.#withByte(bytes, at, (byte) => byte + (this.below(2) === 0 ? 1 : 255));
      case 4:
        return spliced(bytes, at, at, this.#token());
      case 5: {
        const token = this.#token();
        return spliced(bytes, at, Math.min(bytes.length, at + token.length), token);
      }
      case 6:
        return spliced(bytes, at, end, NOTHING);
      case 7:
        return spliced(bytes, end, end, bytes.subarray(at, end));
      case 8: {
        const from = this.below(other.length + 1);
        return spliced(bytes, at, end, other.subarray(from, from + this.below(4 * LONGEST_RUN)));
      }
      case 9:
        return spliced(bytes, at, at, Buffer.alloc(1 + this.below(4 * LONGEST_RUN), bytes[at] ?? 0));
      default:
        return this.#withNumber(bytes, at);
    }
  }

  #token(): Buffer {
    return this.#tokens[this.below(this.#tokens.length)] ?? NOTHING;
  }

  #withByte(bytes: Buffer, at: number, change: (byte: number) => number): Buffer {
    const byte = bytes[at];
    if (byte === undefined) return bytes;
    const changed = Buffer.from(bytes);
    changed[at] = change(byte) & 0xff;
    return changed;
  }

  /** Puts another number, in network order, in place of two or four bytes: lengths and counts are written so. */
  #withNumber(bytes: Buffer, at: number): Buffer {
    const width = this.below(2) === 0 ? 2 : 4;
    if (at + width > bytes.length) return bytes;
    const changed = Buffer.from(bytes);
    const near =
      this.below(4) === 0 ? 2 ** (8 * width) - 1 - this.below(4) : this.below(bytes.length * 2 + 2);
    changed.writeUIntBE(near % 2 ** (8 * width), at, width);
    return changed;
  }
}

const NOTHING = Buffer.alloc(0);

function spliced(bytes: Buffer, start: number, end: number, by: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, start), by, bytes.subarray(end)]);
}
