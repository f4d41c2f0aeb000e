import { readFileSync } from 'node:fs';
import path from 'node:path';

/** What V8 writes with --cpu-prof, as far as it is read here. Units: microseconds. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** A function and its share of the time in which the process was not idle. */
export interface ProfiledFunction {
  readonly name: string;
  /** 0..1; time in the function itself, not in what it calls. */
  readonly selfRatio: number;
}

/**
 * The functions in which most time was spent, most first.
 *
 * Shape: `name` is `function file:line`; V8's own entries are in brackets: `(garbage collector)`, `(program)`.
 */
export function hottestFunctions(profile: CpuProfile, limit: number): ProfiledFunction[] {
  const nameById = new Map<number, string>();
  for (const { id, callFrame } of profile.nodes) {
    const place =
      callFrame.url === '' ? '' : ` ${path.posix.basename(callFrame.url)}:${callFrame.lineNumber + 1}`;
    nameById.set(id, `${callFrame.functionName === '' ? '(anonymous)' : callFrame.functionName}${place}`);
  }
  const selfUs = new Map<string, number>();
  let busyUs = 0;
  for (const [index, id] of profile.samples.entries()) {
    const name = nameById.get(id) ?? '(unknown)';
    if (name === '(idle)') continue;
    const us = Math.max(0, profile.timeDeltas[index] ?? 0);
    busyUs += us;
    selfUs.set(name, (selfUs.get(name) ?? 0) + us);
  }
  if (busyUs === 0) return [];
  return [...selfUs]
    .sort(([, a], [, b]) => b - a)
    .slice(0, limit)
    .map(([name, us]) => ({ name, selfRatio: us / busyUs }));
}

/** Reads a .cpuprofile file and returns lines to print. */
export function profileLines(file: string, limit: number): string[] {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as CpuProfile;
  return hottestFunctions(profile, limit).map(
    ({ name, selfRatio }) => `${(selfRatio * 100).toFixed(1).padStart(5)} %  ${name}`,
  );
}
