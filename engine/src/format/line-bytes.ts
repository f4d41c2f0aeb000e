import { jsonText } from './json-text.js';

/** What most lines need, with room to spare. */
const USUAL_BYTES = 4096;

/** By character code: whether it stands in a JSON string as it is, and is one byte of UTF-8. */
const PLAIN = new Uint8Array(128);
PLAIN.fill(1, 0x20, 0x7f);
PLAIN[0x22] = 0;
PLAIN[0x5c] = 0;

const QUOTE = 0x22;
const ZERO = 0x30;

/**
 * The bytes of a log line while it is put together: UTF-8.
 *
 * Shape: one instance is used for line after line; read `bytes` up to `length` before the next `clear`.
 * Cost: each character is looked at once, and no string is made of what is plain ASCII.
 * Bounds: memory that a long line needed is let go by `clear`.
 */
export class LineBytes {
  bytes: Buffer = Buffer.allocUnsafeSlow(USUAL_BYTES);
  length = 0;

  clear(): void {
    this.length = 0;
    if (this.bytes.length > USUAL_BYTES) this.bytes = Buffer.allocUnsafeSlow(USUAL_BYTES);
  }

  /** Adds bytes that are UTF-8 already. */
  literal(literal: Uint8Array): void {
    const { length } = literal;
    const bytes = this.#withRoomFor(length);
    const start = this.length;
    // A loop, because literals are short: faster than a call that copies.
    for (let i = 0; i < length; i++) bytes[start + i] = literal[i] as number;
    this.length = start + length;
  }

  /** Adds a text as it is. */
  text(text: string): void {
    const bytes = this.#withRoomFor(3 * text.length);
    this.length += bytes.write(text, this.length);
  }

  /** Adds a string as a JSON value, quotes included. No input can end the string or the line early. */
  json(value: string): void {
    const { length } = value;
    const bytes = this.#withRoomFor(length + 2);
    let at = this.length;
    bytes[at++] = QUOTE;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 128 || PLAIN[code] === 0) {
        this.text(jsonText(value));
        return;
      }
      bytes[at++] = code;
    }
    bytes[at++] = QUOTE;
    this.length = at;
  }

  /** Adds a number as JavaScript writes it. */
  number(value: number): void {
    if (!(value >= 0 && value < 1e9) || value % 1 !== 0) {
      this.text(String(value));
      return;
    }
    let digits = 1;
    for (let bound = 10; bound <= value; bound *= 10) digits++;
    const bytes = this.#withRoomFor(digits);
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const tenth = Math.floor(rest / 10);
      bytes[at] = ZERO + rest - 10 * tenth;
      rest = tenth;
    }
    this.length += digits;
  }

  toString(): string {
    return this.bytes.toString('utf8', 0, this.length);
  }

  #withRoomFor(more: number): Buffer {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return this.bytes;
    const larger = Buffer.allocUnsafeSlow(2 * needed);
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
    return larger;
  }
}
