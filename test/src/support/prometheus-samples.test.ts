import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readPrometheusText } from './prometheus-samples.js';

describe('the reader of Prometheus text', () => {
  it('gives samples with their labels as they were before they were escaped', () => {
    const text = '# HELP a Some.\n# TYPE a counter\na{x="1\\n\\"\\\\",y=""} 3\na 4\n';
    assert.deepEqual(readPrometheusText(text), [
      { name: 'a', labels: { x: '1\n"\\', y: '' }, value: 3 },
      { name: 'a', labels: {}, value: 4 },
    ]);
  });

  for (const [what, text] of [
    ['a last line without end', '# TYPE a counter\na 1'],
    ['a sample without a type', 'a 1\n'],
    ['a sample below the type of another', '# TYPE a counter\nb 1\n'],
    ['a type twice', '# TYPE a counter\n# TYPE a counter\n'],
    ['a series twice', '# TYPE a counter\na{x="1"} 1\na{x="1"} 1\n'],
    ['an unescaped quote', '# TYPE a counter\na{x="""} 1\n'],
    ['a label twice', '# TYPE a counter\na{x="1",x="2"} 1\n'],
    ['a value that is no number', '# TYPE a counter\na one\n'],
    ['buckets that shrink', '# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_count 1\n'],
    ['a count that is not the last bucket', '# TYPE a histogram\na_bucket{le="+Inf"} 1\na_count 2\n'],
    ['a histogram without a last bucket', '# TYPE a histogram\na_bucket{le="1"} 1\na_count 1\n'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => readPrometheusText(text));
    });
  }
});
