import assert from 'node:assert/strict';
import { createHash, ECDH } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseJwks } from '@heddle/engine';
import { keyOfNobody } from './key-of-nobody.js';

describe('the key of nobody', () => {
  it('is a point that comes from a hash, and so from no private key', () => {
    const { keys } = JSON.parse(keyOfNobody) as { keys: { x: string; y: string }[] };
    const [key] = keys;
    const point = firstPoint('heddle has no keys of this issuer');
    assert.equal(keys.length, 1);
    assert.deepEqual([key?.x, key?.y], [point.x, point.y]);
  });

  it('is a key that proxies accept', () => {
    const { keys, problems } = parseJwks(keyOfNobody);
    assert.equal(keys.length, 1);
    assert.deepEqual(problems, []);
  });
});

/** The first point whose x is the hash of the words and a number: half of all numbers are no x. */
function firstPoint(words: string): { readonly x: string; readonly y: string } {
  for (let i = 0; ; i++) {
    const x = createHash('sha256').update(`${words} ${i}`).digest();
    try {
      const point = ECDH.convertKey(
        Buffer.concat([Buffer.from([2]), x]),
        'prime256v1',
        undefined,
        undefined,
        'uncompressed',
      ) as Buffer;
      return { x: x.toString('base64url'), y: point.subarray(33).toString('base64url') };
    } catch {
      // Not on the curve.
    }
  }
}
