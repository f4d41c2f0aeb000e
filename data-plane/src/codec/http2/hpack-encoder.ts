import { fieldName, Indexing, STATIC_FIELDS, type FieldName } from './field-name.js';
import { ENTRY_OVERHEAD } from './hpack-decoder.js';
import { encodeHuffman, huffmanLength } from './huffman.js';

/** A value of a name that an encoder has put into its table. */
interface Entry {
  readonly value: string;
  /** How many were put in before it; -1: it is not in the table any more. */
  place: number;
  readonly bytes: number;
}

/** What an encoder remembers of one name. */
interface Slot {
  readonly entries: Entry[];
  /** Values that were sent once: the next time they are put into the table. */
  readonly seen: string[];
  nextSeen: number;
  /** The place of the newest entry of that name. */
  newest: number;
}

/** Values of one name that are in the table at once. */
const MOST_ENTRIES = 8;
const MOST_SEEN = 4;
/** Longer ones would push everything else out. */
const LONGEST_INDEXED_VALUE = 1024;
/** A secret that is shorter could be guessed by how well it compresses. Source: nghttp2. */
const SHORT_COOKIE_BYTES = 20;

/** By name and value, for those that have one. */
const staticValues = new Map<string, Map<string, number>>();
STATIC_FIELDS.forEach(([name, value], i) => {
  if (value === '') return;
  const values = staticValues.get(name) ?? new Map<string, number>();
  values.set(value, i + 1);
  staticValues.set(name, values);
});

/** By the id of their names, for those that are looked up most. */
const staticIndexesById: (Map<string, number> | undefined)[] = [];
for (const [name, values] of staticValues) staticIndexesById[fieldName(name).id] = values;

const STATIC_LENGTH = STATIC_FIELDS.length;

/** A prefix, an integer and another prefix and integer never take more than this beside the text. */
const FIELD_OVERHEAD = 12;

/**
 * Encodes header blocks for one connection.
 *
 * A value is put into the dynamic table the second time that it is sent, so that what is new each time does not push out what
 * is not; a field that is in the table takes one or two bytes. Only what is put into the table is worth a Huffman code.
 * Source: RFC 7541. Bounds: the dynamic table by the peer's SETTINGS and `mostTableBytes`; what is remembered of names by
 * `MOST_FIELD_NAMES` of them, `MOST_SEEN` values each.
 * Shape: bytes go to `bytes` from `at` on, which has room for what `maxFieldBytes` says of each field.
 */
export class HpackEncoder {
  readonly #mostTableBytes: number;
  readonly #slots: (Slot | undefined)[] = [];
  /** What is in the table, oldest first from `#oldest` on. */
  #ring: (Entry | undefined)[] = new Array<Entry | undefined>(16).fill(undefined);
  #inserted = 0;
  #count = 0;
  #tableBytes = 0;
  #tableLimit: number;
  /** What the peer must be told before the next block; the smallest limit since the last one, then the current one. */
  #smallestLimit = -1;
  #bytes: Buffer = NOTHING;
  #at = 0;

  constructor(mostTableBytes: number) {
    this.#mostTableBytes = mostTableBytes;
    this.#tableLimit = Math.min(mostTableBytes, 4096);
    // Until its SETTINGS come, the peer's table has 4096 bytes.
    if (mostTableBytes < 4096) this.#smallestLimit = mostTableBytes;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  limitTable(peerBytes: number): void {
    const limit = Math.min(peerBytes, this.#mostTableBytes);
    if (limit === this.#tableLimit) return;
    this.#smallestLimit = this.#smallestLimit === -1 ? limit : Math.min(this.#smallestLimit, limit);
    this.#tableLimit = limit;
    this.#evictTo(limit);
  }

  /** Begins a block that is written to `bytes` from `at` on. */
  begin(bytes: Buffer, at: number): void {
    this.#bytes = bytes;
    this.#at = at;
    if (this.#smallestLimit === -1) return;
    if (this.#smallestLimit < this.#tableLimit) this.#integer(0x20, 0x1f, this.#smallestLimit);
    this.#integer(0x20, 0x1f, this.#tableLimit);
    this.#smallestLimit = -1;
  }

  /** Ends the block. Returns the place behind it. */
  end(): number {
    this.#bytes = NOTHING;
    return this.#at;
  }

  /** `value`: latin1 alone. */
  field(name: FieldName, value: string): void {
    const { id } = name;
    const index = staticIndexesById[id]?.get(value);
    if (index !== undefined) {
      this.#bytes[this.#at++] = 0x80 | index;
      return;
    }
    const { indexing } = name;
    if (
      indexing === Indexing.Never ||
      (indexing === Indexing.NeverShort && value.length < SHORT_COOKIE_BYTES)
    ) {
      this.#literal(0x10, 0x0f, name, this.#slots[id], value, false);
      return;
    }
    if (id === -1 || indexing === Indexing.Unique || value.length > LONGEST_INDEXED_VALUE) {
      this.#literal(0, 0x0f, name, this.#slots[id], value, false);
      return;
    }
    let slot = this.#slots[id];
    if (slot === undefined) {
      slot = { entries: [], seen: [], nextSeen: 0, newest: -1 };
      this.#slots[id] = slot;
    }
    const { entries, seen } = slot;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as Entry;
      if (entry.place === -1 || entry.value !== value) continue;
      this.#integer(0x80, 0x7f, STATIC_LENGTH + this.#inserted - entry.place);
      return;
    }
    if (!seen.includes(value)) {
      seen[slot.nextSeen] = value;
      slot.nextSeen = (slot.nextSeen + 1) % MOST_SEEN;
      this.#literal(0, 0x0f, name, slot, value, false);
      return;
    }
    const bytes = name.name.length + value.length + ENTRY_OVERHEAD;
    if (bytes > this.#tableLimit) {
      this.#literal(0, 0x0f, name, slot, value, false);
      return;
    }
    // By the table as it was before: the receiver looks the name up before it makes room.
    this.#literal(0x40, 0x3f, name, slot, value, true);
    this.#insert(slot, { value, place: this.#inserted, bytes });
  }

  #insert(slot: Slot, entry: Entry): void {
    this.#evictTo(this.#tableLimit - entry.bytes);
    const { entries } = slot;
    // Those that were evicted go first; else the oldest is forgotten here, and leaves the table when its turn comes.
    for (let i = entries.length - 1; i >= 0; i--)
      if ((entries[i] as Entry).place === -1) entries.splice(i, 1);
    if (entries.length === MOST_ENTRIES) entries.shift();
    entries.push(entry);
    slot.newest = entry.place;
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[this.#inserted & (this.#ring.length - 1)] = entry;
    this.#inserted++;
    this.#count++;
    this.#tableBytes += entry.bytes;
  }

  #grow(): void {
    const before = this.#ring;
    const larger: (Entry | undefined)[] = new Array<Entry | undefined>(2 * before.length).fill(undefined);
    for (let place = this.#inserted - this.#count; place < this.#inserted; place++) {
      larger[place & (larger.length - 1)] = before[place & (before.length - 1)];
    }
    this.#ring = larger;
  }

  #evictTo(limit: number): void {
    const mask = this.#ring.length - 1;
    while (this.#count > 0 && this.#tableBytes > limit) {
      const at = (this.#inserted - this.#count) & mask;
      const entry = this.#ring[at] as Entry;
      this.#ring[at] = undefined;
      this.#count--;
      this.#tableBytes -= entry.bytes;
      entry.place = -1;
    }
  }

  #literal(
    bits: number,
    mask: number,
    name: FieldName,
    slot: Slot | undefined,
    value: string,
    isHuffman: boolean,
  ): void {
    const { staticIndex } = name;
    if (staticIndex !== 0) {
      this.#integer(bits, mask, staticIndex);
    } else if (slot !== undefined && slot.newest >= this.#inserted - this.#count && slot.newest !== -1) {
      this.#integer(bits, mask, STATIC_LENGTH + this.#inserted - slot.newest);
    } else {
      this.#bytes[this.#at++] = bits;
      this.#string(name.name, isHuffman);
    }
    this.#string(value, isHuffman);
  }

  #string(text: string, isHuffman: boolean): void {
    const { length } = text;
    if (isHuffman) {
      const encoded = huffmanLength(text);
      if (encoded < length) {
        this.#integer(0x80, 0x7f, encoded);
        this.#at = encodeHuffman(text, this.#bytes, this.#at);
        return;
      }
    }
    this.#integer(0, 0x7f, length);
    this.#raw(text);
  }

  #raw(text: string): void {
    const { length } = text;
    const bytes = this.#bytes;
    let at = this.#at;
    if (length > MOST_COPIED_BY_HAND) {
      this.#at = at + bytes.write(text, at, 'latin1');
      return;
    }
    for (let i = 0; i < length; i++) bytes[at++] = text.charCodeAt(i);
    this.#at = at;
  }

  #integer(bits: number, mask: number, value: number): void {
    const bytes = this.#bytes;
    if (value < mask) {
      bytes[this.#at++] = bits | value;
      return;
    }
    bytes[this.#at++] = bits | mask;
    value -= mask;
    while (value >= 0x80) {
      bytes[this.#at++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    bytes[this.#at++] = value;
  }
}

/** A call into Node costs more than so many single bytes. */
const MOST_COPIED_BY_HAND = 24;

/** No field takes more bytes than this. */
export function maxFieldBytes(name: string, value: string): number {
  return name.length + value.length + FIELD_OVERHEAD;
}

const NOTHING = Buffer.alloc(0);
