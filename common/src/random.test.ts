import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSeededRandom, systemRandom } from './random.js';

describe('createSeededRandom', () => {
  it('repeats itself for the same seed and differs for another', () => {
    const take = (seed: number): number[] => Array.from({ length: 20 }, createSeededRandom(seed));
    assert.deepEqual(take(7), take(7));
    assert.notDeepEqual(take(7), take(8));
  });

  it('spreads evenly over [0, 1)', () => {
    const random = createSeededRandom(1);
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const value = random();
      assert.ok(value >= 0 && value < 1);
      const bucket = Math.floor(value * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) assert.ok(Math.abs(count - 10_000) < 500, `a tenth holds ${count}`);
  });
});

describe('systemRandom', () => {
  it('stays within [0, 1)', () => {
    for (let i = 0; i < 1_000; i++) {
      const value = systemRandom();
      assert.ok(value >= 0 && value < 1);
    }
  });
});
