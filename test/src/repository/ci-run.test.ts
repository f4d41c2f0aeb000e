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

  it('tells at its end why a longer suite failed, whatever came after it', (t) => {
    const named = runWith(t, {
      test: 'exit 0',
      'test:faults': `echo 'FAILED: a drill'; echo '        its reason'; seq 100; exit 1`,
      'test:soak': 'seq 1000 1200',
    });
    assert.match(named.stdout.slice(named.stdout.indexOf('1200')), /FAILED: a drill\n *its reason/);
    const silent = runWith(t, {
      test: 'exit 0',
      'test:faults': `echo 'a last word'; exit 1`,
      'test:soak': 'seq 9',
    });
    assert.match(silent.stdout, /what failed in test:faults \(ended with 1\)[^]*\na last word\n/);
  });
});

describe('scripts/within.mjs', () => {
  const within = (...args: string[]): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, [path.join(repositoryRoot, 'scripts/within.mjs'), ...args], {
      encoding: 'utf8',
    });

  it('ends as its command ends', () => {
    assert.equal(within('60', 'sh', '-c', 'exit 7').status, 7);
    assert.equal(within('60', 'sh', '-c', 'kill -9 $$').status, 1);
    assert.equal(within('60', 'no-such-command').status, 127);
  });

  it('ends a command whose time is up, and says so by its exit code', () => {
    assert.equal(within('0.1', 'sleep', '60').status, 124);
  });

  it('wants a number of seconds and a command', () => {
    assert.equal(within('soon', 'true').status, 2);
    assert.equal(within('5').status, 2);
  });
});

/** Runs the script in a repository that has nothing but these npm scripts. */
function runWith(t: TestContext, scripts: Readonly<Record<string, string>>): SpawnSyncReturns<string> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'heddle-ci-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(path.join(folder, '.ci'));
  cpSync(path.join(repositoryRoot, '.ci/run'), path.join(folder, '.ci/run'));
  cpSync(path.join(repositoryRoot, 'scripts'), path.join(folder, 'scripts'), { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ scripts }));
  return spawnSync(path.join(folder, '.ci/run'), { encoding: 'utf8', timeout: 60_000 });
}
