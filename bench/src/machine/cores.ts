import { spawnSync } from 'node:child_process';
import os from 'node:os';

/** Which cores the parts of a measurement run on. */
export interface CorePlan {
  readonly proxyCore: number | undefined;
  readonly loadCore: number | undefined;
  readonly remark: string;
}

let tasksetWorks: boolean | undefined;

/** The command that pins what follows it to a core; empty where that cannot be done. */
export function commandPrefixForCore(core: number | undefined): string[] {
  return core === undefined ? [] : ['taskset', '-c', String(core)];
}

/** The proxy has a core of its own, where one thread of it serves; load generator and backend share the next one. */
export function planCores(concurrency: number): CorePlan {
  if (concurrency > 1) {
    const remark = `${concurrency} threads serve: nothing is pinned`;
    return { proxyCore: undefined, loadCore: undefined, remark };
  }
  tasksetWorks ??= spawnSync('taskset', ['-c', '0', 'true']).status === 0;
  if (!tasksetWorks || os.availableParallelism() < 2) {
    const remark = tasksetWorks ? 'one core only: nothing is pinned' : 'no taskset: nothing is pinned';
    return { proxyCore: undefined, loadCore: undefined, remark };
  }
  return { proxyCore: 0, loadCore: 1, remark: 'proxy on core 0; load generator and backend on core 1' };
}
