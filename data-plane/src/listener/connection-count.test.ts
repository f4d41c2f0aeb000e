import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SharedCells } from '../shared/shared-cells.js';
import { ConnectionCount, SharedConnectionCount } from './connection-count.js';

describe('the count of connections', () => {
  it('ends at its limit and goes on below it', () => {
    const count = new ConnectionCount();
    assert.deepEqual([count.take(2), count.take(2), count.take(2)], [true, true, false]);
    count.release();
    assert.deepEqual([count.take(2), count.open], [true, 2]);
  });

  it('is one for all threads, each of which knows its own', () => {
    const memory = SharedCells.allocate(4);
    const ofThread = (): ConnectionCount =>
      new SharedConnectionCount(new SharedCells(memory).claim('connections'));
    const [one, other] = [ofThread(), ofThread()];
    assert.deepEqual([one.take(3), other.take(3), other.take(3), one.take(3)], [true, true, true, false]);
    other.release();
    assert.equal(one.take(3), true);
    assert.deepEqual([one.open, other.open], [2, 1]);
  });
});
