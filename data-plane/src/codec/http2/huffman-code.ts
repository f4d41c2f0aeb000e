/** Stands for the end of a string: only its first bits may appear, as padding. */
export const EOS = 256;

/**
 * How many bits each symbol takes, by its number: the 256 bytes, then `EOS`.
 *
 * Source: RFC 7541 appendix B. The code is canonical: among symbols of one length, codes follow the order of the symbols, and the
 * first code of a length is the one after the last shorter code. So the lengths say everything.
 */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/** The bits of each symbol's code, in the low end of a number; and how many they are. */
export interface HuffmanCode {
  readonly bits: Uint32Array;
  readonly lengths: Uint8Array;
}

export const HUFFMAN_CODE: HuffmanCode = buildCode();

function buildCode(): HuffmanCode {
  const bits = new Uint32Array(LENGTHS.length);
  let next = 0;
  for (let length = 1; length <= 30; length++) {
    next *= 2;
    for (let symbol = 0; symbol < LENGTHS.length; symbol++) {
      if (LENGTHS[symbol] === length) bits[symbol] = next++;
    }
  }
  return { bits, lengths: Uint8Array.from(LENGTHS) };
}
