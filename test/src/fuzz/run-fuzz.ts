import { createSeededRandom } from '@heddle/common';
import { checkInput, type Finding } from './check-input.js';
import { MOST_INPUT_BYTES, USUAL_INPUT_BYTES, type FuzzTarget } from './fuzz-target.js';
import { Mutator } from './mutator.js';

/** Inputs to go on from: those of the corpus, and further ones that were understood as none before. */
const MOST_KEPT = 2000;
const MOST_FINDINGS = 5;
/** How much of what came of an input tells it from others. */
const SHAPE_LENGTH = 120;
/** Units: bytes. What buffers may take, looked at every so many inputs. */
const MOST_BUFFER_BYTES = 512 * 1024 * 1024;
const LOOK_AT_MEMORY_EVERY = 1024;
const MOST_MINIMISING_RUNS = 2000;
/** Parsers put things off to the end of a turn of the event loop, and those turns have to come. */
const REST_EVERY = 64;

export interface FuzzOptions {
  readonly target: FuzzTarget;
  readonly corpus: readonly Buffer[];
  readonly seed: number;
  /** On `performance.now()`. */
  readonly untilMs: number;
  /** Told of each input before it is tried. */
  readonly onInput: (input: Buffer) => void;
  /** Where it is given up. Default 5. */
  readonly mostFindings?: number;
}

export interface FuzzReport {
  readonly executions: number;
  /** Inputs that were understood as none before. */
  readonly kept: number;
  readonly findings: readonly Finding[];
}

/** Tries changed inputs until the time is over, or enough is found. */
export async function runFuzz({
  target,
  corpus,
  seed,
  untilMs,
  onInput,
  mostFindings = MOST_FINDINGS,
}: FuzzOptions): Promise<FuzzReport> {
  const mostBytes = Math.min(target.mostBytes ?? USUAL_INPUT_BYTES, MOST_INPUT_BYTES);
  const mutator = new Mutator(createSeededRandom(seed), target.tokens, mostBytes);
  const pool = corpus.length === 0 ? [Buffer.alloc(0)] : corpus.map((bytes) => bytes.subarray(0, mostBytes));
  const shapes = new Set<string>();
  const findings: Finding[] = [];
  const found = new Set<string>();
  let executions = 0;

  const attempt = (input: Buffer): void => {
    onInput(input);
    executions++;
    const { outcome, problem } = checkInput(target, input, [mutator.cut(input)]);
    if (problem !== undefined) {
      // The same mistake shows in many ways; its first line and place name it.
      const name = shapeOf(problem);
      if (!found.has(name)) {
        found.add(name);
        findings.push({ problem, input: minimised(target, input) });
      }
      return;
    }
    const shape = shapeOf(outcome);
    if (shapes.has(shape) || pool.length >= MOST_KEPT) return;
    shapes.add(shape);
    pool.push(input);
  };

  for (const input of [...pool]) attempt(input);
  while (performance.now() < untilMs && findings.length < mostFindings) {
    const input = pool[mutator.below(pool.length)] as Buffer;
    const other = pool[mutator.below(pool.length)] as Buffer;
    attempt(mutator.mutate(input, other));
    if (executions % REST_EVERY === 0) await rest();
    if (executions % LOOK_AT_MEMORY_EVERY === 0) {
      const { arrayBuffers } = process.memoryUsage();
      if (arrayBuffers > MOST_BUFFER_BYTES) {
        findings.push({ problem: `buffers take ${arrayBuffers} bytes`, input });
      }
    }
  }
  return { executions, kept: pool.length - corpus.length, findings };
}

function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What is left of a text when numbers and quoted parts do not count. */
function shapeOf(text: string): string {
  return text
    .slice(0, 4 * SHAPE_LENGTH)
    .replace(/"[^"]*"|\d+/g, '0')
    .slice(0, SHAPE_LENGTH);
}

/** A shorter input that is a finding as well. */
function minimised(target: FuzzTarget, input: Buffer): Buffer {
  const isFinding = (bytes: Buffer): boolean =>
    checkInput(target, bytes, [Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))]).problem !== undefined;
  if (!isFinding(input)) return input;
  let best = input;
  let runs = 0;
  for (let size = best.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at + size <= best.length && runs < MOST_MINIMISING_RUNS; runs++) {
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if (isFinding(shorter)) best = shorter;
      else at += size;
    }
  }
  return Buffer.from(best);
}
