import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { combineHashes, hashModulo, xxHash64, type Hash64 } from './xx-hash64.js';

describe('xxHash64', () => {
  it('gives the hashes that its authors publish', () => {
    assert.equal(hex(xxHash64('')), 'ef46db3751d8e999');
    assert.equal(hex(xxHash64('a')), 'd24ec4f1a98c6e5b');
    assert.equal(hex(xxHash64('abc')), '44bc2cf5ad770999');
    assert.equal(hex(xxHash64('', 1)), 'd5afba1336a3be4b');
    assert.equal(hex(xxHash64('The quick brown fox jumps over the lazy dog')), '0b242d361fda71bc');
  });

  it('agrees with the same arithmetic on whole 64-bit numbers', () => {
    const latin1 = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
    fc.assert(
      fc.property(latin1, fc.nat(1000), (text, seed) => {
        assert.equal(whole(xxHash64(text, seed)), plainXxHash64(Buffer.from(text, 'latin1'), BigInt(seed)));
      }),
    );
  });

  it('is divided and combined as a whole number', () => {
    const hash = fc.record({
      hi: fc.integer({ min: 0, max: 0xffff_ffff }),
      lo: fc.integer({ min: 0, max: 0xffff_ffff }),
    });
    fc.assert(
      fc.property(hash, hash, fc.integer({ min: 1, max: 5_000_011 }), (a, b, divisor) => {
        assert.equal(BigInt(hashModulo(a, divisor)), whole(a) % BigInt(divisor));
        const rotated = ((whole(a) << 1n) | (whole(a) >> 63n)) & MASK;
        assert.equal(whole(combineHashes(a, b)), rotated ^ whole(b));
      }),
    );
  });
});

const MASK = (1n << 64n) - 1n;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

const whole = ({ hi, lo }: Hash64): bigint => (BigInt(hi) << 32n) | BigInt(lo);
const hex = (hash: Hash64): string => whole(hash).toString(16).padStart(16, '0');

/** The algorithm as it is written down, slowly. */
function plainXxHash64(bytes: Buffer, seed: bigint): bigint {
  const m = (value: bigint): bigint => value & MASK;
  const rotate = (value: bigint, by: bigint): bigint => m((value << by) | (value >> (64n - by)));
  const round = (state: bigint, lane: bigint): bigint => m(rotate(m(state + lane * P2), 31n) * P1);
  let at = 0;
  let hash: bigint;
  if (bytes.length >= 32) {
    const lanes = [m(seed + P1 + P2), m(seed + P2), seed, m(seed - P1)];
    for (; at + 32 <= bytes.length; at += 32) {
      lanes.forEach((lane, i) => (lanes[i] = round(lane, bytes.readBigUInt64LE(at + 8 * i))));
    }
    const [a = 0n, b = 0n, c = 0n, d = 0n] = lanes;
    hash = m(rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n));
    for (const lane of lanes) hash = m((hash ^ round(0n, lane)) * P1 + P4);
  } else hash = m(seed + P5);
  hash = m(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) {
    hash = m(rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1 + P4);
  }
  if (at + 4 <= bytes.length) {
    hash = m(rotate(hash ^ m(BigInt(bytes.readUInt32LE(at)) * P1), 23n) * P2 + P3);
    at += 4;
  }
  for (; at < bytes.length; at++) hash = m(rotate(hash ^ m(BigInt(bytes[at] ?? 0) * P5), 11n) * P1);
  hash = m((hash ^ (hash >> 33n)) * P2);
  hash = m((hash ^ (hash >> 29n)) * P3);
  return hash ^ (hash >> 32n);
}
