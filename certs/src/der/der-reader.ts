import { EncodingError } from '../errors.js';
import { DerTag } from './der-tag.js';

/** One tag-length-value, as views of the bytes that were read. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content. */
  readonly whole: Buffer;
}

/**
 * Reads DER one element after another, strictly: definite lengths in their shortest form, one-octet tags, nothing beyond
 * the end.
 *
 * Source: X.690 section 10.1 (lengths), 8.1.2 (tags).
 * Errors: EncodingError from every read; the reader must not be used after one.
 * Cost: no copies; a level of nesting is a reader of its own, so no input can exhaust the stack.
 */
export class DerReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #offset = 0;

  /** `what` names the value in errors. */
  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  /** The tag of the next element, or undefined at the end. */
  peekTag(): number | undefined {
    return this.#bytes[this.#offset];
  }

  readElement(): DerElement {
    const bytes = this.#bytes;
    const start = this.#offset;
    const tag = bytes[start];
    const first = bytes[start + 1];
    if (tag === undefined || first === undefined) throw this.#error('is cut short');
    if ((tag & 0x1f) === 0x1f) throw this.#error('has a tag of several octets');
    let length = first;
    let contentStart = start + 2;
    if (first > 0x7f) {
      const octets = first & 0x7f;
      // Four octets would be 16 MB and more: nothing that is read here may be so long.
      if (octets === 0 || octets > 3) throw this.#error('has an indefinite or huge length');
      length = 0;
      for (let index = 0; index < octets; index++) length = length * 256 + (bytes[contentStart + index] ?? 0);
      contentStart += octets;
      if (length < 0x80 || length < 256 ** (octets - 1)) throw this.#error('has a length in a longer form');
    }
    const end = contentStart + length;
    if (end > bytes.length) throw this.#error('is cut short');
    this.#offset = end;
    return { tag, content: bytes.subarray(contentStart, end), whole: bytes.subarray(start, end) };
  }

  /** The content of the next element, which must have this tag. */
  read(tag: number): Buffer {
    return this.readWhole(tag).content;
  }

  /** The next element, which must have this tag. */
  readWhole(tag: number): DerElement {
    const next = this.peekTag();
    if (next !== tag) throw this.#error(`has tag ${hex(next)} where ${hex(tag)} belongs`);
    return this.readElement();
  }

  /** The content of the next element if it has this tag; otherwise nothing is read. */
  readOptional(tag: number): Buffer | undefined {
    return this.peekTag() === tag ? this.readElement().content : undefined;
  }

  /** A reader of the content of the next element. */
  enter(tag: number, what: string = this.#what): DerReader {
    return new DerReader(this.read(tag), what);
  }

  /**
   * BOOLEAN DEFAULT FALSE. A written FALSE, which DER forbids and real authorities write, means the same and is accepted.
   */
  readBooleanOrFalse(): boolean {
    const content = this.readOptional(DerTag.boolean);
    if (content === undefined) return false;
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff))
      throw this.#error('has a bad BOOLEAN');
    return content[0] === 0xff;
  }

  /** The octets of an INTEGER in two's complement, in the shortest form. */
  readInteger(): Buffer {
    const content = this.read(DerTag.integer);
    const first = content[0];
    const second = content[1];
    if (first === undefined) throw this.#error('has an empty INTEGER');
    if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw this.#error('has an INTEGER in a longer form');
    }
    return content;
  }

  /** An INTEGER from 0 to 2^31-1. */
  readSmallInteger(): number {
    const content = this.readInteger();
    if (content.length > 4 || (content[0] as number) >= 0x80)
      throw this.#error('has an INTEGER out of range');
    return content.readUIntBE(0, content.length);
  }

  /** A BIT STRING whose padding bits are zero. */
  readBitString(): { readonly unusedBits: number; readonly bits: Buffer } {
    const content = this.read(DerTag.bitString);
    const unusedBits = content[0];
    if (unusedBits === undefined || unusedBits > 7 || (unusedBits > 0 && content.length === 1)) {
      throw this.#error('has a bad BIT STRING');
    }
    const last = content[content.length - 1] as number;
    if (unusedBits > 0 && (last & ((1 << unusedBits) - 1)) !== 0)
      throw this.#error('has a padded BIT STRING');
    return { unusedBits, bits: content.subarray(1) };
  }

  /** A BIT STRING of whole octets. */
  readOctetsOfBitString(): Buffer {
    const { unusedBits, bits } = this.readBitString();
    if (unusedBits !== 0) throw this.#error('has a BIT STRING of broken octets');
    return bits;
  }

  /** The content octets of an OBJECT IDENTIFIER. */
  readObjectIdentifier(): Buffer {
    const content = this.read(DerTag.objectIdentifier);
    const last = content[content.length - 1];
    if (last === undefined || last >= 0x80) throw this.#error('has a bad OBJECT IDENTIFIER');
    return content;
  }

  /** Asserts that nothing follows. */
  end(): void {
    if (!this.atEnd) throw this.#error('has something after its end');
  }

  #error(problem: string): EncodingError {
    return new EncodingError(`${this.#what} ${problem}`);
  }
}

function hex(tag: number | undefined): string {
  return tag === undefined ? 'nothing' : `0x${tag.toString(16).padStart(2, '0')}`;
}
