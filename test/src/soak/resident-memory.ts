import { readFileSync } from 'node:fs';

/** Units: MB of 1,000,000 bytes. Source: proc(5), VmRSS of /proc/PID/status. */
export function residentMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} shows no memory`);
  return (Number(kib) * 1024) / 1e6;
}

/** Samples the memory of a process all the time. */
export class MemoryWatch {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  peakMb = 0;

  constructor(pid: number, everyMs = 50) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.#sample(), everyMs);
    this.#sample();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    this.peakMb = Math.max(this.peakMb, residentMb(this.#pid));
  }
}

/** The least that a process has within some seconds of quiet: what it really keeps. */
export async function restingMb(pid: number, seconds = 3): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < seconds * 10; i++) {
    least = Math.min(least, residentMb(pid));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return least;
}
