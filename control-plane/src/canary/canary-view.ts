import type { CanaryVersionFigures, CanaryView } from '../dashboard-api.js';
import type { CanaryConfig, CanaryVersion } from '../model/canary.js';
import type { MeshModel } from '../model/mesh-model.js';
import { COLUMN, durationQuantile, type CallCounts } from '../traffic/call-columns.js';
import { weightIn, type CanaryState } from './canary-state.js';
import { callsOf, type CanaryCounts } from './judge.js';

/** A canary as pages and the command line show it. */
export function canaryView(
  {
    canary,
    state,
    counts,
    countedMs,
  }: {
    readonly canary: CanaryConfig;
    readonly state: CanaryState;
    readonly counts: CanaryCounts | undefined;
    readonly countedMs: number;
  },
  model: MeshModel,
): CanaryView {
  const service = model.servicesByHost.get(canary.host)?.[0];
  const own = counts === undefined ? 0 : callsOf(counts.canary) + counts.lost;
  const all = counts === undefined ? 0 : own + callsOf(counts.stable);
  const { quantile } = canary.latency;
  const figures = (version: CanaryVersion, of: CallCounts | undefined, lost = 0): CanaryVersionFigures => {
    const requests = of === undefined ? 0 : callsOf(of) + lost;
    const failed = of === undefined ? 0 : (of[COLUMN.failed] as number) + lost;
    return {
      name: version.subset === '' ? version.host : version.subset,
      requests,
      failed,
      successRatio: requests === 0 ? null : 1 - failed / requests,
      quantileMs: of === undefined ? null : (durationQuantile(of, quantile) ?? null),
    };
  };
  return {
    ...{ namespace: canary.namespace, name: canary.name, host: canary.host },
    service: service === undefined ? null : `${service.namespace}/${service.name}`,
    ...{ run: state.run, phase: state.phase, reason: state.reason },
    step: Math.min(state.step + 1, canary.steps.length),
    steps: canary.steps.map(({ weight }) => weight),
    weight: weightIn(state, canary),
    canary: figures(canary.canary, counts?.canary, counts?.lost),
    stable: figures(canary.stable, counts?.stable),
    observedShare: all === 0 ? null : own / all,
    minRequests: canary.minRequests,
    countedMs: Math.round(countedMs),
    intervalMs: canary.steps[state.step]?.intervalMs ?? 0,
    quantile: Number((quantile * 100).toFixed(1)),
    bounds: boundsOf(canary),
    ...{ runSinceMs: state.runSinceMs, phaseSinceMs: state.phaseSinceMs, events: state.events },
  };
}

function boundsOf({ minSuccess, maxSuccessDrop, latency, minRequests }: CanaryConfig): readonly string[] {
  const name = `p${Number((latency.quantile * 100).toFixed(1))}`;
  return [
    `at least ${percent(minSuccess)} succeed`,
    ...(maxSuccessDrop === undefined
      ? []
      : [`at most ${percent(maxSuccessDrop)} less than the stable version`]),
    ...(latency.maxMs === undefined ? [] : [`${name} at most ${latency.maxMs} ms`]),
    ...(latency.maxRatio === undefined
      ? []
      : [`${name} at most ${latency.maxRatio} times that of the stable version`]),
    `at least ${minRequests} calls a step`,
  ];
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toFixed(2))} %`;
}
