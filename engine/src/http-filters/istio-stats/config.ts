import { stats } from '@heddle/xds-protos';
import { ISTIO_METRICS, type IstioStatsConfig } from '../../config/istio-stats-config.js';
import type { Translated } from '../../config/problem.js';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import { deepFreeze } from '../../translate/proto-values.js';
import { parseLabelExpression, type LabelExpression } from '../../telemetry/label-expression.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { PluginConfig } = stats;

/** Counted by Istio's filter and not here: messages of gRPC streams. */
const NOT_THERE: readonly string[] = ['request_messages_total', 'response_messages_total'];

interface Override {
  drop: boolean;
  readonly remove: Set<string>;
  readonly set: Map<string, LabelExpression>;
}

/** Source: Istio's stats filter, for requests. */
export const istioStatsFilter: HttpFilterFactoryConfig = {
  name: 'istio.stats',
  typeUrl: `type.googleapis.com/${PluginConfig.typeName}`,
  perRouteTypeUrl: undefined,
  terminal: false,
  parse: parseIstioStats,
  parsePerRoute(_bytes, path) {
    return { ok: false, problems: [{ path, message: 'metrics take no configuration per route' }] };
  },
};

/** Reads the configuration of Istio's stats filter, for requests and for connections. */
export function parseIstioStats(bytes: Uint8Array, path: string): Translated<IstioStatsConfig> {
  const findings = new Findings();
  const config = decodeAs(bytes, PluginConfig, path, findings) ?? PluginConfig.create();
  const warn = (field: string, isSet: boolean, what?: string): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'warning', what);
  warn('reporter', config.reporter !== stats.Reporter.UNSPECIFIED);
  warn('definitions', config.definitions.length > 0);
  warn(
    'rotation_interval',
    (config.rotationInterval?.seconds ?? 0) > 0,
    'is not supported (idle series go when there is no room for others)',
  );
  const overrides = new Map<string, Override>();
  config.metrics.forEach((metric, i) => takeOverride(metric, `${path}.metrics[${i}]`, overrides, findings));
  const frozen = [...overrides].map(
    ([name, { drop, remove, set }]) => [name, deepFreeze({ drop, remove: [...remove], set })] as const,
  );
  const { disableHostHeaderFallback } = config;
  return findings.finish(deepFreeze({ disableHostHeaderFallback, overrides: new Map(frozen) }));
}

/** As in Istio, what comes later counts, and dropping hides the rest of its entry. */
function takeOverride(
  metric: stats.MetricConfig,
  path: string,
  overrides: Map<string, Override>,
  findings: Findings,
): void {
  findings.unsupported(`${path}.match`, metric.match !== '', 'warning');
  if (metric.name !== '' && !(ISTIO_METRICS as readonly string[]).includes(metric.name)) {
    if (!NOT_THERE.includes(metric.name)) {
      findings.warn(`${path}.name`, `there is no metric ${JSON.stringify(metric.name)}`);
    }
    return;
  }
  const values = new Map<string, LabelExpression>();
  for (const name of Object.keys(metric.dimensions).sort()) {
    const at = `${path}.dimensions[${JSON.stringify(name)}]`;
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) findings.warn(at, 'is no label name, and left out');
    else values.set(name, expressionOf(metric.dimensions[name] ?? '', at, findings));
  }
  for (const name of metric.name === '' ? ISTIO_METRICS : [metric.name]) {
    let override = overrides.get(name);
    if (override === undefined) {
      override = { drop: false, remove: new Set<string>(), set: new Map<string, LabelExpression>() };
      overrides.set(name, override);
    }
    if (metric.drop) {
      override.drop = true;
      continue;
    }
    for (const label of metric.tagsToRemove) {
      override.remove.add(label);
      override.set.delete(label);
    }
    for (const [label, value] of values) {
      override.remove.delete(label);
      override.set.set(label, value);
    }
  }
}

/** An expression that is not known gives `unknown`, as Istio writes what it cannot evaluate. */
function expressionOf(expression: string, path: string, findings: Findings): LabelExpression {
  const parsed = parseLabelExpression(expression);
  if (parsed !== undefined) return parsed;
  const shown = JSON.stringify(expression.slice(0, 200));
  findings.warn(path, `the expression ${shown} is not known; the label is "unknown"`);
  return { kind: 'text', value: 'unknown' };
}
