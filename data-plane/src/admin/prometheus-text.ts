import { prometheusLabels, prometheusName } from '../stats/stat-names.js';
import type { MetricFamily } from '../stats/istio/labelled-metrics.js';
import { Histogram, HISTOGRAM_BOUNDS_MS, type StatEntry } from '../stats/stats-store.js';

/**
 * Metrics in Prometheus's text format, with Envoy's names and labels; metrics of one name stand together.
 *
 * Source: the text-based exposition format, version 0.0.4.
 */
export function* prometheusLines(entries: readonly StatEntry[]): Iterable<string> {
  const families = new Map<string, StatEntry[]>();
  for (const entry of entries) {
    const name = prometheusName(entry.name);
    const family = families.get(name);
    if (family === undefined) families.set(name, [entry]);
    else if (family[0]?.kind === entry.kind) family.push(entry);
  }
  for (const name of [...families.keys()].sort()) {
    const family = families.get(name) ?? [];
    yield `# TYPE ${name} ${family[0]?.kind ?? 'untyped'}\n`;
    for (const { tags, metric } of family) yield* metricLines(name, prometheusLabels(tags), metric);
  }
}

/** The same for metrics that bear names and labels of their own. */
export function* labelledLines(families: readonly MetricFamily[]): Iterable<string> {
  for (const family of families) {
    const { name } = family;
    yield `# HELP ${name} ${family.help}\n`;
    yield `# TYPE ${name} ${family.kind}\n`;
    for (const { labels, metric } of family.entries()) {
      yield* metricLines(name, labels === '' ? '' : `{${labels}}`, metric);
    }
  }
}

/** `labels` with their braces, or empty. */
function* metricLines(
  name: string,
  labels: string,
  metric: Histogram | { readonly value: number },
): Iterable<string> {
  if (!(metric instanceof Histogram)) {
    yield `${name}${labels} ${metric.value}\n`;
    return;
  }
  const open = labels === '' ? '{' : `${labels.slice(0, -1)},`;
  const { counts } = metric;
  let cumulated = 0;
  for (const [i, count] of counts.entries()) {
    cumulated += count;
    yield `${name}_bucket${open}le="${HISTOGRAM_BOUNDS_MS[i] ?? '+Inf'}"} ${cumulated}\n`;
  }
  yield `${name}_sum${labels} ${metric.sum}\n`;
  yield `${name}_count${labels} ${cumulated}\n`;
}
