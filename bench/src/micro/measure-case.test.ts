import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { measureCase } from './measure-case.js';

describe('measureCase', () => {
  it('reports nanoseconds per operation', () => {
    const clock = { nowMs: 0 };
    const spread = measureCase(
      { name: 'takes 2 µs each', create: () => (count) => void (clock.nowMs += count * 0.002) },
      { warmUpMs: 5, sampleMs: 4, samples: 3, nowMs: () => clock.nowMs },
    );
    for (const value of Object.values(spread)) assert.ok(Math.abs(value - 2_000) < 0.001, `${value} ns`);
  });

  it('warms up before it samples', () => {
    const clock = { nowMs: 0 };
    const slowUntilMs = 50;
    const spread = measureCase(
      {
        name: 'slow at first',
        create: () => (count) => void (clock.nowMs += count * (clock.nowMs < slowUntilMs ? 1 : 0.01)),
      },
      { warmUpMs: 60, sampleMs: 4, samples: 3, nowMs: () => clock.nowMs },
    );
    assert.ok(Math.abs(spread.max - 10_000) < 0.001, `${spread.max} ns`);
  });
});
