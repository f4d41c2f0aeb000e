const PADDING = 64;
const INVALID = 255;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=';
const VALUES = new Uint8Array(256).fill(INVALID);
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

/**
 * Decodes base64, however it is cut into chunks. What was encoded in several parts may be padded at the end of each.
 *
 * Source: RFC 4648 section 4, with padding and without anything else, and the bits that padding leaves over are zero.
 */
export class Base64Decoder {
  /** The bits of the group of four characters under way. */
  #bits = 0;
  #symbols = 0;
  #padding = 0;

  /** Whether no group is cut off. */
  get isWhole(): boolean {
    return this.#symbols === 0;
  }

  /** undefined: this is no base64. */
  decode(chunk: Buffer): Buffer | undefined {
    const out = Buffer.allocUnsafe(3 * Math.ceil((chunk.length + 3) / 4));
    let length = 0;
    for (let i = 0; i < chunk.length; i++) {
      const value = VALUES[chunk[i] as number] as number;
      if (value < PADDING) {
        if (this.#padding > 0) return undefined;
        this.#bits = (this.#bits << 6) | value;
        if (++this.#symbols < 4) continue;
        out[length++] = this.#bits >> 16;
        out[length++] = this.#bits >> 8;
        out[length++] = this.#bits;
      } else {
        if (value !== PADDING || this.#symbols < 2) return undefined;
        if (++this.#padding + this.#symbols < 4) continue;
        if ((this.#bits & (this.#symbols === 2 ? 0x0f : 0x03)) !== 0) return undefined;
        if (this.#symbols === 2) out[length++] = this.#bits >> 4;
        else {
          out[length++] = this.#bits >> 10;
          out[length++] = this.#bits >> 2;
        }
      }
      this.#bits = this.#symbols = this.#padding = 0;
    }
    return out.subarray(0, length);
  }
}
