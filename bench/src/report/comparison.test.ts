import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import type { VariantResult } from '../load/run-scenario.js';
import { compare } from './comparison.js';
import { comparisonRows, markdownTable } from './table.js';

describe('compare', () => {
  it('divides each round by the anchor of the same round', () => {
    const compared = compare(result([40, 20], [80, 50]), 'envoy');
    assert.deepEqual(compared.subjects[0]?.ratioToAnchor, { median: 0.45, min: 0.4, max: 0.5 });
    assert.deepEqual(compared.subjects[0]?.metrics.cpuUsPerRequest, { median: 30, min: 20, max: 40 });
  });

  it('leaves a failed round out of the ratio', () => {
    const compared = compare(result([40, 20], [undefined, 50]), 'envoy');
    assert.deepEqual(compared.subjects[0]?.ratioToAnchor, { median: 0.4, min: 0.4, max: 0.4 });
  });

  it('has no ratio where the anchor took no part', () => {
    assert.equal(compare(result([40], [80]), 'nobody').subjects[0]?.ratioToAnchor, undefined);
  });
});

describe('comparisonRows', () => {
  it('shows medians with their spread, the ratio beside the leading figure', () => {
    const rows = comparisonRows(compare(result([40, 20], [80, 50]), 'envoy'), 'envoy');
    assert.deepEqual(rows, [
      ['', 'CPU µs/request', '÷ envoy, per round'],
      ['own', '30.0 (20.0–40.0)', '0.45 (0.40–0.50)'],
      ['envoy', '65.0 (50.0–80.0)', '1.00'],
    ]);
    assert.equal(markdownTable(rows).split('\n')[1], '| --- | ---: | ---: |');
  });
});

function result(own: (number | undefined)[], envoy: (number | undefined)[]): VariantResult {
  const rounds = (values: (number | undefined)[]) =>
    values.map((cpuUsPerRequest) => (cpuUsPerRequest === undefined ? undefined : { cpuUsPerRequest }));
  return {
    scenario: 'http1',
    title: 'title',
    variant: '1 KB',
    backend: 'nginx',
    direct: [],
    subjects: [
      { name: 'own', rounds: rounds(own) },
      { name: 'envoy', rounds: rounds(envoy) },
    ],
    failures: [],
    worstTickMs: 0,
  };
}
