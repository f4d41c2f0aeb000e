import { HISTOGRAM_BOUNDS_MS } from './stats-store.js';

/** The quantiles that Envoy's `/stats` shows. */
export const QUANTILES: readonly number[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

/**
 * Estimates quantiles from counts by bucket: values are taken to lie evenly within their bucket.
 *
 * Shape: `counts` as `Histogram.counts` gives them; undefined without values. What lies above the last bound counts as
 * being at it.
 */
export function histogramQuantiles(counts: readonly number[], percents = QUANTILES): number[] | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  return percents.map((percent) => {
    const rank = (percent / 100) * total;
    let below = 0;
    for (const [i, count] of counts.entries()) {
      if (count > 0 && below + count >= rank) {
        const low = i === 0 ? 0 : (HISTOGRAM_BOUNDS_MS[i - 1] as number);
        const high = HISTOGRAM_BOUNDS_MS[i] ?? low;
        return low + ((high - low) * Math.max(0, rank - below)) / count;
      }
      below += count;
    }
    return HISTOGRAM_BOUNDS_MS.at(-1) as number;
  });
}
