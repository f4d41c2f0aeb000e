/** Health of one priority level: how many hosts there are of each kind. */
export interface PriorityHealth {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
}

/** The share of requests in percent that each priority gets, on its healthy and on its degraded hosts. */
export interface PriorityLoad {
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
  /** Whether a priority is in panic: it sends to all its hosts, whatever their health. */
  readonly panic: readonly boolean[];
}

/**
 * Spreads load over priorities by their health.
 *
 * Source: Envoy, "Priority levels", "Degraded endpoints" and "Panic threshold": a level is as available as
 * `overprovisioning × healthy / total`, at most 100 %; levels are filled in order; what no healthy host takes goes to
 * degraded ones; when all levels together cannot take everything, their shares are scaled up, and a level whose healthy share is
 * below the threshold panics.
 * Units: percent throughout; the shares sum to 100 unless there is no host at all.
 */
export function computePriorityLoad(
  levels: readonly PriorityHealth[],
  overprovisioningPercent: number,
  panicThresholdPercent: number,
): PriorityLoad {
  const availability = (good: number, total: number): number =>
    total === 0 ? 0 : Math.min(100, Math.floor((overprovisioningPercent * good) / total));
  const healthyShare = levels.map((level) => availability(level.healthy, level.total));
  const degradedShare = levels.map((level) => availability(level.degraded, level.total));
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const available = Math.min(100, sum(healthyShare) + sum(degradedShare));

  // Panic is judged level by level, and only when the levels together cannot take everything.
  const panic = levels.map(
    (level) =>
      available < 100 &&
      level.total > 0 &&
      ((level.healthy + level.degraded) * 100) / level.total < panicThresholdPercent,
  );
  if (available === 0) return loadByHostCount(levels, panicThresholdPercent);

  const healthy = levels.map(() => 0);
  const degraded = levels.map(() => 0);
  let left = 100;
  const fill = (shares: readonly number[], load: number[]): void => {
    shares.forEach((share, level) => {
      const given = Math.min(left, Math.round((share * 100) / available));
      load[level] = given;
      left -= given;
    });
  };
  fill(healthyShare, healthy);
  fill(degradedShare, degraded);
  if (left > 0) {
    // What rounding left over goes to the first level that takes anything.
    const load = healthy.some((share) => share > 0) ? healthy : degraded;
    const first = load.findIndex((share) => share > 0);
    load[first] = (load[first] as number) + left;
  }
  return { healthy, degraded, panic };
}

/** No host is usable: with panic allowed, requests go to levels by their number of hosts; otherwise all to the first level. */
function loadByHostCount(levels: readonly PriorityHealth[], panicThresholdPercent: number): PriorityLoad {
  const hosts = levels.reduce((count, level) => count + level.total, 0);
  const degraded = levels.map(() => 0);
  if (hosts === 0) return { healthy: levels.map(() => 0), degraded, panic: levels.map(() => false) };
  const healthy = levels.map((level) => Math.floor((level.total * 100) / hosts));
  const first = levels.findIndex((level) => level.total > 0);
  healthy[first] = (healthy[first] as number) + 100 - healthy.reduce((a, b) => a + b, 0);
  return { healthy, degraded, panic: levels.map((level) => level.total > 0 && panicThresholdPercent > 0) };
}
