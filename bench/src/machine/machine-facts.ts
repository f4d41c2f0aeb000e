import { spawnSync } from 'node:child_process';
import os from 'node:os';

/** What a reader must know of the machine to judge a result. Names no host, user or path. */
export interface MachineFacts {
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly nodeVersion: string;
  /** Commit that was measured; `-dirty` when the checkout had changes. */
  readonly commit: string;
  /** One-minute load average before the first measurement: far from 0 means a shared machine. */
  readonly loadAverage: number;
}

export function machineFacts(): MachineFacts {
  const [cpu] = os.cpus();
  return {
    cpuModel: cpu?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    nodeVersion: process.version,
    commit: commitOfCheckout(),
    loadAverage: Math.round((os.loadavg()[0] ?? 0) * 100) / 100,
  };
}

function commitOfCheckout(): string {
  const described = spawnSync('git', ['describe', '--always', '--dirty', '--exclude=*'], {
    encoding: 'utf8',
  });
  return described.status === 0 ? described.stdout.trim() : 'unknown';
}
