const twoTo32 = 2 ** 32;
const firstSize = 256;
/** Up to this many characters, a text is written faster here than by a call into the engine. */
const longestByHand = 48;

/** What generated `encode` functions write to; `finish` gives the bytes. */
export class WireWriter {
  #buffer: Buffer = Buffer.allocUnsafe(firstSize);
  #pos = 0;
  /** Where the messages that are being written began, innermost last. */
  readonly #starts: number[] = [];

  static create(): WireWriter {
    return new WireWriter();
  }

  /** Makes room for so many bytes; gives where they go. */
  #grow(length: number): number {
    const start = this.#pos;
    const end = start + length;
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, start);
      this.#buffer = larger;
    }
    this.#pos = end;
    return start;
  }

  #varint(high: number, low: number): this {
    while (high !== 0 || low > 127) {
      const at = this.#grow(1);
      this.#buffer[at] = (low & 127) | 128;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    const at = this.#grow(1);
    this.#buffer[at] = low;
    return this;
  }

  uint32(value: number): this {
    if (value >= 0 && value < 128) {
      const at = this.#grow(1);
      this.#buffer[at] = value;
      return this;
    }
    return this.#varint(0, value >>> 0);
  }

  int32(value: number): this {
    return this.#varint(value < 0 ? 0xffffffff : 0, value >>> 0);
  }

  bool(value: boolean): this {
    return this.#varint(0, value ? 1 : 0);
  }

  int64(value: number): this {
    return this.#varint(Math.floor(value / twoTo32) >>> 0, (value % twoTo32) >>> 0);
  }

  uint64(value: number): this {
    return this.int64(value);
  }

  double(value: number): this {
    const at = this.#grow(8);
    this.#buffer.writeDoubleLE(value, at);
    return this;
  }

  float(value: number): this {
    const at = this.#grow(4);
    this.#buffer.writeFloatLE(value, at);
    return this;
  }

  string(value: string): this {
    if (value.length <= longestByHand && this.#ascii(value)) return this;
    const length = Buffer.byteLength(value);
    this.uint32(length);
    const at = this.#grow(length);
    this.#buffer.write(value, at);
    return this;
  }

  /** Writes a short text if it is ASCII; says whether it did. */
  #ascii(value: string): boolean {
    const { length } = value;
    const start = this.#grow(length + 1);
    const buffer = this.#buffer;
    buffer[start] = length;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 127) {
        this.#pos = start;
        return false;
      }
      buffer[start + 1 + index] = code;
    }
    return true;
  }

  bytes(value: Uint8Array): this {
    return this.uint32(value.length).raw(value);
  }

  /** Writes bytes that are already encoded. */
  raw(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#buffer.set(value, at);
    return this;
  }

  int32s(values: readonly number[]): this {
    this.fork();
    for (const value of values) this.int32(value);
    return this.ldelim();
  }

  uint32s(values: readonly number[]): this {
    this.fork();
    for (const value of values) this.uint32(value);
    return this.ldelim();
  }

  doubles(values: readonly number[]): this {
    this.fork();
    for (const value of values) this.double(value);
    return this.ldelim();
  }

  /** Begins a message inside: its length is not known yet, and one byte is left for it. */
  fork(): this {
    this.#starts.push(this.#grow(1));
    return this;
  }

  /** Ends the message begun last: writes its length before it, moving it where that takes more than a byte. */
  ldelim(): this {
    const start = this.#starts.pop();
    if (start === undefined) throw new Error('no message was begun');
    const length = this.#pos - start - 1;
    if (length > 127) {
      const more = length < 0x4000 ? 1 : length < 0x200000 ? 2 : length < 0x10000000 ? 3 : 4;
      this.#grow(more);
      this.#buffer.copyWithin(start + 1 + more, start + 1, start + 1 + length);
    }
    const end = this.#pos;
    this.#pos = start;
    this.uint32(length);
    this.#pos = end;
    return this;
  }

  /** The bytes written, in memory of exactly their size: encoded resources are kept for long. */
  finish(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.#pos);
    this.#buffer.copy(bytes, 0, 0, this.#pos);
    return bytes;
  }
}
