import type { IstioMetricName, IstioStatsConfig, LabelExpression } from '@heddle/engine';
import type { Counter, Histogram } from '../stats-store.js';
import { labelText, overflowText, type LabelPlan, type LabelValues, type Reporter } from './istio-labels.js';
import type { LabelledMetrics, MetricFamily, Series } from './labelled-metrics.js';

const HELP: Readonly<Record<IstioMetricName, string>> = {
  requests_total: 'Requests.',
  request_duration_milliseconds:
    'Time from the first byte of a request to the last of its response, in milliseconds.',
  request_bytes: 'Bytes of requests, heads and bodies.',
  response_bytes: 'Bytes of responses, heads and bodies.',
  tcp_connections_opened_total: 'TCP connections that were opened.',
  tcp_connections_closed_total: 'TCP connections that were closed.',
  tcp_sent_bytes_total: 'Bytes that were sent to the clients of TCP connections.',
  tcp_received_bytes_total: 'Bytes that were received from the clients of TCP connections.',
  request_messages_total: 'Messages of calls by gRPC that clients sent.',
  response_messages_total: 'Messages of calls by gRPC that servers sent.',
};

/** A metric as one configuration reports it; undefined when it drops it. */
export interface PlannedFamily<M extends Counter | Histogram> {
  readonly family: MetricFamily<M>;
  readonly plan: LabelPlan;
  readonly overflow: string;
}

/** The series with those values of labels; undefined of a metric that is not reported. */
export function seriesOf<M extends Counter | Histogram>(
  planned: PlannedFamily<M> | undefined,
  values: LabelValues,
): Series<M> | undefined {
  return planned?.family.series(labelText(planned.plan, values), planned.overflow);
}

/** Gives the metrics as one configuration reports them; undefined: dropped. */
export interface MetricPlanner {
  counter(name: IstioMetricName): PlannedFamily<Counter> | undefined;
  histogram(name: IstioMetricName): PlannedFamily<Histogram> | undefined;
}

/** Reads what a configuration says of labels and of metrics that are left out. */
export function planMetrics(
  metrics: LabelledMetrics,
  config: IstioStatsConfig,
  labels: readonly string[],
  reporter: Reporter,
): MetricPlanner {
  const planned = <M extends Counter | Histogram>(
    name: IstioMetricName,
    family: MetricFamily<M>,
  ): PlannedFamily<M> => {
    const plan = planOf(labels, config, name);
    return { family, plan, overflow: overflowText(plan, reporter) };
  };
  const isDropped = (name: IstioMetricName): boolean => config.overrides.get(name)?.drop === true;
  return {
    counter: (name) =>
      isDropped(name) ? undefined : planned(name, metrics.counter(`istio_${name}`, HELP[name])),
    histogram: (name) =>
      isDropped(name) ? undefined : planned(name, metrics.histogram(`istio_${name}`, HELP[name])),
  };
}

function planOf(labels: readonly string[], config: IstioStatsConfig, name: IstioMetricName): LabelPlan {
  const override = config.overrides.get(name);
  const kept = labels.filter((label) => override?.remove.includes(label) !== true);
  const added = [...(override?.set.keys() ?? [])].filter((label) => !labels.includes(label));
  return {
    labels: [...kept, ...added].map((name) => {
      const expression = override?.set.get(name);
      if (expression === undefined) return { name };
      return expression.kind === 'text'
        ? { name, value: expression.value }
        : { name, from: valueNameOf(expression) };
    }),
  };
}

/** Under which name a label's plan finds a value; no label has such a name. */
export function valueNameOf(expression: Exclude<LabelExpression, { readonly kind: 'text' }>): string {
  switch (expression.kind) {
    case 'header':
      return `header ${expression.name}`;
    case 'url-path':
      return 'url path';
    case 'label':
      return expression.name;
  }
}
