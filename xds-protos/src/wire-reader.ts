import { isUtf8 } from 'node:buffer';

const twoTo32 = 2 ** 32;
/** Up to this many bytes, a string is read faster here than by a call into the engine. */
const longestByHand = 24;

function truncated(): RangeError {
  return new RangeError('the message ends within a field');
}

/** A 64-bit integer as a number; what a number cannot hold exactly is refused, never rounded. */
function exactNumber(high: number, low: number): number {
  const number = high * twoTo32 + low;
  if (!Number.isSafeInteger(number)) throw new RangeError('64-bit integer beyond 2^53');
  return number;
}

/**
 * Reads protobuf's wire format, for the generated codecs: the part of protobufjs's Reader that they use, without the
 * memory that protobufjs and its `long` cost a process.
 *
 * Source: protobuf's encoding; proto3 strings must be UTF-8.
 * Shape: `bytes` and `raw` are views, not copies. Unknown fields are kept.
 * Errors: throws for anything malformed; never reads beyond `len`.
 */
export class WireReader {
  /** As many messages may nest. */
  static readonly recursionLimit: number = 100;

  readonly buf: Buffer;
  pos = 0;
  /** Where the message being read ends; the generated code moves it. */
  len: number;
  readonly discardUnknown: boolean = false;
  /** The high half of the varint read last. */
  #high = 0;

  constructor(buffer: Buffer) {
    this.buf = buffer;
    this.len = buffer.length;
  }

  static create(bytes: Uint8Array): WireReader {
    if (!(bytes instanceof Uint8Array)) throw new TypeError('expected bytes to decode');
    return new WireReader(
      Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    );
  }

  /** Reads a varint of up to ten bytes: gives its low 32 bits, keeps the high ones. */
  #varint(): number {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.len) throw truncated();
      const byte = this.buf[this.pos++] as number;
      const bits = byte & 127;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= bits << 31;
      if (byte < 128) {
        this.#high = high;
        return low;
      }
    }
    throw new Error('invalid varint: longer than ten bytes');
  }

  uint32(): number {
    const byte = this.buf[this.pos] as number;
    if (this.pos < this.len && byte < 128) {
      this.pos++;
      return byte;
    }
    return this.#varint() >>> 0;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    const low = this.#varint();
    return low !== 0 || this.#high !== 0;
  }

  uint64(): number {
    const low = this.#varint();
    return exactNumber(this.#high >>> 0, low >>> 0);
  }

  int64(): number {
    const low = this.#varint();
    return exactNumber(this.#high | 0, low >>> 0);
  }

  /** Reads a field's number and wire type. */
  tag(): number {
    const byte = this.buf[this.pos] as number;
    if (byte < 128 && byte > 7 && this.pos < this.len) {
      this.pos++;
      return byte;
    }
    const start = this.pos;
    const low = this.#varint();
    if (this.pos - start > 5 || this.#high !== 0) throw new Error('invalid tag');
    if (low >>> 3 === 0) throw new Error('invalid tag: field number 0');
    return low >>> 0;
  }

  /** Reads a length. */
  size(): number {
    const byte = this.buf[this.pos] as number;
    if (byte < 128 && this.pos < this.len) {
      this.pos++;
      return byte;
    }
    const start = this.pos;
    const low = this.#varint();
    if (this.pos - start > 5 || this.#high !== 0 || low < 0) throw new Error('invalid length');
    return low;
  }

  /** Moves over so many bytes; gives where they began. */
  #advance(length: number): number {
    const start = this.pos;
    if (length > this.len - start) throw truncated();
    this.pos = start + length;
    return start;
  }

  double(): number {
    return this.buf.readDoubleLE(this.#advance(8));
  }

  float(): number {
    return this.buf.readFloatLE(this.#advance(4));
  }

  bytes(): Buffer {
    const start = this.#advance(this.size());
    return this.buf.subarray(start, this.pos);
  }

  stringVerify(): string {
    const length = this.size();
    const start = this.#advance(length);
    if (length <= longestByHand) {
      const ascii = this.#ascii(start, this.pos);
      if (ascii !== undefined) return ascii;
    }
    const text = this.buf.toString('utf8', start, this.pos);
    // A replacement character is either in the text itself, or stands for bytes that are not UTF-8.
    if (text.includes('\ufffd') && !isUtf8(this.buf.subarray(start, this.pos)))
      throw new Error('a string that is not UTF-8');
    return text;
  }

  #ascii(start: number, end: number): string | undefined {
    let text = '';
    for (let index = start; index < end; index++) {
      const byte = this.buf[index] as number;
      if (byte > 127) return undefined;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  raw(start: number, end: number): Buffer {
    return this.buf.subarray(start, end);
  }

  #packed(values: number[], read: () => number): number[] {
    const end = this.size() + this.pos;
    if (end > this.len) throw truncated();
    const { len } = this;
    this.len = end;
    while (this.pos < end) values.push(read.call(this));
    this.len = len;
    return values;
  }

  int32s(values: number[]): number[] {
    return this.#packed(values, this.int32);
  }

  uint32s(values: number[]): number[] {
    return this.#packed(values, this.uint32);
  }

  doubles(values: number[]): number[] {
    return this.#packed(values, this.double);
  }

  /** Moves over the field whose tag was just read. */
  skipType(wireType: number, depth: number, fieldNumber: number): void {
    if (depth > WireReader.recursionLimit) throw new Error('max depth exceeded');
    switch (wireType) {
      case 0:
        this.#varint();
        return;
      case 1:
        this.#advance(8);
        return;
      case 2:
        this.#advance(this.size());
        return;
      case 3:
        for (;;) {
          const tag = this.tag();
          if ((tag & 7) === 4) {
            if (tag >>> 3 !== fieldNumber) throw new Error('invalid end of a group');
            return;
          }
          this.skipType(tag & 7, depth + 1, tag >>> 3);
        }
      case 5:
        this.#advance(4);
        return;
      default:
        throw new Error(`invalid wire type ${wireType}`);
    }
  }
}
