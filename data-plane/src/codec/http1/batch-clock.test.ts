import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { FakeClock } from '@heddle/common';
import { BatchClock } from './batch-clock.js';
import { WriteBatch } from './write-batch.js';

describe('BatchClock', () => {
  it('stands still in a batch, and moves on with the next one', () => {
    const real = new FakeClock(1000);
    const batch = new WriteBatch();
    const clock = new BatchClock(real, batch);
    for (let i = 0; i < 3; i++) {
      real.advance(5);
      batch.enter();
      const before = clock.monotonicMs();
      const wallBefore = clock.nowMs();
      assert.equal(before, real.monotonicMs());
      assert.equal(wallBefore, real.nowMs());
      real.advance(2);
      batch.enter();
      assert.equal(clock.monotonicMs(), before);
      batch.leave();
      assert.equal(clock.monotonicMs(), before);
      assert.equal(clock.nowMs(), wallBefore);
      batch.leave();
    }
  });

  it('is the real clock outside batches', () => {
    const real = new FakeClock(1000);
    const batch = new WriteBatch();
    const clock = new BatchClock(real, batch);
    batch.enter();
    clock.monotonicMs();
    batch.leave();
    for (let i = 0; i < 3; i++) {
      real.advance(7);
      assert.equal(clock.monotonicMs(), real.monotonicMs());
      assert.equal(clock.nowMs(), real.nowMs());
    }
    let fired = false;
    clock.setTimer(5, () => (fired = true));
    real.advance(5);
    assert.ok(fired);
  });
});
