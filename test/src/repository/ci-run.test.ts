import assert from 'node:assert/strict';
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { repositoryRoot } from './repository-files.js';

describe('.ci/run', () => {
  it('runs npm test under CI, without input, and names the suites that it leaves out', (t) => {
    const result = runWith(t, {
      test: `node -e "if (process.env.CI !== 'true') throw 1; process.stdin.on('end', () => {}).resume()"`,
    });
    assert.equal(result.status, 0, result.stdout + result.stderr);
    assert.match(result.stdout, /skipped: demo/);
    assert.match(result.stdout, /skipped: test:soak/);
    assert.match(result.stdout, /all passed/);
  });

  it('fails at once when npm test fails', (t) => {
    const result = runWith(t, { test: 'exit 3', 'test:soak': 'echo reached' });
    assert.notEqual(result.status, 0);
    assert.doesNotMatch(result.stdout, /reached|all passed/);
  });

  it('fails when a longer suite fails, after the others have run', (t) => {
    const result = runWith(t, { test: 'exit 0', 'test:faults': 'exit 4', 'test:soak': 'echo reached' });
    assert.equal(result.status, 1);
    assert.match(result.stdout, /reached/);
    assert.match(result.stdout, /failed: test:faults/);
  });
});

/** Runs the script in a repository that has nothing but these npm scripts. */
function runWith(t: TestContext, scripts: Readonly<Record<string, string>>): SpawnSyncReturns<string> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'heddle-ci-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(path.join(folder, '.ci'));
  cpSync(path.join(repositoryRoot, '.ci/run'), path.join(folder, '.ci/run'));
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ scripts }));
  return spawnSync(path.join(folder, '.ci/run'), { encoding: 'utf8', timeout: 60_000 });
}
