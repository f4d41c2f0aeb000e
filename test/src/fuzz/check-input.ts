import type { FuzzTarget } from './fuzz-target.js';

/** Of the time that one input may take at most, whatever else the machine does: the shortest of several runs counts. */
const MOST_MS = 500;
const FURTHER_RUNS = 3;

/** What is wrong with how a parser took an input. */
export interface Finding {
  readonly problem: string;
  readonly input: Buffer;
}

/** Holds a parser against one input: it throws nothing, takes no longer than it may, and minds no cut. */
export function checkInput(
  target: FuzzTarget,
  input: Buffer,
  cuts: readonly (readonly Buffer[])[],
): { readonly outcome: string; readonly problem: string | undefined } {
  let outcome = '';
  try {
    const startedMs = performance.now();
    outcome = target.run([input]);
    if (performance.now() - startedMs > MOST_MS && isSlow(target, input)) {
      return { outcome, problem: `it takes more than ${MOST_MS} ms` };
    }
    if (target.isStream) {
      for (const parts of cuts) {
        const cut = target.run(parts);
        if (cut !== outcome) {
          const lengths = parts.map(({ length }) => length).join(', ');
          return {
            outcome,
            problem: `cut into ${lengths} it becomes\n    ${cut}\n  and whole\n    ${outcome}`,
          };
        }
      }
    }
    return { outcome, problem: undefined };
  } catch (thrown) {
    return { outcome, problem: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) };
  }
}

/** An input that a busy machine made slow is fast another time. */
function isSlow(target: FuzzTarget, input: Buffer): boolean {
  for (let i = 0; i < FURTHER_RUNS; i++) {
    const startedMs = performance.now();
    target.run([input]);
    if (performance.now() - startedMs <= MOST_MS) return false;
  }
  return true;
}
