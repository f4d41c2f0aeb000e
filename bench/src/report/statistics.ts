/** Middle, lowest and highest of several rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Errors: throws on an empty list, which would otherwise pass for a measurement. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error('no values to summarise');
  const sorted = Float64Array.from(values).sort();
  return {
    median: quantile(sorted, 0.5),
    min: sorted[0] as number,
    max: sorted[sorted.length - 1] as number,
  };
}

/** The value at a ratio (0..1) of a sorted list, interpolated between neighbours. */
export function quantile(sorted: ArrayLike<number>, ratio: number): number {
  if (sorted.length === 0) throw new Error('no values to summarise');
  const position = ratio * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (high - low) * (position - below);
}
