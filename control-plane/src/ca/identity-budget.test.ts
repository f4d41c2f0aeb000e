import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import { IdentityBudget } from './identity-budget.js';

describe('the budget of identities', () => {
  it('lets a burst through, and then as many a second as it says, for each identity', () => {
    const clock = new FakeClock();
    const budget = new IdentityBudget({ clock, perSecond: 2, burst: 3 });
    assert.deepEqual(taken(budget, 'a', 5), [true, true, true, false, false]);
    assert.deepEqual(taken(budget, 'b', 1), [true]);
    clock.advance(1_000);
    assert.deepEqual(taken(budget, 'a', 3), [true, true, false]);
    clock.advance(3_600_000);
    assert.deepEqual(taken(budget, 'a', 4), [true, true, true, false]);
  });

  it('forgets the identity that asked longest ago when there are too many', () => {
    const clock = new FakeClock();
    const budget = new IdentityBudget({ clock, perSecond: 1, burst: 1, maxIdentities: 2 });
    assert.deepEqual(taken(budget, 'a', 2), [true, false]);
    assert.deepEqual(taken(budget, 'b', 1), [true]);
    // Asking, also in vain, is what counts.
    assert.deepEqual(taken(budget, 'a', 1), [false]);
    assert.deepEqual(taken(budget, 'c', 1), [true]);
    assert.deepEqual(taken(budget, 'a', 1), [false]);
    assert.deepEqual(taken(budget, 'b', 1), [true]);
  });
});

function taken(budget: IdentityBudget, identity: string, count: number): readonly boolean[] {
  return Array.from({ length: count }, () => budget.take(identity));
}
