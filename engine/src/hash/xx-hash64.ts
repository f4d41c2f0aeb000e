/**
 * 64 bits as two unsigned halves: JavaScript has no fast integers of that size.
 */
export interface Hash64 {
  readonly hi: number;
  readonly lo: number;
}

const P1_HI = 0x9e3779b1;
const P1_LO = 0x85ebca87;
const P2_HI = 0xc2b2ae3d;
const P2_LO = 0x27d4eb4f;
const P3_HI = 0x165667b1;
const P3_LO = 0x9e3779f9;
const P4_HI = 0x85ebca77;
const P4_LO = 0xc2b2ae63;
const P5_HI = 0x27d4eb2f;
const P5_LO = 0x165667c5;

/** The two halves of the last operation: a pair for each would be an allocation for each. */
let hi = 0;
let lo = 0;

/**
 * The hash that Envoy chooses hosts by, of text whose characters stand for bytes (Latin-1, as header values are here).
 *
 * Source: xxHash, XXH64; the seed is a small whole number.
 */
export function xxHash64(text: string, seed = 0): Hash64 {
  const { length } = text;
  let at = 0;
  if (length >= 32) at = stripes(text, seed);
  else add(P5_HI, P5_LO, 0, seed);
  add(hi, lo, 0, length);
  for (; at + 8 <= length; at += 8) {
    const hashHi = hi;
    const hashLo = lo;
    round(0, 0, word(text, at + 4), word(text, at));
    rotate((hashHi ^ hi) >>> 0, (hashLo ^ lo) >>> 0, 27);
    multiply(hi, lo, P1_HI, P1_LO);
    add(hi, lo, P4_HI, P4_LO);
  }
  if (at + 4 <= length) {
    const hashHi = hi;
    const hashLo = lo;
    multiply(0, word(text, at), P1_HI, P1_LO);
    rotate((hashHi ^ hi) >>> 0, (hashLo ^ lo) >>> 0, 23);
    multiply(hi, lo, P2_HI, P2_LO);
    add(hi, lo, P3_HI, P3_LO);
    at += 4;
  }
  for (; at < length; at++) {
    const hashHi = hi;
    const hashLo = lo;
    multiply(0, text.charCodeAt(at) & 0xff, P5_HI, P5_LO);
    rotate((hashHi ^ hi) >>> 0, (hashLo ^ lo) >>> 0, 11);
    multiply(hi, lo, P1_HI, P1_LO);
  }
  return avalanche();
}

/** Envoy's way to make one hash of several. */
export function combineHashes(first: Hash64, second: Hash64): Hash64 {
  rotate(first.hi, first.lo, 1);
  return { hi: (hi ^ second.hi) >>> 0, lo: (lo ^ second.lo) >>> 0 };
}

/** The remainder of a hash by a number below 2^26. */
export function hashModulo(hash: Hash64, divisor: number): number {
  return ((hash.hi % divisor) * (0x1_0000_0000 % divisor) + (hash.lo % divisor)) % divisor;
}

/** Whole blocks of 32 bytes; leaves the merged state behind, and returns where they end. */
function stripes(text: string, seed: number): number {
  add(P1_HI, P1_LO, P2_HI, P2_LO);
  add(hi, lo, 0, seed);
  let aHi = hi;
  let aLo = lo;
  add(P2_HI, P2_LO, 0, seed);
  let bHi = hi;
  let bLo = lo;
  let cHi = 0;
  let cLo = seed;
  // seed - P1, by the complement.
  add(~P1_HI >>> 0, ~P1_LO >>> 0, 0, 1);
  add(hi, lo, 0, seed);
  let dHi = hi;
  let dLo = lo;
  let at = 0;
  for (; at + 32 <= text.length; at += 32) {
    round(aHi, aLo, word(text, at + 4), word(text, at));
    aHi = hi;
    aLo = lo;
    round(bHi, bLo, word(text, at + 12), word(text, at + 8));
    bHi = hi;
    bLo = lo;
    round(cHi, cLo, word(text, at + 20), word(text, at + 16));
    cHi = hi;
    cLo = lo;
    round(dHi, dLo, word(text, at + 28), word(text, at + 24));
    dHi = hi;
    dLo = lo;
  }
  rotate(aHi, aLo, 1);
  const firstHi = hi;
  const firstLo = lo;
  rotate(bHi, bLo, 7);
  add(firstHi, firstLo, hi, lo);
  const secondHi = hi;
  const secondLo = lo;
  rotate(cHi, cLo, 12);
  add(secondHi, secondLo, hi, lo);
  const thirdHi = hi;
  const thirdLo = lo;
  rotate(dHi, dLo, 18);
  add(thirdHi, thirdLo, hi, lo);
  merge(aHi, aLo);
  merge(bHi, bLo);
  merge(cHi, cLo);
  merge(dHi, dLo);
  return at;
}

function merge(laneHi: number, laneLo: number): void {
  const hashHi = hi;
  const hashLo = lo;
  round(0, 0, laneHi, laneLo);
  multiply((hashHi ^ hi) >>> 0, (hashLo ^ lo) >>> 0, P1_HI, P1_LO);
  add(hi, lo, P4_HI, P4_LO);
}

function round(stateHi: number, stateLo: number, laneHi: number, laneLo: number): void {
  multiply(laneHi, laneLo, P2_HI, P2_LO);
  add(stateHi, stateLo, hi, lo);
  rotate(hi, lo, 31);
  multiply(hi, lo, P1_HI, P1_LO);
}

function avalanche(): Hash64 {
  xorShift(33);
  multiply(hi, lo, P2_HI, P2_LO);
  xorShift(29);
  multiply(hi, lo, P3_HI, P3_LO);
  xorShift(32);
  return { hi, lo };
}

function word(text: string, at: number): number {
  return (
    ((text.charCodeAt(at) & 0xff) |
      ((text.charCodeAt(at + 1) & 0xff) << 8) |
      ((text.charCodeAt(at + 2) & 0xff) << 16) |
      ((text.charCodeAt(at + 3) & 0xff) << 24)) >>>
    0
  );
}

function add(aHi: number, aLo: number, bHi: number, bLo: number): void {
  const low = aLo + bLo;
  lo = low >>> 0;
  hi = (aHi + bHi + (low > 0xffff_ffff ? 1 : 0)) >>> 0;
}

function multiply(aHi: number, aLo: number, bHi: number, bLo: number): void {
  const a0 = aLo & 0xffff;
  const a1 = aLo >>> 16;
  const b0 = bLo & 0xffff;
  const b1 = bLo >>> 16;
  const low = a0 * b0;
  const middle = a0 * b1 + (low >>> 16);
  const upper = a1 * b0 + (middle & 0xffff);
  const carry = a1 * b1 + Math.floor(middle / 0x1_0000) + Math.floor(upper / 0x1_0000);
  lo = (((upper & 0xffff) << 16) | (low & 0xffff)) >>> 0;
  hi = (carry + (Math.imul(aHi, bLo) >>> 0) + (Math.imul(aLo, bHi) >>> 0)) >>> 0;
}

function rotate(aHi: number, aLo: number, bits: number): void {
  hi = ((aHi << bits) | (aLo >>> (32 - bits))) >>> 0;
  lo = ((aLo << bits) | (aHi >>> (32 - bits))) >>> 0;
}

/** `hash ^= hash >> bits` for 29, 32 and 33. */
function xorShift(bits: number): void {
  if (bits >= 32) lo = (lo ^ (hi >>> (bits - 32))) >>> 0;
  else {
    lo = (lo ^ ((lo >>> bits) | (hi << (32 - bits)))) >>> 0;
    hi = (hi ^ (hi >>> bits)) >>> 0;
  }
}
