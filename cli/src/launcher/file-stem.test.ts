import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileStem, shortened } from './file-stem.js';

describe('fileStem', () => {
  it('is the name alone in the default namespace, and tells other namespaces apart', () => {
    assert.equal(fileStem('reviews-0', 'default'), 'reviews-0');
    assert.notEqual(fileStem('a.b', 'default'), fileStem('a', 'b'));
    assert.notEqual(fileStem('a', 'b'), fileStem('a', 'c'));
  });

  it('keeps long names short and different', () => {
    const long = 'x'.repeat(253);
    assert.ok(fileStem(long, 'default').length <= 120);
    assert.notEqual(fileStem(`${long}1`, 'default'), fileStem(`${long}2`, 'default'));
    assert.equal(shortened('short', 10), 'short');
  });
});
