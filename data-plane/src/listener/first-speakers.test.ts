import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import { FirstSpeakers } from './first-speakers.js';

describe('who speaks first', () => {
  it('is remembered for a client and a place, for a while, unless the client speaks first there', () => {
    const clock = new FakeClock();
    const speakers = new FirstSpeakers(clock);
    speakers.onServerFirst('a b');
    assert.equal(speakers.isServerFirst('a b'), true);
    assert.equal(speakers.isServerFirst('c b'), false);
    speakers.onClientFirst('a b');
    assert.equal(speakers.isServerFirst('a b'), false);
    speakers.onServerFirst('a b');
    clock.advance(600_000);
    assert.equal(speakers.isServerFirst('a b'), false);
    assert.equal(speakers.size, 0);
  });

  it('is remembered of so many, and the one that was seen longest ago makes room', () => {
    const speakers = new FirstSpeakers(new FakeClock());
    for (let i = 0; i < 5_000; i++) speakers.onServerFirst(String(i));
    assert.equal(speakers.size, 4_096);
    assert.equal(speakers.isServerFirst('0'), false);
    assert.equal(speakers.isServerFirst('4999'), true);
  });
});
