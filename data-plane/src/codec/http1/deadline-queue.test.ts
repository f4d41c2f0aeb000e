import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { FakeClock } from '@heddle/common';
import { createDeadline, Deadlines } from './deadline-queue.js';

describe('deadlines', () => {
  it('fire after their time and at most a sixteenth later, in order, with one timer for all', () => {
    const clock = new FakeClock();
    const deadlines = new Deadlines(clock);
    const fired: [name: string, atMs: number][] = [];
    const start = clock.monotonicMs();
    for (const name of ['a', 'b', 'c']) {
      deadlines.set(
        createDeadline(() => fired.push([name, clock.monotonicMs() - start])),
        1600,
      );
      clock.advance(10);
    }
    assert.equal(clock.pendingTimers, 1);
    clock.advance(5000);
    assert.deepEqual(
      fired.map(([name]) => name),
      ['a', 'b', 'c'],
    );
    fired.forEach(([, atMs], i) => assert.ok(atMs >= 1600 + 10 * i && atMs <= 1720 + 10 * i, `${atMs}`));
    assert.equal(clock.pendingTimers, 0);
  });

  it('do not fire when cleared, and start anew when set again', () => {
    const clock = new FakeClock();
    const deadlines = new Deadlines(clock);
    let cleared = 0;
    let renewed = 0;
    const one = createDeadline(() => cleared++);
    const two = createDeadline(() => renewed++);
    deadlines.set(one, 1000);
    deadlines.set(two, 1000);
    clock.advance(900);
    deadlines.clear(one);
    deadlines.set(two, 1000);
    clock.advance(900);
    assert.equal(renewed, 0);
    clock.advance(300);
    assert.deepEqual([cleared, renewed], [0, 1]);
  });

  it('may be set again while they fire, moved to another time, and disabled by 0', () => {
    const clock = new FakeClock();
    const deadlines = new Deadlines(clock);
    let fired = 0;
    const again = createDeadline(() => {
      if (++fired < 3) deadlines.set(again, 100);
    });
    deadlines.set(again, 100);
    clock.advance(1000);
    assert.equal(fired, 3);
    const moved = createDeadline(() => fired++);
    deadlines.set(moved, 100);
    deadlines.set(moved, 5000);
    clock.advance(1000);
    assert.equal(fired, 3);
    deadlines.set(moved, 0);
    clock.advance(10_000);
    assert.equal(fired, 3);
    deadlines.set(moved, 5000);
    deadlines.stop();
    assert.equal(clock.pendingTimers, 0);
  });

  it('are at most 16 ms late when they are shorter than a second, and never early', () => {
    for (const timeoutMs of [1, 20, 250, 400, 999]) {
      const clock = new FakeClock();
      const deadlines = new Deadlines(clock);
      let firedAtMs = -1;
      clock.advance(3);
      deadlines.set(
        createDeadline(() => (firedAtMs = clock.monotonicMs() - 3)),
        timeoutMs,
      );
      clock.advance(3000);
      assert.ok(firedAtMs >= timeoutMs && firedAtMs <= timeoutMs + 16, `${timeoutMs}: ${firedAtMs}`);
    }
  });

  it('are in time when one that fires sets another of the same length', () => {
    const clock = new FakeClock();
    const deadlines = new Deadlines(clock);
    let secondAtMs = -1;
    const renewing = createDeadline(() => deadlines.set(renewing, 1600));
    deadlines.set(renewing, 1600);
    clock.advance(120);
    deadlines.set(
      createDeadline(() => (secondAtMs = clock.monotonicMs())),
      1600,
    );
    clock.advance(5000);
    assert.ok(secondAtMs >= 1720 && secondAtMs <= 1820, `${secondAtMs}`);
  });

  it('leave neither queues nor timers behind, however many lengths there are', () => {
    const clock = new FakeClock();
    const deadlines = new Deadlines(clock);
    const one = createDeadline(() => undefined);
    for (let timeoutMs = 1000; timeoutMs < 6000; timeoutMs++) deadlines.set(one, timeoutMs);
    assert.ok(deadlines.queues <= 512, `${deadlines.queues}`);
    assert.ok(clock.pendingTimers <= 512, `${clock.pendingTimers}`);
  });
});
