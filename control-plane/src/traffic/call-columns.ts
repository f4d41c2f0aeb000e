/** Upper bounds of the buckets of `istio_request_duration_milliseconds`; above the last there is one more. Units: ms. */
export const DURATION_BOUNDS_MS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** What is counted of the calls between two workloads: a column each, the buckets of durations last. */
export const COLUMN = Object.freeze({
  requests: 0,
  failed: 1,
  mutualTls: 2,
  connections: 3,
  bytes: 4,
  firstBucket: 5,
});

export const BUCKETS = DURATION_BOUNDS_MS.length + 1;
export const COLUMNS = COLUMN.firstBucket + BUCKETS;

/** Counts by column. */
export type CallCounts = Float64Array;

export function emptyCounts(): CallCounts {
  return new Float64Array(COLUMNS);
}

export function addCounts(sum: CallCounts, more: ArrayLike<number>): void {
  for (let i = 0; i < COLUMNS; i++) sum[i] = (sum[i] as number) + (more[i] as number);
}

/**
 * A quantile of the durations, interpolated within its bucket as Prometheus does; undefined without any.
 *
 * Units: `quantile` 0..1; the answer is ms. What is above every bound is told as the last bound.
 */
export function durationQuantile(counts: ArrayLike<number>, quantile: number): number | undefined {
  let total = 0;
  for (let i = 0; i < BUCKETS; i++) total += counts[COLUMN.firstBucket + i] as number;
  if (total <= 0) return undefined;
  const rank = quantile * total;
  let below = 0;
  for (let i = 0; i < BUCKETS; i++) {
    const count = counts[COLUMN.firstBucket + i] as number;
    if (count > 0 && below + count >= rank) {
      const from = i === 0 ? 0 : (DURATION_BOUNDS_MS[i - 1] as number);
      const to = DURATION_BOUNDS_MS[i];
      return to === undefined ? from : from + ((to - from) * Math.max(0, rank - below)) / count;
    }
    below += count;
  }
  return DURATION_BOUNDS_MS.at(-1);
}
