import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ALL_TARGETS } from './all-targets.js';
import { checkInput } from './check-input.js';
import { CORPUS_FOLDER, corpusOf } from './corpus.js';
import type { FuzzTarget } from './fuzz-target.js';
import { runFuzz } from './run-fuzz.js';

/** Of longer inputs only some places are cut at. */
const MOST_CUTS = 200;

describe('the corpus of the fuzzer', () => {
  it('has inputs for every parser, and for nothing else', () => {
    assert.deepEqual(readdirSync(CORPUS_FOLDER).sort(), ALL_TARGETS.map(({ name }) => name).sort());
  });

  for (const target of ALL_TARGETS) {
    it(`is understood by ${target.name} however it is cut`, () => {
      const corpus = corpusOf(target.name);
      assert.ok(corpus.length > 0);
      for (const { name, bytes } of corpus) {
        const step = Math.max(1, Math.ceil(bytes.length / MOST_CUTS));
        const cuts = Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) => [
          bytes.subarray(0, i * step),
          bytes.subarray(i * step),
        ]);
        assert.equal(checkInput(target, bytes, cuts).problem, undefined, name);
      }
    });
  }
});

describe('the fuzzer', () => {
  const planted = (run: FuzzTarget['run'], isStream = false): FuzzTarget => ({
    name: 'planted',
    isStream,
    tokens: ['key'],
    run,
  });
  const findingsOf = async (target: FuzzTarget) => {
    const report = await runFuzz({
      target,
      corpus: [Buffer.from('some words')],
      seed: 1,
      untilMs: performance.now() + 10_000,
      onInput: () => undefined,
      mostFindings: 1,
    });
    return report.findings;
  };

  it('finds what throws, and shortens it to what is needed for that', async () => {
    const [finding] = await findingsOf(
      planted(([bytes]) => {
        if (bytes?.includes('key') !== true) return 'taken';
        throw new Error('a mistake');
      }),
    );
    assert.match(finding?.problem ?? '', /a mistake/);
    assert.equal(finding?.input.toString('latin1'), 'key');
  });

  it('finds what depends on where it is cut', async () => {
    const [finding] = await findingsOf(planted((parts) => (parts.length > 3 ? 'many' : 'few'), true));
    assert.match(finding?.problem ?? '', /^cut into/);
  });
});
