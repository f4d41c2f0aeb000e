import { parseDurationMs } from '@heddle/common';
import { resolveHost } from './hostname.js';
import type { Endpoint, MeshModel } from './mesh-model.js';
import type { MeshResource } from './mesh-resource.js';
import type { CanarySpec } from './specs/heddle.js';

/** One side of a canary: whom a route forwards to. */
export interface CanaryVersion {
  /** Fully qualified. */
  readonly host: string;
  /** Empty: the host as a whole. */
  readonly subset: string;
}

export interface CanaryStep {
  /** Percent of the calls. */
  readonly weight: number;
  readonly intervalMs: number;
  /** When the step has held, somebody has to say so before the next one. */
  readonly pause: boolean;
}

/** A `Canary`, with its defaults. Units: ratios 0..1. */
export interface CanaryConfig {
  /** `NAMESPACE/NAME`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly host: string;
  readonly stable: CanaryVersion;
  readonly canary: CanaryVersion;
  readonly steps: readonly CanaryStep[];
  /** How long a step may take in all; 0: as long as it likes. */
  readonly stepTimeoutMs: number;
  /** Calls of the canary without which a step is not judged. */
  readonly minRequests: number;
  readonly splitTolerance: number;
  readonly minSuccess: number;
  /** undefined: the stable version is not compared with. */
  readonly maxSuccessDrop: number | undefined;
  readonly latency: {
    readonly quantile: number;
    readonly maxMs: number | undefined;
    readonly maxRatio: number | undefined;
  };
  /** Another text is another release: a new run. */
  readonly runId: string;
}

/** What canaries get now. Units: percent. */
export interface CanaryWeights {
  /** undefined: its run has not begun. */
  weightOf(canary: CanaryConfig): number | undefined;
}

export const noCanaryWeights: CanaryWeights = { weightOf: () => undefined };

/** Endpoints of a version: those of its host that have the labels of its subset. undefined: there is no such subset. */
export function endpointsOfVersion(
  { servicesByHost, destinationPolicies }: Pick<MeshModel, 'servicesByHost' | 'destinationPolicies'>,
  { host, subset }: CanaryVersion,
): readonly Endpoint[] | undefined {
  const endpoints = servicesByHost.get(host)?.flatMap((service) => service.endpoints);
  if (subset === '') return endpoints;
  const labels = destinationPolicies
    .filter((policy) => policy.host === host)
    .flatMap(({ subsets }) => subsets)
    .find(({ name }) => name === subset)?.labels;
  if (labels === undefined) return undefined;
  return endpoints?.filter((endpoint) =>
    Object.entries(labels).every(([name, value]) => endpoint.labels[name] === value),
  );
}

export function canaryOf({ namespace, name, spec, contentHash }: MeshResource): CanaryConfig {
  const { host, stable, canary, steps, latency, successRate, ...rest } = spec as CanarySpec;
  const whole = resolveHost(host, namespace);
  const version = (written: CanarySpec['stable']): CanaryVersion => ({
    host: written.host === undefined ? whole : resolveHost(written.host, namespace),
    subset: written.subset ?? '',
  });
  const intervalMs = durationOf(rest.interval, 30_000);
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    host: whole,
    stable: version(stable),
    canary: version(canary),
    steps: steps.map((step) => ({
      weight: step.weight,
      intervalMs: durationOf(step.interval, intervalMs),
      pause: step.pause ?? false,
    })),
    stepTimeoutMs: durationOf(rest.stepTimeout, 600_000),
    minRequests: rest.minRequests ?? 50,
    splitTolerance: (rest.splitTolerance ?? 5) / 100,
    minSuccess: (successRate?.min ?? 99) / 100,
    maxSuccessDrop: successRate?.maxDrop === undefined ? undefined : successRate.maxDrop / 100,
    latency: {
      quantile: (latency?.percentile ?? 99) / 100,
      maxMs: latency?.max === undefined ? undefined : parseDurationMs(latency.max),
      maxRatio: latency?.maxRatio,
    },
    runId: contentHash,
  };
}

function durationOf(text: string | undefined, byDefault: number): number {
  return (text === undefined ? undefined : parseDurationMs(text)) ?? byDefault;
}
