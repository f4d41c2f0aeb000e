import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LocalRateLimiter } from '@heddle/engine';
import { SharedCells } from './shared-cells.js';
import { SharedLimits } from './shared-limits.js';

const CONFIG = {
  bucket: { maxTokens: 3, fillPerSecond: 1 },
  descriptors: [],
  alwaysConsumeDefault: false,
};

describe('SharedLimits', () => {
  it('limit the requests of all threads together', () => {
    const [one, other] = threads();
    const [first, second] = [limiter(one), limiter(other)];
    const taken = [first, second, second, first, second].map((from) => from.take([], 1_000).allowed);
    assert.deepEqual(taken, [true, true, true, false, false]);
    assert.deepEqual([first.take([], 2_000).allowed, second.take([], 2_000).allowed], [true, false]);
  });

  it('are one by one those of every thread, though several say the same', () => {
    const [one, other] = threads();
    const [a, b] = [limiter(one), limiter(one)];
    const [c, d] = [limiter(other), limiter(other)];
    for (const from of [a, a, c]) assert.equal(from.take([], 1_000).allowed, true);
    assert.deepEqual([c.take([], 1_000).allowed, d.take([], 1_000).allowed], [false, true]);
    assert.equal(b.take([], 1_000).allowed, true);
  });
});

function threads(): [SharedLimits, SharedLimits] {
  const memory = SharedCells.allocate(32);
  const of = (): SharedLimits => new SharedLimits(new SharedCells(memory)).within('listener');
  return [of(), of()];
}

function limiter(limits: SharedLimits): LocalRateLimiter {
  return new LocalRateLimiter(CONFIG, 1_000, (bucket) => limits.bucket(`${bucket}`));
}
