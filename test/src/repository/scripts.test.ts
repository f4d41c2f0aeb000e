import assert from 'node:assert/strict';
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { repositoryRoot } from './repository-files.js';

const PASSING = `import { it } from 'node:test'; it('holds', () => {});`;
const FAILING = `import { it } from 'node:test'; it('breaks', () => { throw new Error('as planned'); });`;

describe('scripts/run.mjs', () => {
  it('says in one sentence that Node is too old', () => {
    const pretend = `Object.defineProperty(process, 'versions', { value: { node: '20.19.9' } });`;
    const result = node([
      '--import',
      `data:text/javascript,${encodeURIComponent(pretend)}`,
      path.join(repositoryRoot, 'scripts/run.mjs'),
      'test',
    ]);
    assert.equal(result.status, 1);
    assert.equal(result.stderr, 'Heddle needs Node 20.20.0 or newer, and this is 20.19.9.\n');
  });

  it('names its commands when it is given none that it knows', () => {
    const result = node([path.join(repositoryRoot, 'scripts/run.mjs'), 'toString']);
    assert.equal(result.status, 2);
    assert.match(result.stderr, /^usage: .*demo\|test\|build/);
  });
});

describe('scripts/test.mjs', () => {
  it('passes when every test passes', (t) => {
    const result = runTestsOf(t, { 'one.test': PASSING, 'two.test': PASSING });
    assert.equal(result.status, 0, result.stdout + result.stderr);
    assert.match(result.stdout, /^TAP version/);
    assert.match(result.stdout, /2 tests in 2 files/);
  });

  it('fails when one test fails, and names it at the end', (t) => {
    const result = runTestsOf(t, { 'one.test': PASSING, 'two.test': FAILING });
    assert.equal(result.status, 1);
    assert.match(result.stdout, /FAILED: breaks\n/);
  });

  it('runs only the files whose path holds a word that was given', (t) => {
    const files = { 'codec/one.test': PASSING, 'two.test': FAILING };
    assert.equal(runTestsOf(t, files, ['codec']).status, 0);
    assert.equal(runTestsOf(t, files, ['--only', 'codec']).status, 0);
    assert.equal(runTestsOf(t, files, ['two']).status, 1);
  });

  it('calls it an error when nothing would run', (t) => {
    const nothing = runTestsOf(t, {});
    assert.equal(nothing.status, 1);
    assert.match(nothing.stderr, /no tests found/);
    const noMatch = runTestsOf(t, { 'one.test': PASSING }, ['absent']);
    assert.equal(noMatch.status, 1);
    assert.match(noMatch.stderr, /no test matches absent/);
    assert.equal(runTestsOf(t, { 'one.test': PASSING }, ['--watch']).status, 1);
  });

  it('ignores a compiled test whose source is gone', (t) => {
    const result = runTestsOf(t, { 'one.test': PASSING }, [], { 'old.test.js': FAILING });
    assert.equal(result.status, 0, result.stdout);
  });

  it('calls it an error when a test was not compiled', (t) => {
    const result = runTestsOf(t, { 'one.test': PASSING, 'two.test': undefined });
    assert.equal(result.status, 1);
    assert.match(result.stderr, /not compiled: part\/dist\/two\.test\.js/);
  });
});

describe('scripts/test-files.mjs', () => {
  it('ends a file that does not end by itself, fails it, and tells what it waits for', (t) => {
    const folder = temporaryFolder(t);
    const files = {
      'spins.mjs': `import { it } from 'node:test'; it('spins', () => { for (;;); });`,
      'waits.mjs': `import { it } from 'node:test'; import net from 'node:net'; it('leaves', () => net.createServer().listen(0));`,
      'ends.mjs': PASSING,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
    const runner = pathToFileURL(path.join(repositoryRoot, 'scripts/test-files.mjs')).href;
    const program = `import { runTestFiles } from ${JSON.stringify(runner)};
      const results = {};
      const passed = await runTestFiles(process.argv.slice(1), {
        concurrency: 3, timeoutMs: 3000,
        onResult: (result) => { results[result.file.split('/').at(-1)] = result; },
      });
      console.log(JSON.stringify({ passed, results }));`;
    const paths = Object.keys(files).map((name) => path.join(folder, name));
    const { stdout, stderr } = node(['--input-type=module', '--eval', program, ...paths]);
    assert.ok(stdout !== '', stderr);
    const { passed, results } = JSON.parse(stdout) as {
      passed: boolean;
      results: Record<string, { passed: boolean; reason?: string[] }>;
    };
    assert.equal(passed, false);
    assert.deepEqual(
      Object.entries(results)
        .map(([name, result]) => [name, result.passed])
        .sort(),
      [
        ['ends.mjs', true],
        ['spins.mjs', false],
        ['waits.mjs', false],
      ],
    );
    assert.match(
      results['spins.mjs']?.reason?.join('\n') ?? '',
      /did not end within 3 s[^]*never returns to the event loop/,
    );
    assert.match(
      results['waits.mjs']?.reason?.join('\n') ?? '',
      /did not end within 3 s[^]*it has open:[^]*tcp/,
    );
  });
});

describe('scripts/prepare.mjs', () => {
  it('installs again exactly when node_modules is absent or holds other versions', (t) => {
    const folder = temporaryFolder(t);
    const wanted = path.join(folder, 'package-lock.json');
    const installed = path.join(folder, 'node_modules/.package-lock.json');
    const packages = (version: string): string =>
      JSON.stringify({ packages: { '': {}, 'node_modules/a': { version } } });
    const isInstalled = (): boolean => {
      const prepare = pathToFileURL(path.join(repositoryRoot, 'scripts/prepare.mjs')).href;
      const program = `import { isInstalled } from ${JSON.stringify(prepare)};
        process.exit(isInstalled(${JSON.stringify(folder)}) ? 10 : 11);`;
      const { status, stderr } = node(['--input-type=module', '--eval', program]);
      assert.ok(status === 10 || status === 11, stderr);
      return status === 10;
    };

    writeFileSync(wanted, packages('1.0.0'));
    assert.equal(isInstalled(), false, 'nothing is installed');
    mkdirSync(path.dirname(installed));
    writeFileSync(installed, packages('1.0.0'));
    assert.equal(isInstalled(), true, 'npm wrote it after the lock file');
    utimesSync(installed, 1, 1);
    assert.equal(isInstalled(), true, 'the lock file was touched and says the same');
    writeFileSync(wanted, packages('1.0.1'));
    assert.equal(isInstalled(), false, 'another version is wanted');
  });
});

/** Runs the test script in a repository with one workspace, `part`. A text that is undefined was never compiled. */
function runTestsOf(
  t: TestContext,
  files: Readonly<Record<string, string | undefined>>,
  args: readonly string[] = [],
  compiledOnly: Readonly<Record<string, string>> = {},
): SpawnSyncReturns<string> {
  const folder = temporaryFolder(t);
  cpSync(path.join(repositoryRoot, 'scripts'), path.join(folder, 'scripts'), { recursive: true });
  const write = (file: string, text: string): void => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  };
  write('package.json', JSON.stringify({ type: 'module', workspaces: ['part'] }));
  for (const [name, text] of Object.entries(files)) {
    write(`part/src/${name}.ts`, '');
    if (text !== undefined) write(`part/dist/${name}.js`, text);
  }
  for (const [name, text] of Object.entries(compiledOnly)) write(`part/dist/${name}`, text);
  return node([path.join(folder, 'scripts/test.mjs'), ...args]);
}

function node(args: readonly string[]): SpawnSyncReturns<string> {
  // Under this variable a nested test run would report to ours instead of printing.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return spawnSync(process.execPath, args, { encoding: 'utf8', env, timeout: 60_000 });
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'heddle-scripts-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
