// Runs test files, some at a time, each in a process of its own, and tells of each as one TAP subtest.
//
// Not `node --test FILE…`: on Node 26 its time limit does not end a file that spins or leaves something open, so one
// such file holds everything up and nothing says which it was. Here such a file fails alone, with what it waited for.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root } from './workspaces.mjs';

/** How long a file that is over its time may take to tell what it waits for before it is killed. */
const REPORT_MS = 5_000;
const REPORT_FILE = 'report.json';
/** How long output may still come after a process has ended, from a child of its that holds the pipe. */
const LAST_OUTPUT_MS = 1_000;
/** Of what a hung file has open, so many are named. */
const NAMED_HANDLES = 12;

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * @typedef {object} FileResult
 * @property {string} file as it was given
 * @property {boolean} passed
 * @property {string} output TAP of the file, and what it said beside it
 * @property {string[]} [reason] why the file as such failed: it hung, or ended by a signal
 * @property {number} durationMs
 */

/**
 * Runs the files in their order, `concurrency` at a time.
 *
 * @param {string[]} files paths from the root
 * @param {{ concurrency: number, timeoutMs: number, onResult: (result: FileResult) => void }} options
 * @returns {Promise<boolean>} whether all passed; false also when a signal ended the run
 */
export async function runTestFiles(files, { concurrency, timeoutMs, onResult }) {
  const waiting = [...files];
  const running = new Set();
  let interrupted = false;
  let passed = true;
  const stop = () => {
    interrupted = true;
    for (const child of running) killGroup(child);
  };
  for (const signal of FORWARDED) process.on(signal, stop);
  const lane = async () => {
    for (let file = waiting.shift(); file !== undefined && !interrupted; file = waiting.shift()) {
      const result = await runTestFile(file, timeoutMs, running);
      if (interrupted) result.reason = ['interrupted'];
      passed &&= result.passed;
      onResult(result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  for (const signal of FORWARDED) process.off(signal, stop);
  return passed && !interrupted;
}

async function runTestFile(file, timeoutMs, running) {
  const startedMs = performance.now();
  const reports = mkdtempSync(path.join(os.tmpdir(), 'heddle-test-report-'));
  const child = spawn(
    process.execPath,
    [
      '--test-reporter=tap',
      `--test-timeout=${timeoutMs}`,
      '--report-on-signal',
      '--report-signal=SIGUSR2',
      '--report-compact',
      `--report-directory=${reports}`,
      `--report-filename=${REPORT_FILE}`,
      file,
    ],
    // A group of its own, so that what the file has started can be ended with it.
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  );
  running.add(child);
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk) => (output.text += chunk));
  const hung = watch(child, timeoutMs, path.join(reports, REPORT_FILE));
  const { code, signal } = await ended(child);
  running.delete(child);
  hung.stop();
  killGroup(child);
  rmSync(reports, { recursive: true, force: true });
  const reason = hung.reason ?? (signal ? [`ended by ${signal}`] : undefined);
  return {
    file,
    passed: code === 0 && reason === undefined,
    output: output.text,
    reason,
    durationMs: performance.now() - startedMs,
  };
}

/** Asks a process that is over its time for a report, then kills it; `reason` tells what it waited for. */
function watch(child, timeoutMs, reportFile) {
  const watched = { reason: undefined, stop: () => clearTimeout(timer) };
  let timer = setTimeout(() => {
    watched.reason = [`did not end within ${timeoutMs / 1000} s`];
    child.kill('SIGUSR2');
    timer = setTimeout(() => {
      watched.reason.push(...readReport(reportFile));
      killGroup(child);
    }, REPORT_MS);
  }, timeoutMs);
  return watched;
}

/** What Node's diagnostic report says of a process that does not end: where its JavaScript is, and what is open. */
function readReport(file) {
  // Node writes it from its event loop.
  if (!existsSync(file)) return ['its JavaScript never returns to the event loop'];
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    const open = (report.libuv ?? [])
      .filter((handle) => handle.is_active && handle.is_referenced)
      .map(
        (handle) =>
          `  ${[handle.type, handle.pid, endpoint(handle.localEndpoint)].filter(Boolean).join(' ')}`,
      );
    return ['it has open:', ...open.slice(0, NAMED_HANDLES)];
  } catch (error) {
    return [`and its report cannot be read: ${error.message}`];
  }
}

function endpoint(address) {
  return address ? `${address.ip4 ?? address.ip6 ?? ''}:${address.port}` : undefined;
}

function ended(child) {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      process.stderr.write(`${error.message}\n`);
      resolve({ code: 1, signal: null });
    });
    child.once('exit', (code, signal) => {
      const timer = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        resolve({ code, signal });
      }, LAST_OUTPUT_MS);
      child.once('close', () => {
        clearTimeout(timer);
        resolve({ code, signal });
      });
    });
  });
}

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
}
