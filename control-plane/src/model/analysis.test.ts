import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { formatProblem } from '../source/format-problem.js';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import { buildModel } from './build-model.js';

const root = fileURLToPath(new URL('../../testdata/analysis/', import.meta.url));
const update = process.env['HEDDLE_UPDATE_GOLDENS'] === '1';

/** Files without a mistake of their own, and what is told of how their resources go together. */
describe('analysis', () => {
  for (const file of readdirSync(root)
    .filter((name) => name.endsWith('.yaml'))
    .sort()) {
    it(`says of ${file} what has no effect, and why`, () => {
      const { resources, problems } = parseMeshFile(readFileSync(join(root, file), 'utf8'), file);
      assert.deepEqual(problems, []);
      const found = buildModel(new Map(resources.map((resource) => [resource.key, resource]))).problems;
      const actual = `${found.map((problem) => formatProblem(problem)).join('\n\n')}\n`;
      const golden = join(root, file.replace(/yaml$/, 'txt'));
      if (update) writeFileSync(golden, actual);
      assert.match(actual, /^warning: /m);
      assert.doesNotMatch(actual, /^error: /m);
      assert.equal(actual, readFileSync(golden, 'utf8'));
    });
  }
});
