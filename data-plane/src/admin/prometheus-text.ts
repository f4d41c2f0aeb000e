import { escapeLabelValue, prometheusLabels, prometheusName } from '../stats/stat-names.js';
import { HISTOGRAM_BOUNDS_MS, type Histogram, type StatEntry } from '../stats/stats-store.js';

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
    for (const entry of family) {
      if (entry.kind === 'histogram') yield* histogramLines(name, entry.tags, entry.metric);
      else yield `${name}${prometheusLabels(entry.tags)} ${entry.metric.value}\n`;
    }
  }
}

function* histogramLines(name: string, tags: StatEntry['tags'], histogram: Histogram): Iterable<string> {
  const { counts } = histogram;
  let cumulated = 0;
  for (const [i, count] of counts.entries()) {
    cumulated += count;
    const bound = HISTOGRAM_BOUNDS_MS[i];
    const le = bound === undefined ? '+Inf' : String(bound);
    yield `${name}_bucket${prometheusLabels(tags, `le="${escapeLabelValue(le)}"`)} ${cumulated}\n`;
  }
  yield `${name}_sum${prometheusLabels(tags)} ${histogram.sum}\n`;
  yield `${name}_count${prometheusLabels(tags)} ${cumulated}\n`;
}
