import type { Figures, Health, History } from '../dashboard-api.js';
import { COLUMN, addCounts, durationQuantile, emptyCounts, type CallCounts } from './call-columns.js';
import { historyOf, recentCounts, totalCounts, type CallRecord } from './traffic-store.js';

/** The golden signals of what these records counted. */
export function figuresOf(records: readonly CallRecord[], nowMs: number): Figures {
  const { counts, seconds } = recentCounts(records, nowMs);
  const totals = totalCounts(records, 'totals');
  const requests = counts[COLUMN.requests] as number;
  const failed = counts[COLUMN.failed] as number;
  return {
    requests: totals[COLUMN.requests] as number,
    failed: totals[COLUMN.failed] as number,
    rate: requests / seconds,
    failedRate: failed / seconds,
    successRatio: requests === 0 ? null : 1 - failed / requests,
    p50Ms: durationQuantile(counts, 0.5) ?? null,
    p90Ms: durationQuantile(counts, 0.9) ?? null,
    p99Ms: durationQuantile(counts, 0.99) ?? null,
    connections: totals[COLUMN.connections] as number,
    bytesRate: (counts[COLUMN.bytes] as number) / seconds,
  };
}

/** Below these shares of successes, calls want a look, or somebody at once. */
const WARNING_BELOW = 0.999;
const BAD_BELOW = 0.95;

export function healthOf({ successRatio, rate, bytesRate }: Figures): Health {
  if (successRatio === null) return rate > 0 || bytesRate > 0 ? 'good' : 'idle';
  if (successRatio < BAD_BELOW) return 'bad';
  return successRatio < WARNING_BELOW ? 'warning' : 'good';
}

export function historyView(
  records: readonly CallRecord[],
  which: 'fine' | 'coarse',
  nowMs: number,
): History {
  const { slotMs, endMs, rows } = historyOf(records, which, nowMs);
  const seconds = slotMs / 1000;
  return {
    stepMs: slotMs,
    endMs,
    rate: rows.map((row) => (row[COLUMN.requests] as number) / seconds),
    failedRate: rows.map((row) => (row[COLUMN.failed] as number) / seconds),
    p50Ms: smooth(rows, 0.5),
    p99Ms: smooth(rows, 0.99),
  };
}

/** A quantile of each slot and the two before it: one slot alone has too few calls to tell. */
function smooth(rows: readonly CallCounts[], quantile: number): (number | null)[] {
  return rows.map((row, i) => {
    if (row[COLUMN.requests] === 0) return null;
    const sum = emptyCounts();
    for (const near of rows.slice(Math.max(0, i - 2), i + 1)) addCounts(sum, near);
    return durationQuantile(sum, quantile) ?? null;
  });
}
