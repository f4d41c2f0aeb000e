import { readFileSync, readdirSync } from 'node:fs';

/** Memory of a process tree. Units: bytes. */
export interface ProcessMemory {
  readonly rssBytes: number;
  readonly pssBytes: number;
  readonly privateDirtyBytes: number;
  /** What no file stands behind: what the process itself made. */
  readonly anonymousBytes: number;
}

/**
 * CPU time that a process and its living descendants have used, user and system together.
 *
 * Source: /proc/PID/task/TID/schedstat (nanoseconds), else /proc/PID/stat (ticks of 10 ms).
 * Units:  nanoseconds.
 * Errors: throws when the process is gone.
 */
export function processTreeCpuNs(pid: number): number {
  let totalNs = processCpuNs(pid);
  for (const child of descendants(pid)) {
    try {
      totalNs += processCpuNs(child);
    } catch {
      // It ended between the listing and the reading.
    }
  }
  return totalNs;
}

/**
 * Memory of a process and its living descendants.
 *
 * Source: /proc/PID/smaps_rollup. Pss is flattered by other processes that run the same binary.
 * Errors: throws when the process is gone.
 */
export function processTreeMemory(pid: number): ProcessMemory {
  const total = { rssBytes: 0, pssBytes: 0, privateDirtyBytes: 0, anonymousBytes: 0 };
  for (const each of [pid, ...descendants(pid)]) {
    const rollup = parseSmapsRollup(readFileSync(`/proc/${each}/smaps_rollup`, 'latin1'));
    total.rssBytes += rollup.rssBytes;
    total.pssBytes += rollup.pssBytes;
    total.privateDirtyBytes += rollup.privateDirtyBytes;
    total.anonymousBytes += rollup.anonymousBytes;
  }
  return total;
}

/**
 * The most memory that a process, without its children, has ever had.
 *
 * Source: VmHWM of /proc/PID/status. Units: bytes. Errors: throws when the process is gone.
 */
export function peakRssBytes(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  if (match === null) throw new Error(`the status of process ${pid} has no VmHWM`);
  return Number(match[1]) * 1024;
}

/** Reads the figures out of the text of a smaps_rollup file. Errors: throws when one is missing. */
export function parseSmapsRollup(text: string): ProcessMemory {
  const field = (name: string): number => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
    if (match === null) throw new Error(`smaps_rollup has no ${name}`);
    return Number(match[1]) * 1024;
  };
  return {
    rssBytes: field('Rss'),
    pssBytes: field('Pss'),
    privateDirtyBytes: field('Private_Dirty'),
    anonymousBytes: field('Anonymous'),
  };
}

function processCpuNs(pid: number): number {
  let totalNs = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    let text: string;
    try {
      text = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1');
    } catch {
      continue;
    }
    totalNs += Number(text.slice(0, text.indexOf(' ')));
  }
  return totalNs > 0 ? totalNs : processCpuFromTicks(pid);
}

function processCpuFromTicks(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12])) * 10_000_000;
}

/** The fields of /proc/PID/stat after the command name, which may itself hold spaces and brackets. */
function statFields(pid: number | string): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function descendants(pid: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const parent = Number(statFields(entry)[1]);
      const siblings = childrenOf.get(parent);
      if (siblings === undefined) childrenOf.set(parent, [Number(entry)]);
      else siblings.push(Number(entry));
    } catch {
      // It ended between the listing and the reading.
    }
  }
  const found: number[] = [];
  const waiting = [pid];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const child of childrenOf.get(next) ?? []) {
      found.push(child);
      waiting.push(child);
    }
  }
  return found;
}
