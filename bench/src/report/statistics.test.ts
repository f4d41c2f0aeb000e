import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { quantile, spreadOf } from './statistics.js';

describe('spreadOf', () => {
  it('names the middle, lowest and highest whatever their order', () => {
    assert.deepEqual(spreadOf([10, 2, 9]), { median: 9, min: 2, max: 10 });
  });

  it('takes the mean of the two in the middle', () => {
    assert.equal(spreadOf([4, 1, 3, 2]).median, 2.5);
  });

  it('refuses to summarise nothing', () => {
    assert.throws(() => spreadOf([]), /no values/);
  });
});

describe('quantile', () => {
  it('interpolates between neighbours', () => {
    assert.equal(quantile([0, 10], 0.99), 9.9);
  });

  it('reaches both ends', () => {
    assert.equal(quantile([1, 2, 3], 0), 1);
    assert.equal(quantile([1, 2, 3], 1), 3);
  });
});
