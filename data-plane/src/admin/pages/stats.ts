import { histogramQuantiles, QUANTILES } from '../../stats/histogram-quantiles.js';
import { dottedName } from '../../stats/stat-names.js';
import type { LabelledMetrics, MetricFamily } from '../../stats/istio/labelled-metrics.js';
import type { Histogram, StatEntry, StatsStore } from '../../stats/stats-store.js';
import { json, text, type AdminPage, type AdminResponse } from '../admin-page.js';
import { nameFilter } from '../name-filter.js';
import { labelledLines, prometheusLines } from '../prometheus-text.js';

interface NamedStat {
  readonly name: string;
  readonly entry: StatEntry;
}

const PARAMETERS = {
  usedonly: 'Only statistics that were written since the start',
  filter: 'Regular expression (RE2) that names must contain',
};

/** `/stats` and `/stats/prometheus`; metrics with labels of their own are in the latter only. */
export function statsPages(
  store: () => Pick<StatsStore, 'entries'>,
  labelled: () => Pick<LabelledMetrics, 'families'>,
  refresh: () => void,
): readonly AdminPage[] {
  const prometheus = (query: URLSearchParams): AdminResponse => {
    refresh();
    const filter = nameFilter(query, 'filter');
    if ('refused' in filter) return filter.refused;
    const usedOnly = query.has('usedonly');
    const entries = [...store().entries()].filter(
      (entry) => (!usedOnly || isUsed(entry)) && filter.matches(dottedName(entry.name, entry.tags)),
    );
    const families = labelled()
      .families()
      .filter(({ name }) => filter.matches(name));
    return text(allLines(entries, families));
  };
  return [
    {
      path: '/stats',
      description: 'print server stats',
      parameters: { ...PARAMETERS, format: 'One of text, json, prometheus' },
      respond({ query }) {
        const format = query.get('format') ?? 'text';
        if (format === 'prometheus') return prometheus(query);
        if (format !== 'text' && format !== 'json') {
          return text('usage: /stats?format=(text|json|prometheus)\n', 400);
        }
        const filter = nameFilter(query, 'filter');
        if ('refused' in filter) return filter.refused;
        refresh();
        const usedOnly = query.has('usedonly');
        const stats: NamedStat[] = [];
        for (const entry of store().entries()) {
          const name = dottedName(entry.name, entry.tags);
          if ((!usedOnly || isUsed(entry)) && filter.matches(name)) stats.push({ name, entry });
        }
        stats.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
        return format === 'json' ? json(asJson(stats)) : text(lines(stats));
      },
    },
    {
      path: '/stats/prometheus',
      description: 'print server stats in prometheus format',
      parameters: PARAMETERS,
      respond: ({ query }) => prometheus(query),
    },
  ];
}

function* allLines(entries: readonly StatEntry[], families: readonly MetricFamily[]): Iterable<string> {
  yield* prometheusLines(entries);
  yield* labelledLines(families);
}

/** Counters and gauges first, then histograms, each in order of names, as Envoy has them. */
function* lines(stats: readonly NamedStat[]): Iterable<string> {
  for (const { name, entry } of stats) {
    if (entry.kind !== 'histogram') yield `${name}: ${entry.metric.value}\n`;
  }
  for (const { name, entry } of stats) {
    if (entry.kind === 'histogram') yield `${name}: ${summary(entry.metric)}\n`;
  }
}

/** The first number of a pair is the last flush interval's; there are no intervals here, so it is always `nan`. */
function summary(histogram: Histogram): string {
  const quantiles = histogramQuantiles(histogram.counts);
  if (quantiles === undefined) return 'No recorded values';
  return quantiles.map((value, i) => `P${QUANTILES[i]}(nan,${short(value)})`).join(' ');
}

function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function asJson(stats: readonly NamedStat[]): unknown {
  const histograms = stats.filter((stat) => stat.entry.kind === 'histogram');
  const simple = stats.flatMap(({ name, entry }) =>
    entry.kind === 'histogram' ? [] : [{ name, value: entry.metric.value }],
  );
  if (histograms.length === 0) return { stats: simple };
  const computed = histograms.map(({ name, entry }) => ({
    name,
    values: (
      (entry.kind === 'histogram' ? histogramQuantiles(entry.metric.counts) : undefined) ??
      QUANTILES.map(() => null)
    ).map((value) => ({ interval: null, cumulative: value })),
  }));
  return {
    stats: [...simple, { histograms: { supported_quantiles: QUANTILES, computed_quantiles: computed } }],
  };
}

function isUsed(entry: StatEntry): boolean {
  if (entry.kind === 'histogram') return entry.metric.counts.some((count) => count > 0);
  return entry.metric.value !== 0;
}
