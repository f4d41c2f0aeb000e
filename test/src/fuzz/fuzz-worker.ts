import { parentPort, workerData } from 'node:worker_threads';
import { ALL_TARGETS } from './all-targets.js';
import { corpusOf } from './corpus.js';
import { runFuzz, type FuzzReport } from './run-fuzz.js';
import { SharedProgress } from './shared-progress.js';

export interface FuzzJob {
  readonly target: string;
  readonly seconds: number;
  readonly seed: number;
  readonly progress: SharedArrayBuffer;
}

/** What a worker says at its end. */
export type FuzzJobReport = FuzzReport;

const { target: name, seconds, seed, progress } = workerData as FuzzJob;
const target = ALL_TARGETS.find((one) => one.name === name);
if (target === undefined) throw new Error(`no target is named ${name}`);
const shared = new SharedProgress(progress);
const report: FuzzJobReport = await runFuzz({
  target,
  corpus: corpusOf(name).map(({ bytes }) => bytes),
  seed,
  untilMs: performance.now() + seconds * 1000,
  onInput: (input) => shared.begin(input),
});
parentPort?.postMessage(report);
