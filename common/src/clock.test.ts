import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock, systemClock } from './clock.js';

describe('FakeClock', () => {
  it('fires a timer at its moment and not before', () => {
    const clock = new FakeClock();
    let firedAtMs: number | undefined;
    clock.setTimer(50, () => (firedAtMs = clock.monotonicMs()));
    clock.advance(49);
    assert.equal(firedAtMs, undefined);
    clock.advance(10);
    assert.equal(firedAtMs, 50);
    assert.equal(clock.monotonicMs(), 59);
  });

  it('fires timers by due time, and equal ones in the order they were set', () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    clock.setTimer(20, () => seen.push('late'));
    clock.setTimer(10, () => seen.push('first'));
    clock.setTimer(10, () => seen.push('second'));
    clock.advance(20);
    assert.deepEqual(seen, ['first', 'second', 'late']);
  });

  it('fires timers that are set by timers within the same advance', () => {
    const clock = new FakeClock();
    const seenAtMs: number[] = [];
    const tick = (): void => {
      seenAtMs.push(clock.monotonicMs());
      if (seenAtMs.length < 3) clock.setTimer(10, tick);
    };
    clock.setTimer(10, tick);
    clock.advance(35);
    assert.deepEqual(seenAtMs, [10, 20, 30]);
  });

  it('forgets cancelled timers and counts the pending ones', () => {
    const clock = new FakeClock();
    const timer = clock.setTimer(5, () => assert.fail('cancelled timers do not fire'));
    assert.equal(clock.pendingTimers, 1);
    assert.equal(clock.nextTimerInMs, 5);
    timer.cancel();
    timer.cancel();
    assert.equal(clock.pendingTimers, 0);
    assert.equal(clock.nextTimerInMs, undefined);
    clock.advance(10);
  });

  it('moves the wall clock without moving durations', () => {
    const clock = new FakeClock(1_000);
    clock.advance(5);
    clock.jumpWall(-500);
    assert.equal(clock.nowMs(), 505);
    assert.equal(clock.monotonicMs(), 5);
  });

  it('refuses to run backwards, and ends when timers never stop', () => {
    const clock = new FakeClock();
    assert.throws(() => clock.advance(-1), RangeError);
    const again = (): void => void clock.setTimer(0, again);
    again();
    assert.throws(() => clock.advance(1), /faster than time passes/);
  });
});

describe('systemClock', () => {
  it('fires a timer after its delay', async () => {
    const startedMs = systemClock.monotonicMs();
    await new Promise<void>((resolve) => void systemClock.setTimer(5, resolve));
    // Node rounds to whole milliseconds and may fire one early.
    assert.ok(systemClock.monotonicMs() - startedMs >= 4);
  });

  it('does not fire a timer that was cancelled, nor one further away than Node can count', async () => {
    const cancelled = systemClock.setTimer(0, () => assert.fail('cancelled'));
    cancelled.cancel();
    const distant = systemClock.setTimer(2 ** 33, () => assert.fail('97 days have not passed'));
    await new Promise<void>((resolve) => void systemClock.setTimer(10, resolve));
    distant.cancel();
  });

  it('tells the wall time', () => {
    assert.ok(Math.abs(systemClock.nowMs() - Date.now()) < 1_000);
  });
});
