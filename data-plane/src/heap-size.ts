import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A smaller heap is not worth a collection. Units: bytes. */
const WORTH_COLLECTING_BYTES = 16 * 1024 * 1024;

/**
 * Gives back what reading the configuration has left behind: several times what stays.
 *
 * Cost: one full collection.
 */
export function collectAfterLoading(): void {
  if (process.memoryUsage().heapUsed > WORTH_COLLECTING_BYTES) collectGarbage();
}

/**
 * Lets dead objects go, and tells how much CPU time that took.
 *
 * Units: ms.
 * Cost: one full collection.
 */
export function collectGarbage(): number {
  const before = process.cpuUsage();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collect();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
