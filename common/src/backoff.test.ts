import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Backoff } from './backoff.js';
import { createSeededRandom } from './random.js';

describe('Backoff', () => {
  it('doubles the ceiling with every attempt, up to the maximum', () => {
    const backoff = new Backoff({ baseMs: 100, maxMs: 500, random: () => 0.5 });
    assert.deepEqual(
      [1, 2, 3, 4, 5].map(() => backoff.nextDelayMs()),
      [50, 100, 200, 250, 250],
    );
    assert.equal(backoff.attempts, 5);
  });

  it('draws anywhere between the minimum and the ceiling', () => {
    const random = createSeededRandom(3);
    const backoff = new Backoff({ baseMs: 1_000, maxMs: 1_000, minMs: 10, random });
    const delays = Array.from({ length: 2_000 }, () => backoff.nextDelayMs());
    assert.ok(Math.min(...delays) >= 10 && Math.min(...delays) < 50);
    assert.ok(Math.max(...delays) < 1_000 && Math.max(...delays) > 950);
  });

  it('starts again after a reset', () => {
    const backoff = new Backoff({ baseMs: 100, maxMs: 800, random: () => 0.5 });
    backoff.nextDelayMs();
    backoff.nextDelayMs();
    backoff.reset();
    assert.equal(backoff.attempts, 0);
    assert.equal(backoff.nextDelayMs(), 50);
  });

  it('stays finite however often it is asked', () => {
    const backoff = new Backoff({ baseMs: 1, maxMs: 60_000, random: () => 0.999 });
    for (let i = 0; i < 5_000; i++) assert.ok(backoff.nextDelayMs() < 60_000);
  });

  it('refuses bounds that contradict each other', () => {
    const random = (): number => 0;
    assert.throws(() => new Backoff({ baseMs: 0, maxMs: 10, random }), RangeError);
    assert.throws(() => new Backoff({ baseMs: 20, maxMs: 10, random }), RangeError);
    assert.throws(() => new Backoff({ baseMs: 5, maxMs: 10, minMs: 11, random }), RangeError);
    assert.throws(() => new Backoff({ baseMs: 5, maxMs: NaN, random }), RangeError);
    assert.throws(() => new Backoff({ baseMs: 5, maxMs: 10, factor: 0.5, random }), RangeError);
  });
});
