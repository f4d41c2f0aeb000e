import type { MeshResource } from './mesh-resource.js';
import type { MeshSettings } from './mesh-settings.js';
import { PolicyIndex, policyTargetOf, type PolicySubject, type PolicyTarget } from './policy-target.js';
import type { MetricsSpec, TelemetrySpec } from './specs/telemetry.js';
import { TELEMETRY_METRICS, type TelemetryMetric } from './telemetry-metrics.js';

/** On whose side a proxy reports: inbound as the server, all else as the client. */
export type TelemetryMode = 'client' | 'server';

/** A `Telemetry`. */
export interface Telemetry {
  /** `Telemetry/NAMESPACE/NAME`. */
  readonly key: string;
  readonly target: PolicyTarget;
  /** In order; later ones overrule. */
  readonly metrics: readonly MetricsRule[];
  readonly accessLogging: readonly AccessLogRule[];
}

/** One override of some metrics. */
export interface MetricsRule {
  readonly modes: readonly TelemetryMode[];
  /** Istio's names, `REQUEST_COUNT`; undefined: every metric. */
  readonly metric: string | undefined;
  readonly disabled: boolean | undefined;
  /** By label: an expression, or undefined where the label is removed. */
  readonly labels: ReadonlyMap<string, string | undefined>;
}

export interface AccessLogRule {
  readonly modes: readonly TelemetryMode[];
  readonly disabled: boolean;
}

/** What all of them come to at one workload, on one side of it. */
export interface EffectiveTelemetry {
  readonly metrics: 'off' | readonly MetricOverride[];
  readonly logs: boolean;
}

/** What is changed of one metric. */
export interface MetricOverride {
  readonly metric: TelemetryMetric;
  readonly disabled: boolean;
  readonly removed: readonly string[];
  /** Label to expression, in order of names. */
  readonly set: Readonly<Record<string, string>>;
}

const METRICS = Object.keys(TELEMETRY_METRICS) as readonly TelemetryMetric[];

const built = new WeakMap<MeshResource, Telemetry>();

/** A `Telemetry`; the same object for the same resource. */
export function telemetryOf(resource: MeshResource): Telemetry {
  let telemetry = built.get(resource);
  if (telemetry === undefined) {
    const { metrics = [], accessLogging = [] } = resource.spec as TelemetrySpec;
    telemetry = {
      key: resource.key,
      target: policyTargetOf(resource),
      metrics: metrics.flatMap(metricsRulesOf),
      accessLogging: accessLogging.map(({ match, disabled = false }) => ({
        modes: modesOf(match?.mode),
        disabled,
      })),
    };
    built.set(resource, telemetry);
  }
  return telemetry;
}

/** A custom metric is nobody's: its overrides change nothing. */
function metricsRulesOf({ overrides = [] }: MetricsSpec): readonly MetricsRule[] {
  return overrides
    .filter(({ match }) => match?.customMetric === undefined)
    .map(({ match, disabled, tagOverrides = {} }) => ({
      modes: modesOf(match?.mode),
      metric: match?.metric === 'ALL_METRICS' ? undefined : match?.metric,
      disabled,
      labels: new Map(
        Object.entries(tagOverrides).map(([label, { operation, value }]) => [
          label,
          operation === 'REMOVE' ? undefined : value,
        ]),
      ),
    }));
}

function modesOf(mode: string | undefined): readonly TelemetryMode[] {
  if (mode === 'CLIENT') return ['client'];
  if (mode === 'SERVER') return ['server'];
  return ['client', 'server'];
}

/** All of them. */
export function indexTelemetries(
  resources: readonly MeshResource[],
  settings: MeshSettings,
): PolicyIndex<Telemetry> {
  return new PolicyIndex(resources.map(telemetryOf), settings.rootNamespace);
}

const UNCHANGED: EffectiveTelemetry = Object.freeze({ metrics: Object.freeze([]), logs: true });

/**
 * What holds for a workload: the oldest `Telemetry` of the mesh, of its namespace and of itself, one after the other.
 *
 * Source: Istio's mergeMetrics: switching every metric off takes the reporting away, and any later override brings it back.
 */
export function effectiveTelemetry(
  telemetries: PolicyIndex<Telemetry>,
  subject: PolicySubject,
  mode: TelemetryMode,
): EffectiveTelemetry {
  if (telemetries.policies.length === 0) return UNCHANGED;
  const { mesh, namespace, workload } = telemetries.first(subject);
  const levels = [mesh, namespace, workload].filter((level) => level !== undefined);
  let isOff = false;
  const changes = new Map<string, { disabled: boolean; labels: Map<string, string | undefined> }>();
  for (const rule of levels.flatMap(({ metrics }) => metrics)) {
    if (!rule.modes.includes(mode)) continue;
    isOff = rule.metric === undefined && rule.disabled === true;
    if (isOff) continue;
    for (const metric of rule.metric === undefined ? METRICS : [rule.metric]) {
      const change = changes.get(metric) ?? {
        disabled: false,
        labels: new Map<string, string | undefined>(),
      };
      changes.set(metric, change);
      change.disabled = rule.disabled ?? change.disabled;
      for (const [label, expression] of rule.labels) change.labels.set(label, expression);
    }
  }
  const logs = levels
    .flatMap(({ accessLogging }) => accessLogging)
    .reduce((on, rule) => (rule.modes.includes(mode) ? !rule.disabled : on), true);
  const overrides = METRICS.flatMap((metric): MetricOverride[] => {
    const change = changes.get(metric);
    if (change === undefined) return [];
    const labels = [...change.labels].sort(([a], [b]) => (a < b ? -1 : 1));
    return [
      {
        metric,
        disabled: change.disabled,
        removed: labels.flatMap(([label, expression]) => (expression === undefined ? [label] : [])),
        set: Object.fromEntries(
          labels.flatMap(([label, expression]) => (expression === undefined ? [] : [[label, expression]])),
        ),
      },
    ];
  });
  return { metrics: isOff ? 'off' : overrides, logs };
}
