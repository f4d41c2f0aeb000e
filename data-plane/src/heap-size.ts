import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Both halves of the young generation. Larger ones save little: what survives is the requests in flight. Units: bytes. */
const MOST_YOUNG_BYTES = 16 * 1024 * 1024;
/** A smaller heap is not worth a collection. Units: bytes. */
const WORTH_COLLECTING_BYTES = 16 * 1024 * 1024;

/**
 * Keeps the young generation as small as it starts. To be called before anything is loaded.
 *
 * V8 reads the limit of the young generation once, before any script runs, but the factor by which it grows each time.
 */
export function holdYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * Gives back what reading the configuration has left behind, and lets the young generation grow to a bound under load.
 *
 * Cost: one full collection; afterwards a look at one number after each collection.
 * Returns what stops the watching.
 */
export function settleHeap(): () => void {
  if (process.memoryUsage().heapUsed > WORTH_COLLECTING_BYTES) collectGarbage();
  let grows = true;
  setFlagsFromString('--semi-space-growth-factor=2');
  const observer = new PerformanceObserver(() => {
    const mayGrow = youngBytes() < MOST_YOUNG_BYTES;
    if (mayGrow === grows) return;
    grows = mayGrow;
    setFlagsFromString(`--semi-space-growth-factor=${grows ? 2 : 1}`);
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_size ?? 0;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: object) => void;
  setFlagsFromString('--no-expose-gc');
  collect();
}
