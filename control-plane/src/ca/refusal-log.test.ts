import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock, createLogger } from '@heddle/common';
import { RefusalLog } from './refusal-log.js';

describe('the log of refusals', () => {
  it('counts every one, and writes no more than twenty lines a second', () => {
    const clock = new FakeClock();
    const lines: Record<string, unknown>[] = [];
    const sink = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) };
    const refusals = new RefusalLog(createLogger({ component: 'test', sink }), clock);
    for (let i = 0; i < 100; i++) refusals.note('refused', i < 60 ? 'a' : 'b', { peer: `p${i}` });
    assert.deepEqual(
      [...refusals.counts],
      [
        ['a', 60],
        ['b', 40],
      ],
    );
    assert.equal(lines.length, 20);
    assert.deepEqual([lines[0]?.['reason'], lines[0]?.['peer']], ['a', 'p0']);

    clock.advance(1_000);
    refusals.note('refused', 'b', {});
    refusals.note('refused', 'b', {});
    assert.deepEqual(
      lines.slice(20).map((line) => line['unlogged']),
      [80, undefined],
    );
  });
});
