/** What the success rates of hosts come to; percent, and -1 where there is nothing to compare. */
export interface SuccessRateThreshold {
  readonly average: number;
  /** A host below it is an outlier. */
  readonly threshold: number;
}

export const NO_THRESHOLD: SuccessRateThreshold = Object.freeze({ average: -1, threshold: -1 });

/**
 * The rate below which a host stands out from the others: so many standard deviations below the average.
 *
 * Source: Envoy, success_rate_stdev_factor, in thousandths.
 */
export function successRateThreshold(rates: readonly number[], stdevFactor: number): SuccessRateThreshold {
  if (rates.length === 0) return NO_THRESHOLD;
  const average = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const variance = rates.reduce((sum, rate) => sum + (rate - average) ** 2, 0) / rates.length;
  return { average, threshold: average - (Math.sqrt(variance) * stdevFactor) / 1000 };
}
