import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { MICRO_CASES } from './index.js';

describe('MICRO_CASES', () => {
  for (const microCase of MICRO_CASES) {
    it(`performs "${microCase.name}" and returns something of it`, () => {
      assert.ok(microCase.create()(3));
    });
  }

  it('has a name of its own for each', () => {
    assert.equal(new Set(MICRO_CASES.map(({ name }) => name)).size, MICRO_CASES.length);
  });
});
