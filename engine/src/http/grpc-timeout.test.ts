import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatGrpcTimeout, parseGrpcTimeout } from './grpc-timeout.js';

describe('grpc-timeout', () => {
  it('is read in every unit, and not at all where it is something else', () => {
    const read = ['1H', '2M', '3S', '4m', '5001u', '1n', '0m', '99999999H'].map(parseGrpcTimeout);
    assert.deepEqual(read, [3_600_000, 120_000, 3000, 4, 6, 1, 0, 359_999_996_400_000]);
    for (const text of [undefined, '', '5', 'm', '5x', '-1m', '1.5S', '123456789m', '1m ', ' 1m'])
      assert.equal(parseGrpcTimeout(text), undefined, text);
  });

  it('is written so that it is read again as no less, and hardly as more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3e14 }), (ms) => {
        const read = parseGrpcTimeout(formatGrpcTimeout(ms)) as number;
        assert.ok(read >= ms && read - ms < (ms < 1e8 ? 1 : ms < 1e11 ? 1000 : 3_600_000), `${ms} ${read}`);
      }),
    );
  });
});
