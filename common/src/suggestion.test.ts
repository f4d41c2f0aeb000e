import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { closestName, editDistance } from './suggestion.js';

const FIELDS = ['hosts', 'http', 'gateways', 'exportTo', 'destination', 'retries', 'timeout'];

describe('closestName', () => {
  it('finds the field that a misspelt one meant', () => {
    assert.equal(closestName('host', FIELDS), 'hosts');
    assert.equal(closestName('htpt', FIELDS), 'http');
    assert.equal(closestName('destnation', FIELDS), 'destination');
    assert.equal(closestName('timeOut', FIELDS), 'timeout');
    assert.equal(closestName('export_to', FIELDS), 'exportTo');
  });

  it('stays silent where nothing is close', () => {
    assert.equal(closestName('subset', FIELDS), undefined);
    assert.equal(closestName('', FIELDS), undefined);
    assert.equal(closestName('a', ['b']), undefined);
    assert.equal(closestName('x'.repeat(200), ['x'.repeat(200)]), undefined);
  });

  it('takes the closest, and of equals the first', () => {
    assert.equal(closestName('reviews-v4', ['reviews-v1', 'reviews-v2']), 'reviews-v1');
    assert.equal(closestName('revews', ['reviewers', 'reviews']), 'reviews');
  });
});

describe('editDistance', () => {
  it('counts insertions, removals, replacements and swapped neighbours', () => {
    assert.equal(editDistance('route', 'route'), 0);
    assert.equal(editDistance('', 'abc'), 3);
    assert.equal(editDistance('kitten', 'sitting'), 3);
    assert.equal(editDistance('prot', 'port'), 1);
  });

  it('is the same both ways, and zero only for equal words', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (from, to) => {
        const distance = editDistance(from, to);
        assert.equal(distance, editDistance(to, from));
        assert.equal(distance === 0, from === to);
        assert.ok(distance <= Math.max(from.length, to.length));
      }),
    );
  });
});
