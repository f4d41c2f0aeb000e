import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COLUMN, emptyCounts } from '../traffic/call-columns.js';
import type { CanaryConfig } from '../model/canary.js';
import { newRun, weightIn, type CanaryState } from './canary-state.js';
import { command, decide, type CanaryCommand, type CanaryObservation } from './decide.js';

describe('a canary that is led by hand', () => {
  it('stays at its weight while it is paused, however long and whatever is good, and goes on when it is told to', () => {
    const paused = told(observed(), 'pause');
    assert.equal(weightIn(paused, CANARY), 10);
    assert.equal(decide(CANARY, paused, seen(1_000, 0), 10_000_000), paused);
    const resumed = told(paused, 'resume', 10_000_000);
    assert.equal(resumed.phase, 'applying');
    // The hours of the pause are not held against it.
    assert.equal(decide(CANARY, resumed, seen(1_000, 0), 10_000_001).phase, 'observing');
  });

  it('is rolled back while it is paused, when it fails', () => {
    assert.equal(decide(CANARY, told(observed(), 'pause'), seen(100, 50), 20_000).phase, 'rolled-back');
  });

  it('waits for a person after a step that says so, and then takes the next one', () => {
    const held = decide(CANARY, observed(), seen(100, 0), 20_000);
    assert.equal(held.phase, 'paused');
    assert.equal(weightIn(held, CANARY), 10);
    const next = told(held, 'resume');
    assert.deepEqual([next.phase, next.step, weightIn(next, CANARY)], ['applying', 1, 50]);
  });

  it('gets everything at once when it is promoted, nothing when it is aborted, and a new run when it is restarted', () => {
    const promoted = told(observed(), 'promote');
    assert.equal(weightIn(promoted, CANARY), 100);
    assert.equal(weightIn(told(promoted, 'abort'), CANARY), 0);
    const again = told(promoted, 'restart');
    assert.deepEqual([again.phase, again.run, again.step], ['waiting', 2, 0]);
  });

  it('says why what was asked for cannot be', () => {
    assert.match(String(command(CANARY, observed(), 'resume', 0)), /not paused/);
    assert.match(String(command(CANARY, told(observed(), 'abort'), 'pause', 0)), /nothing to pause/);
    assert.match(String(command(CANARY, told(observed(), 'promote'), 'promote', 0)), /already/);
  });
});

describe('a canary by itself', () => {
  it('does not count a step that a proxy has not acknowledged, or with too few calls, or before its time', () => {
    const state = observed();
    for (const open of [
      { ...seen(100, 0), acknowledged: false },
      seen(19, 0),
      { ...seen(100, 0), countedMs: 4_999 },
    ]) {
      assert.equal(decide(CANARY, state, open, 20_000).phase, 'observing');
    }
    assert.equal(decide(CANARY, state, seen(100, 0), 20_000).phase, 'paused');
  });

  it('does not count a step whose observed split is another', () => {
    const next = decide(CANARY, observed(), seen(100, 0, 100), 20_000);
    assert.equal(next.phase, 'observing');
    assert.match(next.reason, /50\.0 % of the calls, and 10 % are wanted/);
  });

  it('begins anew when its resource says another thing', () => {
    const next = decide({ ...CANARY, runId: 'other' }, observed(), seen(100, 0), 20_000);
    assert.deepEqual([next.phase, next.run], ['waiting', 2]);
  });
});

const CANARY: CanaryConfig = {
  ...{ key: 'default/reviews', namespace: 'default', name: 'reviews', host: 'reviews', runId: 'r' },
  stable: { host: 'reviews', subset: 'v1' },
  canary: { host: 'reviews', subset: 'v2' },
  steps: [
    { weight: 10, intervalMs: 5_000, pause: true },
    { weight: 50, intervalMs: 5_000, pause: false },
  ],
  ...{ stepTimeoutMs: 600_000, minRequests: 20, splitTolerance: 0.05, minSuccess: 0.99 },
  maxSuccessDrop: undefined,
  latency: { quantile: 0.99, maxMs: undefined, maxRatio: undefined },
};

function seen(calls: number, failed: number, stableCalls = calls * 9): CanaryObservation {
  const canary = emptyCounts();
  const stable = emptyCounts();
  canary[COLUMN.requests] = calls;
  canary[COLUMN.failed] = failed;
  stable[COLUMN.requests] = stableCalls;
  return {
    ...{ stableEndpoints: 1, canaryEndpoints: 1, acknowledged: true, refused: undefined },
    counts: { canary, stable, lost: 0 },
    countedMs: 5_000,
  };
}

function observed(): CanaryState {
  const applying = decide(CANARY, newRun(CANARY, 1, 0), seen(0, 0), 0);
  return decide(CANARY, applying, seen(0, 0), 1_000);
}

function told(state: CanaryState, said: CanaryCommand, nowMs = 30_000): CanaryState {
  const next = command(CANARY, state, said, nowMs);
  assert.ok(typeof next !== 'string', String(next));
  return next;
}
