import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatDurationMs, formatProtoDurationMs, parseDurationMs } from './duration.js';

describe('parseDurationMs', () => {
  it('reads durations as Go and Envoy write them', () => {
    const cases: readonly (readonly [string, number])[] = [
      ['250ms', 250],
      ['1.5s', 1_500],
      ['0.250s', 250],
      ['.5s', 500],
      ['1.s', 1_000],
      ['1h30m', 5_400_000],
      ['2m0.5s', 120_500],
      ['-2s', -2_000],
      ['+2s', 2_000],
      ['100us', 0.1],
      ['100µs', 0.1],
      ['0', 0],
      ['0s', 0],
    ];
    for (const [text, expectedMs] of cases) assert.equal(parseDurationMs(text), expectedMs, text);
  });

  it('refuses what is not a duration', () => {
    for (const text of [
      '',
      '-',
      '5',
      '1.5',
      's',
      '1 s',
      '1s ',
      ' 1s',
      '1d',
      '1S',
      '1e3s',
      '1s2',
      '--1s',
      '.s',
    ]) {
      assert.equal(parseDurationMs(text), undefined, JSON.stringify(text));
    }
    assert.equal(parseDurationMs('1s'.repeat(40)), undefined, 'too long');
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parsed = parseDurationMs(text);
        return parsed === undefined || Number.isFinite(parsed);
      }),
    );
  });
});

describe('formatDurationMs', () => {
  it('writes durations for people', () => {
    assert.equal(formatDurationMs(0), '0s');
    assert.equal(formatDurationMs(250), '250ms');
    assert.equal(formatDurationMs(0.5), '0.5ms');
    assert.equal(formatDurationMs(1_500), '1.5s');
    assert.equal(formatDurationMs(90_000), '1m30s');
    assert.equal(formatDurationMs(7_200_000), '2h');
    assert.equal(formatDurationMs(-60_000), '-1m');
  });

  it('is read back as the same number of milliseconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), (durationMs) => {
        const readMs = parseDurationMs(formatDurationMs(durationMs));
        assert.ok(readMs !== undefined && Math.abs(readMs - durationMs) < 1e-3);
      }),
    );
  });

  it('refuses what no duration can be', () => {
    assert.throws(() => formatDurationMs(NaN), RangeError);
    assert.throws(() => formatProtoDurationMs(Infinity), RangeError);
  });
});

describe('formatProtoDurationMs', () => {
  it('writes seconds with zero, three, six or nine decimals', () => {
    assert.equal(formatProtoDurationMs(0), '0s');
    assert.equal(formatProtoDurationMs(250), '0.250s');
    assert.equal(formatProtoDurationMs(15_000), '15s');
    assert.equal(formatProtoDurationMs(1_000_000), '1000s');
    assert.equal(formatProtoDurationMs(0.1), '0.000100s');
    assert.equal(formatProtoDurationMs(-1_500), '-1.500s');
    assert.equal(formatProtoDurationMs(-1e-9), '0s');
  });
});
