// Runs the compiled tests of all workspaces, or those whose path contains one of the words given.
//
//   npm test                     checks, then everything
//   npm test -- data-plane       every test file of that workspace
//   npm test -- --only codec     the same as the bare word
//   node scripts/test.mjs …      without installing, building and checking
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { runNode } from './child.mjs';
import { filesBelow, root, workspaces } from './workspaces.mjs';

/** Longer than the slowest honest file; a test that hangs fails instead of holding everything up. */
const FILE_TIMEOUT_MS = 300_000;
/** Two cores are the smallest machine that this is meant for. */
const CONCURRENCY = 2;

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
    words.length === 0 ? all : all.filter((file) => words.some((word) => nameOf(file).includes(word)));
  if (files.length === 0) return refuse(words.length === 0 ? 'no tests found' : `no test matches ${words}`);

  const report = new TapSummary();
  const code = await runNode(
    [
      '--test',
      '--test-reporter=tap',
      `--test-concurrency=${CONCURRENCY}`,
      `--test-timeout=${FILE_TIMEOUT_MS}`,
      ...files,
    ],
    {
      onOutput: (chunk) => {
        process.stdout.write(chunk);
        report.read(chunk);
      },
    },
  );
  if (report.tests === 0) return refuse('the test files hold no tests');
  report.print(files.length);
  return code;
}

function refuse(reason) {
  process.stderr.write(`${reason}\n`);
  return 1;
}

/** People name sources, not output. */
function nameOf(file) {
  return file.replace('/dist/', '/src/').replace(/\.js$/, '.ts');
}

/** Lines of what a failed test says that are shown once more at the end. */
const REASON_LINES = 12;

/** Collects from the TAP stream what one wants to see at its end. */
class TapSummary {
  tests;
  /** With the first lines of the reason. */
  #failed = [];
  /** Of the failed test that the stream is at, while its reason is being read. */
  #reason;
  #skipped = [];
  #rest = '';

  read(chunk) {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop();
    for (const line of lines) {
      const failed = /^\s*not ok \d+ - (?<title>.*?)(?<skipped> # (?:SKIP|TODO).*)?$/.exec(line);
      if (failed && !failed.groups.skipped) this.#failed.push({ title: failed.groups.title, reason: [] });
      this.#readReason(line);
      const skipped = /^\s*ok \d+ - (?<title>.*?) # SKIP ?(?<reason>.*)$/.exec(line);
      if (skipped)
        this.#skipped.push(`${skipped.groups.title}: ${skipped.groups.reason || 'no reason given'}`);
      const total = /^# tests (?<count>\d+)$/.exec(line);
      if (total) this.tests = Number(total.groups.count);
    }
  }

  #readReason(line) {
    const begun = /^\s*error: (?:\|-|'(?<text>.*)')$/.exec(line);
    if (begun) {
      this.#reason = this.#failed.at(-1)?.reason;
      // A suite fails because of its tests: they say why.
      if (begun.groups.text && !/^\d+ subtests? failed$/.test(begun.groups.text))
        this.#reason?.push(begun.groups.text);
    } else if (/^\s*(?:code|name|stack|expected|actual|\.\.\.)/.test(line)) this.#reason = undefined;
    else if (this.#reason && this.#reason.length < REASON_LINES) this.#reason.push(line.trim());
  }

  print(fileCount) {
    process.stdout.write(`\n${this.tests} tests in ${fileCount} files\n`);
    for (const entry of this.#skipped) process.stdout.write(`skipped: ${entry}\n`);
    for (const { title, reason } of this.#failed) {
      process.stdout.write(`FAILED: ${title}\n`);
      for (const line of reason) process.stdout.write(`        ${line}\n`);
    }
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = await runTests(process.argv.slice(2));
}
