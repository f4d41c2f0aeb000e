import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { ALL_TARGETS } from './all-targets.js';
import { checkInput, type Finding } from './check-input.js';
import type { FuzzTarget } from './fuzz-target.js';
import type { FuzzJob } from './fuzz-worker.js';
import type { FuzzReport } from './run-fuzz.js';
import { SharedProgress } from './shared-progress.js';

/**
 * Feeds the parsers of untrusted bytes with changed inputs, for a time.
 *
 *   npm run test:fuzz                                        each parser for some seconds
 *   npm run test:fuzz -- http1 hpack --seconds 1800          those whose names begin so
 *   npm run test:fuzz -- --seed 7                            other chances; the same seed tries the same inputs
 *   npm run test:fuzz -- certificate --replay FILE           one input alone
 *
 * Ends with an error when anything was found; what was found lies in fuzz-findings, and belongs into test/corpus once it is mended.
 */
const DEFAULT_SECONDS = 4;
const FINDINGS_FOLDER = 'fuzz-findings';
const TICK_MS = 100;
/** A worker that begins no input for so many ticks hangs. Ticks do not come while the machine is stopped, so they are what counts. */
const MOST_TICKS = 200;
const MOST_HEAP_MB = 512;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
    seed: { type: 'string', default: '1' },
    replay: { type: 'string' },
  },
});
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
const chosen = ALL_TARGETS.filter(
  ({ name }) => positionals.length === 0 || positionals.some((word) => name.startsWith(word)),
);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

if (chosen.length === 0 || !(seconds > 0) || !Number.isSafeInteger(seed)) {
  say(`usage: npm run test:fuzz -- [PARSER…] [--seconds N] [--seed S] [--replay FILE]`);
  say(`parsers: ${ALL_TARGETS.map(({ name }) => name).join(', ')}`);
  process.exitCode = 2;
} else if (values.replay !== undefined) {
  const input = readFileSync(values.replay);
  for (const target of chosen) {
    const bytes = Array.from(input, (_, i) => input.subarray(i, i + 1));
    const { outcome, problem } = checkInput(target, input, [bytes]);
    say(`${target.name}: ${problem ?? outcome}`);
    if (problem !== undefined) process.exitCode = 1;
  }
} else {
  let found = 0;
  for (const target of chosen) found += await fuzz(target);
  say(`${chosen.length} parsers, ${found} findings`);
  process.exitCode = found === 0 ? 0 : 1;
}

async function fuzz(target: FuzzTarget): Promise<number> {
  const startedMs = performance.now();
  const { executions, kept, findings } = await inWorker(target.name);
  const tookS = ((performance.now() - startedMs) / 1000).toFixed(1);
  const told = `${executions} inputs in ${tookS} s, seed ${seed}, ${kept} kept`;
  say(`${findings.length === 0 ? 'ok    ' : 'FAILED'} ${target.name}: ${told}`);
  for (const finding of findings) say(`  ${save(target.name, finding)}: ${finding.problem}`);
  return findings.length;
}

/** In a thread of its own, with a bounded heap, so that it can be watched from outside. */
function inWorker(target: string): Promise<FuzzReport> {
  const progress = SharedProgress.create();
  const shared = new SharedProgress(progress);
  const worker = new Worker(new URL('./fuzz-worker.js', import.meta.url), {
    workerData: { target, seconds, seed, progress } satisfies FuzzJob,
    resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MB },
  });
  return new Promise((resolve) => {
    let [seen, ticks] = [0, 0];
    const end = (report: FuzzReport): void => {
      clearInterval(watch);
      resolve(report);
    };
    const lost = (problem: string): void =>
      end({ executions: shared.count, kept: 0, findings: [{ problem, input: shared.input }] });
    const watch = setInterval(() => {
      ticks = shared.count === seen ? ticks + 1 : 0;
      seen = shared.count;
      if (ticks <= MOST_TICKS) return;
      lost('it hangs');
      void worker.terminate();
    }, TICK_MS);
    worker.once('message', (report: FuzzReport) => end(report));
    worker.once('error', (error) => lost(error.stack ?? error.message));
  });
}

function save(target: string, { input }: Finding): string {
  mkdirSync(FINDINGS_FOLDER, { recursive: true });
  const hash = createHash('sha256').update(input).digest('hex').slice(0, 12);
  const file = join(FINDINGS_FOLDER, `${target}-${hash}`);
  writeFileSync(file, input);
  return file;
}
