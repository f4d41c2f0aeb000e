import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';
import { bootstrapPath, fillBootstrap } from './suite-run.js';

const accepted = yamlFiles('.');
const refused = yamlFiles('broken');

/** A mistake in a broken file: `# !! text` at the end of its line. */
interface Mark {
  readonly line: number;
  readonly text: string;
}

describe('--mode validate', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'heddle-validate-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('is asked about at least twenty good files and ten broken ones', () => {
    assert.ok(accepted.length >= 20, String(accepted.length));
    assert.ok(refused.length >= 10, String(refused.length));
  });

  for (const subject of [heddleProxy(), realEnvoy()]) {
    const skip = subject.missing ?? false;
    describe(subject.name, { skip, concurrency: 2 }, () => {
      for (const file of accepted) {
        it(`accepts ${file}`, async () => {
          const template = await readFile(bootstrapPath(file), 'utf8');
          const own = join(folder, `${subject.name}-${file}`);
          await writeFile(own, await fillBootstrap(template, new Map(), folder));
          const program = subject.validate(own);
          const { code } = await program.ended();
          assert.equal(code, 0, program.output);
        });
      }

      for (const file of refused) {
        it(`refuses broken/${file}`, async () => {
          const path = bootstrapPath(join('broken', file));
          const program = subject.validate(path);
          const { code } = await program.ended();
          assert.equal(code, 1, program.output);
          // Envoy stops at the first problem and names no line.
          if (subject.name === 'heddle-proxy') assertAllNamed(program.output, path);
        });
      }
    });
  }
});

/** Every marked line is named with what is wrong there, and no other line is. */
function assertAllNamed(output: string, path: string): void {
  const marks = marksOf(readFileSync(path, 'utf8'));
  assert.ok(marks.length > 0);
  const named = output.split('\n').filter((line) => line.includes(path));
  for (const { line, text } of marks) {
    assert.ok(
      named.some((one) => one.includes(`${path}:${line}:`) && one.includes(text)),
      `line ${line} is not named with ${JSON.stringify(text)}:\n${output}`,
    );
  }
  assert.equal(named.length, marks.length, output);
}

function marksOf(text: string): readonly Mark[] {
  return text.split('\n').flatMap((line, i) => {
    const mark = / # !! ?(?<text>.*)$/.exec(line)?.groups?.['text'];
    return mark === undefined ? [] : [{ line: i + 1, text: mark }];
  });
}

function yamlFiles(folder: string): readonly string[] {
  return readdirSync(bootstrapPath(folder))
    .filter((file) => file.endsWith('.yaml'))
    .sort();
}
