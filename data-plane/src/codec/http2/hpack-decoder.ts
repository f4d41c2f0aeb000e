import { BYTE_CLASS, SPACE, TAB, VALUE } from '../http1/byte-class.js';
import { fieldName, STATIC_FIELDS, type FieldName } from './field-name.js';
import { BAD_HUFFMAN, decodedBound, decodeHuffman } from './huffman.js';

/** A field as a table of a decoder keeps it. */
interface Field {
  readonly name: FieldName;
  readonly value: string;
  /** Whether the value holds nothing that no field value may hold. */
  readonly isValid: boolean;
}

/** What each field of a header block is told to. */
export interface FieldSink {
  /** `isValid`: whether the value holds nothing that no field value may hold. Source: RFC 9113 section 8.2.1. */
  onField(name: FieldName, value: string, isValid: boolean): void;
}

/** What an entry counts beside its text. Source: RFC 7541 section 4.1. */
export const ENTRY_OVERHEAD = 32;

const STATIC: readonly Field[] = STATIC_FIELDS.map(([name, value]) => ({
  name: fieldName(name),
  value,
  isValid: true,
}));
const STATIC_LENGTH = STATIC.length;

/** Of a header block that cannot be decoded. */
export const BROKEN_BLOCK = -1;

/** Room for what Huffman strings decode to; it grows to the longest, which the size of header blocks bounds. */
let scratch = Buffer.allocUnsafeSlow(4096);

/**
 * Decodes the header blocks of one connection.
 *
 * Source: RFC 7541. Every error is one of compression, and ends the connection: the two tables would differ from then on.
 * Bounds: the dynamic table, by `maxTableBytes`, which is what our SETTINGS allow.
 */
export class HpackDecoder {
  readonly #maxTableBytes: number;
  #tableLimit: number;
  #tableBytes = 0;
  /** The dynamic table, a ring: the newest lies before `#next`. Its length is a power of two. */
  #ring: (Field | undefined)[] = [];
  #next = 0;
  #count = 0;

  #bytes: Buffer = NOTHING;
  #at = 0;
  #end = 0;
  #isBroken = false;
  /** More bytes would have mended it. */
  #isCutOff = false;
  /** No field of the block was there yet. */
  #isFirst = true;
  /** Of the string read last. */
  #isValid = true;

  constructor(maxTableBytes: number) {
    this.#maxTableBytes = maxTableBytes;
    this.#tableLimit = maxTableBytes;
  }

  /** Bytes of the dynamic table as RFC 7541 counts them. */
  get tableBytes(): number {
    return this.#tableBytes;
  }

  /** Decodes one whole header block. False: it is broken, and so is the connection. */
  decode(bytes: Buffer, start: number, end: number, sink: FieldSink): boolean {
    this.begin();
    return this.decodePart(bytes, start, end, sink) === end;
  }

  /** A header block begins that is decoded in parts. */
  begin(): void {
    this.#isFirst = true;
  }

  /**
   * Decodes what is there of a header block. Returns the place behind the last field that is whole: the next part must begin with
   * the bytes from there on. `BROKEN_BLOCK`: it is broken whatever follows, and so is the connection.
   */
  decodePart(bytes: Buffer, start: number, end: number, sink: FieldSink): number {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#isBroken = false;
    this.#isCutOff = false;
    let wholeUpTo = start;
    while (this.#at < end) {
      const byte = bytes[this.#at] as number;
      const isResize = byte >= 0x20 && byte < 0x40;
      if (byte >= 0x80) {
        const field = this.#fieldAt(this.#integer(0x7f));
        if (field !== undefined) sink.onField(field.name, field.value, field.isValid);
      } else if (byte >= 0x40) {
        this.#literal(0x3f, true, sink);
      } else if (!isResize) {
        this.#literal(0x0f, false, sink);
      } else if (this.#isFirst) {
        this.#resize(this.#integer(0x1f));
      } else {
        // Source: RFC 7541 section 4.2: only at the beginning.
        this.#isBroken = true;
      }
      if (this.#isBroken) break;
      this.#isFirst &&= isResize;
      wholeUpTo = this.#at;
    }
    this.#bytes = NOTHING;
    return this.#isBroken && !this.#isCutOff ? BROKEN_BLOCK : wholeUpTo;
  }

  #literal(mask: number, isIndexed: boolean, sink: FieldSink): void {
    const index = this.#integer(mask);
    if (this.#isBroken) return;
    let name: FieldName | undefined;
    if (index === 0) {
      const text = this.#string();
      if (!this.#isBroken) name = fieldName(text);
    } else {
      name = this.#fieldAt(index)?.name;
    }
    if (name === undefined) return;
    const value = this.#string();
    if (this.#isBroken) return;
    const isValid = this.#isValid;
    if (isIndexed) this.#insert({ name, value, isValid });
    sink.onField(name, value, isValid);
  }

  #fieldAt(index: number): Field | undefined {
    if (index > 0 && index <= STATIC_LENGTH) return STATIC[index - 1];
    const age = index - STATIC_LENGTH - 1;
    if (age < 0 || age >= this.#count) {
      this.#isBroken = true;
      return undefined;
    }
    return this.#ring[(this.#next - 1 - age) & (this.#ring.length - 1)];
  }

  #insert(field: Field): void {
    const bytes = field.name.name.length + field.value.length + ENTRY_OVERHEAD;
    this.#evictTo(this.#tableLimit - bytes);
    // One larger than the table empties it. Source: RFC 7541 section 4.4.
    if (bytes > this.#tableLimit) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[this.#next] = field;
    this.#next = (this.#next + 1) & (this.#ring.length - 1);
    this.#count++;
    this.#tableBytes += bytes;
  }

  #grow(): void {
    const { length } = this.#ring;
    const larger: (Field | undefined)[] = new Array<Field | undefined>(Math.max(16, 2 * length)).fill(
      undefined,
    );
    for (let i = 0; i < this.#count; i++)
      larger[i] = this.#ring[(this.#next - this.#count + i) & (length - 1)];
    this.#ring = larger;
    this.#next = this.#count;
  }

  #evictTo(limit: number): void {
    const mask = this.#ring.length - 1;
    while (this.#count > 0 && this.#tableBytes > limit) {
      const oldest = (this.#next - this.#count) & mask;
      const field = this.#ring[oldest] as Field;
      this.#ring[oldest] = undefined;
      this.#count--;
      this.#tableBytes -= field.name.name.length + field.value.length + ENTRY_OVERHEAD;
    }
  }

  #resize(limit: number): void {
    if (this.#isBroken) return;
    if (limit > this.#maxTableBytes) {
      this.#isBroken = true;
      return;
    }
    this.#tableLimit = limit;
    this.#evictTo(limit);
  }

  /** Source: RFC 7541 section 5.1. The prefix is in the byte under way. */
  #integer(mask: number): number {
    const bytes = this.#bytes;
    let value = (bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#end) {
        this.#isCutOff = true;
        break;
      }
      const byte = bytes[this.#at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    // Larger than anything here can be, where it is not cut off.
    this.#isBroken = true;
    return 0;
  }

  /** Source: RFC 7541 section 5.2. Sets `#isValid`. */
  #string(): string {
    if (this.#at >= this.#end) return this.#cutOff();
    const isHuffman = (this.#bytes[this.#at] as number) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    const end = start + length;
    if (this.#isBroken) return '';
    if (end > this.#end) return this.#cutOff();
    this.#at = end;
    if (!isHuffman) return this.#text(this.#bytes, start, end);
    const bound = decodedBound(length);
    if (bound > scratch.length) scratch = Buffer.allocUnsafeSlow(2 * bound);
    const decoded = decodeHuffman(this.#bytes, start, end, scratch);
    if (decoded === BAD_HUFFMAN) {
      this.#isBroken = true;
      return '';
    }
    return this.#text(scratch, 0, decoded);
  }

  #cutOff(): string {
    this.#isBroken = true;
    this.#isCutOff = true;
    return '';
  }

  #text(bytes: Buffer, start: number, end: number): string {
    if (start === end) {
      this.#isValid = true;
      return '';
    }
    let isValid = !isSpace(bytes[start] as number) && !isSpace(bytes[end - 1] as number);
    for (let i = start; i < end; i++) {
      if (((BYTE_CLASS[bytes[i] as number] as number) & VALUE) === 0) isValid = false;
    }
    this.#isValid = isValid;
    return bytes.toString('latin1', start, end);
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

const NOTHING = Buffer.alloc(0);
