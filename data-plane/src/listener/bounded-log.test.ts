import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger, FakeClock } from '@heddle/common';
import { BoundedLog } from './bounded-log.js';

describe('BoundedLog', () => {
  it('writes ten lines a second, and with the next one how many were left out', () => {
    const { log, clock, lines } = bounded('info');
    for (let i = 0; i < 25; i++) log.info('refused', () => ({ i }));
    assert.deepEqual(
      lines.map(({ i }) => i),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    clock.advance(1000);
    for (let i = 25; i < 27; i++) log.info('refused', () => ({ i }));
    assert.deepEqual(
      lines.slice(10).map(({ i, leftOut }) => [i, leftOut]),
      [
        [25, 15],
        [26, undefined],
      ],
    );
  });

  it('makes no fields of lines that nobody reads', () => {
    const { log } = bounded('error');
    log.info('refused', () => assert.fail('made'));
  });
});

function bounded(level: 'info' | 'error'): {
  readonly log: BoundedLog;
  readonly clock: FakeClock;
  readonly lines: Record<string, unknown>[];
} {
  const clock = new FakeClock();
  const lines: Record<string, unknown>[] = [];
  const sink = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) };
  return {
    log: new BoundedLog(createLogger({ component: 'test', sink, clock, level }), clock),
    clock,
    lines,
  };
}
