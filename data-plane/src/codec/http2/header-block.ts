import { FieldSection, type FieldLimits } from './field-section.js';
import { BROKEN_BLOCK, type HpackDecoder } from './hpack-decoder.js';

/** What becomes of a header block with one more part. */
export const BlockState = Object.freeze({
  /** More has to come. */
  Open: 0,
  /** It is in `section`. */
  Whole: 1,
  /** It is broken, and so is the connection. */
  Broken: 2,
  /** It never ends, or one of its fields does not: what follows on the connection could not be decoded. */
  Endless: 3,
} as const);
export type BlockState = (typeof BlockState)[keyof typeof BlockState];

/** So much is put together before it is decoded: heads that are not meant to be large are decoded once. */
const PART_BYTES = 16 * 1024;
/** One field, however small the limits are. Source: nghttp2's NGHTTP2_HD_MAX_NV. */
const MOST_FIELD_BYTES = 64 * 1024;
/** A block is read to its end, and its stream answered, while it is not longer than that many times what a head may be. */
const MOST_TIMES = 4;
const NOTHING = Buffer.alloc(0);

/**
 * A header block that goes on in CONTINUATION frames.
 *
 * Source: RFC 9113 section 6.10 (CVE-2024-27919 and its kind). Bounds: one field that is not whole, and `PART_BYTES`; what is
 * decoded is dropped once it is too large.
 */
export class HeaderBlock {
  readonly streamId: number;
  readonly isEnd: boolean;
  readonly section = new FieldSection();
  readonly #decoder: HpackDecoder;
  readonly #limits: FieldLimits;
  /** Room for what is not decoded, of which so many bytes are in use. */
  #room: Buffer = NOTHING;
  #used = 0;
  #decodeAt = PART_BYTES;
  #total = 0;

  constructor(streamId: number, isEnd: boolean, decoder: HpackDecoder, limits: FieldLimits) {
    this.streamId = streamId;
    this.isEnd = isEnd;
    this.#decoder = decoder;
    this.#limits = limits;
    this.section.begin(limits);
    decoder.begin();
  }

  add(bytes: Buffer, start: number, end: number, isLast: boolean): BlockState {
    const { maxHeadersBytes } = this.#limits;
    this.#total += end - start;
    if (this.#total > MOST_TIMES * Math.max(maxHeadersBytes, PART_BYTES)) return BlockState.Endless;
    this.#keep(bytes, start, end);
    if (!isLast && this.#used < this.#decodeAt) return BlockState.Open;
    const upTo = this.#decoder.decodePart(this.#room, 0, this.#used, this.section);
    if (upTo === BROKEN_BLOCK || (isLast && upTo < this.#used)) return BlockState.Broken;
    if (isLast) return BlockState.Whole;
    this.#room.copyWithin(0, upTo, this.#used);
    this.#used -= upTo;
    // What is read again each time is bounded by what is new.
    this.#decodeAt = this.#used + PART_BYTES;
    return this.#used > Math.max(maxHeadersBytes, MOST_FIELD_BYTES) ? BlockState.Endless : BlockState.Open;
  }

  /** Room is doubled, so that a block of very many small parts is not copied once for each. */
  #keep(bytes: Buffer, start: number, end: number): void {
    const wanted = this.#used + end - start;
    if (wanted > this.#room.length) {
      const larger = Buffer.allocUnsafe(2 * wanted);
      this.#room.copy(larger, 0, 0, this.#used);
      this.#room = larger;
    }
    bytes.copy(this.#room, this.#used, start, end);
    this.#used = wanted;
  }
}
