import { DerTag, contextTag } from './der-tag.js';

/** One element in DER: tag, shortest length, contents one after another. */
export function encodeDer(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const content of contents) length += content.length;
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : length < 0x10000
          ? [tag, 0x82, length >> 8, length & 0xff]
          : [tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff];
  return Buffer.concat([Buffer.from(header), ...contents]);
}

export function derSequence(...elements: readonly Uint8Array[]): Buffer {
  return encodeDer(DerTag.sequence, ...elements);
}

/** SET OF: DER wants its elements in the order of their encodings. */
export function derSetOf(...elements: readonly Uint8Array[]): Buffer {
  return encodeDer(DerTag.set, ...[...elements].sort((a, b) => Buffer.compare(a, b)));
}

/** An INTEGER that is not negative, from its magnitude, which may have leading zeros. */
export function derUnsignedInteger(magnitude: Uint8Array): Buffer {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const shortest = magnitude.subarray(start);
  const first = shortest[0];
  if (first === undefined) return encodeDer(DerTag.integer, Buffer.of(0));
  return encodeDer(DerTag.integer, first >= 0x80 ? Buffer.of(0) : Buffer.alloc(0), shortest);
}

export function derOctetString(content: Uint8Array): Buffer {
  return encodeDer(DerTag.octetString, content);
}

/** A BIT STRING of whole octets. */
export function derBitString(octets: Uint8Array): Buffer {
  return encodeDer(DerTag.bitString, Buffer.of(0), octets);
}

/** A BIT STRING whose bits have names: bit n is the n-th from the left; zeros at the end are left out. */
export function derNamedBits(bits: readonly number[]): Buffer {
  if (bits.length === 0) return encodeDer(DerTag.bitString, Buffer.of(0));
  const highest = Math.max(...bits);
  const octets = Buffer.alloc((highest >> 3) + 1);
  for (const bit of bits) octets[bit >> 3] = (octets[bit >> 3] as number) | (0x80 >> (bit & 7));
  return encodeDer(DerTag.bitString, Buffer.of(7 - (highest & 7)), octets);
}

export function derTrue(): Buffer {
  return encodeDer(DerTag.boolean, Buffer.of(0xff));
}

export function derUtf8String(text: string): Buffer {
  return encodeDer(DerTag.utf8String, Buffer.from(text, 'utf8'));
}

export function derExplicit(number: number, ...elements: readonly Uint8Array[]): Buffer {
  return encodeDer(contextTag(number, 'constructed'), ...elements);
}

/**
 * A moment in the form that certificates must use: UTCTime before 2050, GeneralizedTime from then on.
 *
 * Source: RFC 5280 section 4.1.2.5. Units: milliseconds since the epoch, of which the fraction of a second is dropped.
 */
export function derTime(atMs: number): Buffer {
  const digits = `${new Date(atMs).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  const year = Number(digits.slice(0, 4));
  return year >= 1950 && year < 2050
    ? encodeDer(DerTag.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : encodeDer(DerTag.generalizedTime, Buffer.from(digits, 'latin1'));
}
