// Runs the compiled tests of all workspaces, or those whose path contains one of the words given.
//
//   npm test                     checks, then everything
//   npm test -- data-plane       every test file of that workspace
//   npm test -- --only codec     the same as the bare word
//   npm run test:long            what takes too long for all of that
//   node scripts/test.mjs …      without installing, building and checking
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { TapSummary } from './tap-summary.mjs';
import { runTestFiles } from './test-files.mjs';
import { filesBelow, root, workspaces } from './workspaces.mjs';

/** Longer than the slowest honest file; one that hangs fails instead of holding everything up. */
const FILE_TIMEOUT_MS = 600_000;
/** Two cores are the smallest machine that this is meant for. */
const CONCURRENCY = 2;

/** Left out where everything is asked for: half a minute and more each. */
const LONG = 'test/dist/long/';

/** Every compiled test that still has its source, as paths from the root. */
export function testFiles() {
  return workspaces.flatMap((workspace) => {
    const sources = new Set(filesBelow(path.join(root, workspace, 'src')));
    return filesBelow(path.join(root, workspace, 'dist'))
      .filter((file) => file.endsWith('.test.js') && sources.has(file.replace(/\.js$/, '.ts')))
      .map((file) => `${workspace}/dist/${file}`);
  });
}

/** Test sources without a compiled test: a build that left them out must not look like a pass. */
function uncompiled(compiled) {
  const known = new Set(compiled);
  return workspaces.flatMap((workspace) =>
    filesBelow(path.join(root, workspace, 'src'))
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => `${workspace}/dist/${file.replace(/\.ts$/, '.js')}`)
      .filter((file) => !known.has(file)),
  );
}

export async function runTests(args) {
  const words = args.filter((arg) => arg !== '--only');
  const unknown = words.filter((word) => word.startsWith('-'));
  if (unknown.length > 0) return refuse(`unknown option ${unknown.join(' ')}; a filter is a part of a path`);
  const all = testFiles();
  const missing = uncompiled(all);
  if (missing.length > 0) return refuse(`not compiled: ${missing.join(', ')}; run npm run build`);
  const files =
    words.length === 0
      ? all.filter((file) => !file.startsWith(LONG))
      : all.filter((file) => words.some((word) => nameOf(file).includes(word)));
  if (files.length === 0) return refuse(words.length === 0 ? 'no tests found' : `no test matches ${words}`);

  const summary = new TapSummary();
  process.stdout.write('TAP version 13\n');
  const passed = await runTestFiles(longestFirst(files), {
    concurrency: CONCURRENCY,
    timeoutMs: FILE_TIMEOUT_MS,
    onResult: (result) => process.stdout.write(summary.add(result)),
  });
  if (summary.tests === 0 && passed) return refuse('the test files hold no tests');
  process.stdout.write(summary.end());
  return passed ? 0 : 1;
}

/** What crosses processes takes longest: begun last, one such file would run alone for minutes. */
function longestFirst(files) {
  const isLong = (file) => file.startsWith('test/dist/');
  return [...files.filter(isLong), ...files.filter((file) => !isLong(file))];
}

function refuse(reason) {
  process.stderr.write(`${reason}\n`);
  return 1;
}

/** People name sources, not output. */
function nameOf(file) {
  return file.replace('/dist/', '/src/').replace(/\.js$/, '.ts');
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = await runTests(process.argv.slice(2));
}
