import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecentMap } from './recent-map.js';

describe('RecentMap', () => {
  it('keeps what was used last, up to its bound, and tells of each entry that had to go', () => {
    let evicted = 0;
    const map = new RecentMap<string, number>(2, () => evicted++);
    map.set('a', 1);
    map.set('b', 2);
    assert.equal(map.get('a'), 1);
    map.set('c', 3);
    assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], [1, undefined, 3]);
    assert.deepEqual([map.size, evicted], [2, 1]);
  });

  it('has room again for what is deleted, and none less for what is set anew', () => {
    let evicted = 0;
    const map = new RecentMap<string, number>(2, () => evicted++);
    map.set('a', 1);
    map.set('b', 2);
    map.set('b', 3);
    map.delete('a');
    map.set('c', 4);
    assert.deepEqual([map.get('b'), map.get('c'), evicted], [3, 4, 0]);
  });
});
