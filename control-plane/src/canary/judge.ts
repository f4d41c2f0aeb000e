import type { CanaryConfig } from '../model/canary.js';
import {
  BUCKETS,
  COLUMN,
  DURATION_BOUNDS_MS,
  durationQuantile,
  type CallCounts,
} from '../traffic/call-columns.js';

/** Calls since a step is in force everywhere. */
export interface CanaryCounts {
  readonly canary: CallCounts;
  readonly stable: CallCounts;
  /** Failures of calls to the host that reached nobody: they count against the canary, for without it there were none. */
  readonly lost: number;
}

/** `unsure`: too few calls to tell it from chance. */
export type Verdict =
  { readonly kind: 'good' } | { readonly kind: 'unsure' | 'bad'; readonly reason: string };

const GOOD: Verdict = Object.freeze({ kind: 'good' });

/**
 * How sure one must be, in standard deviations: that a canary fails, when its step is over, and at any of the many looks before.
 */
const SURE = 1.64;
const SURE_EARLY = 3.3;
/** One bad call among the first few says nothing. */
const FEWEST_BAD_EARLY = 5;

/** Holds what was counted against every bound of a canary. Pure. */
export function judge(canary: CanaryConfig, counts: CanaryCounts, isEarly: boolean): Verdict {
  const z = isEarly ? SURE_EARLY : SURE;
  const { latency, maxSuccessDrop, minRequests, minSuccess } = canary;
  const calls = callsOf(counts.canary) + counts.lost;
  const failed = (counts.canary[COLUMN.failed] as number) + counts.lost;
  const stableCalls = callsOf(counts.stable);
  const verdicts: Verdict[] = [
    share(
      failed,
      calls,
      1 - minSuccess,
      z,
      (ratio) => `${percent(1 - ratio)} of its calls succeed, at least ${percent(minSuccess)} should`,
    ),
  ];
  if (maxSuccessDrop !== undefined && stableCalls > 0) {
    const stableFailed = (counts.stable[COLUMN.failed] as number) / stableCalls;
    verdicts.push(
      share(
        failed,
        calls,
        Math.min(1, stableFailed + maxSuccessDrop),
        z,
        (ratio) =>
          `${percent(1 - ratio)} of its calls succeed, of the stable version ${percent(1 - stableFailed)}`,
      ),
    );
  }
  const { quantile, maxMs, maxRatio } = latency;
  const name = `p${Number((quantile * 100).toFixed(1))}`;
  const slower = (bound: number, why: (own: string) => string): Verdict =>
    share(slowerThan(counts.canary, bound), callsOf(counts.canary), 1 - quantile, z, () =>
      why(ms(durationQuantile(counts.canary, quantile) ?? 0)),
    );
  if (maxMs !== undefined)
    verdicts.push(slower(maxMs, (own) => `its ${name} is ${own}, at most ${ms(maxMs)} is allowed`));
  const stableMs = durationQuantile(counts.stable, quantile);
  if (maxRatio !== undefined && stableMs !== undefined && stableCalls >= minRequests) {
    verdicts.push(
      slower(
        stableMs * maxRatio,
        (own) =>
          `its ${name} is ${own}, of the stable version ${ms(stableMs)}; at most ${maxRatio} times as much is allowed`,
      ),
    );
  }
  return (
    verdicts.find(({ kind }) => kind === 'bad') ?? verdicts.find(({ kind }) => kind === 'unsure') ?? GOOD
  );
}

/** What of the calls to both versions the canary got, against what it should have; undefined: it agrees. */
export function splitMismatch(
  canary: CanaryConfig,
  counts: CanaryCounts,
  weight: number,
): string | undefined {
  const own = callsOf(counts.canary) + counts.lost;
  const all = own + callsOf(counts.stable);
  if (all === 0) return 'nobody calls';
  const wanted = weight / 100;
  const allowed = canary.splitTolerance + 3 * Math.sqrt((wanted * (1 - wanted)) / all);
  const observed = own / all;
  if (Math.abs(observed - wanted) <= allowed) return undefined;
  return `it got ${percent(observed)} of the calls, and ${weight} % are wanted`;
}

export function callsOf(counts: CallCounts): number {
  return counts[COLUMN.requests] as number;
}

/** Whether a share of bad calls is above what is allowed: by chance perhaps, or surely. Source: the score interval of Wilson. */
function share(
  bad: number,
  calls: number,
  allowed: number,
  z: number,
  why: (ratio: number) => string,
): Verdict {
  if (calls === 0) return GOOD;
  const ratio = bad / calls;
  if (ratio <= allowed + 1e-9) return GOOD;
  if (z === SURE_EARLY && bad < FEWEST_BAD_EARLY) return { kind: 'unsure', reason: why(ratio) };
  const zz = z * z;
  const centre = ratio + zz / (2 * calls);
  const spread = z * Math.sqrt((ratio * (1 - ratio)) / calls + zz / (4 * calls * calls));
  const least = (centre - spread) / (1 + zz / calls);
  return { kind: least > allowed ? 'bad' : 'unsure', reason: why(ratio) };
}

/** Calls that took longer than a bound; within its bucket they are taken to be spread evenly. */
function slowerThan(counts: CallCounts, boundMs: number): number {
  let slower = 0;
  for (let i = 0; i < BUCKETS; i++) {
    const count = counts[COLUMN.firstBucket + i] as number;
    const from = i === 0 ? 0 : (DURATION_BOUNDS_MS[i - 1] as number);
    const to = DURATION_BOUNDS_MS[i] ?? Infinity;
    if (boundMs <= from) slower += count;
    else if (boundMs < to && to !== Infinity) slower += (count * (to - boundMs)) / (to - from);
  }
  return slower;
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}

function ms(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}
