import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A smaller heap is not worth a collection. Units: bytes. */
const WORTH_COLLECTING_BYTES = 16 * 1024 * 1024;

/**
 * Gives back what reading the configuration has left behind: several times what stays.
 *
 * The young generation keeps V8's own bound. A smaller one saves memory under load, but lets the chunks of large bodies
 * grow old while they are in flight: 64 KB bodies cost half as much CPU again.
 * Cost: one full collection.
 */
export function collectAfterLoading(): void {
  if (process.memoryUsage().heapUsed <= WORTH_COLLECTING_BYTES) return;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collect();
}
