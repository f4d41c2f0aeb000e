import { type MetricName, METRICS } from '../load/scenario.js';
import type { VariantResult } from '../load/run-scenario.js';
import { type Spread, spreadOf } from './statistics.js';

/** One subject's figures over all rounds. */
export interface ComparedSubject {
  readonly name: string;
  readonly metrics: Partial<Record<MetricName, Spread>>;
  /** Of the leading metric, each round's value divided by the anchor's of the same round. */
  readonly ratioToAnchor: Spread | undefined;
}

export interface ComparedVariant {
  readonly scenario: string;
  readonly title: string;
  readonly variant: string;
  readonly backend: string;
  /** The metric that ratios are taken of: CPU per request, handshake, connection or GB where there is one, else RSS. */
  readonly leadingMetric: MetricName;
  readonly subjects: readonly ComparedSubject[];
}

/** Sums the rounds up. Rounds that failed are left out of both sides of a ratio. */
export function compare(result: VariantResult, anchorName: string): ComparedVariant {
  const everyRound = result.subjects.flatMap(({ rounds }) => rounds);
  const leadingMetric =
    (['cpuUsPerRequest', 'cpuUsPerHandshake', 'cpuUsPerConnection', 'cpuMsPerGb'] as const).find((name) =>
      everyRound.some((measurement) => measurement?.[name] !== undefined),
    ) ?? 'rssMb';
  const anchor = result.subjects.find(({ name }) => name === anchorName);
  const subjects = result.subjects.map(({ name, rounds }): ComparedSubject => {
    const metrics: Partial<Record<MetricName, Spread>> = {};
    for (const metric of METRICS) {
      const values = rounds.map((each) => each?.[metric.name]).filter((value) => value !== undefined);
      if (values.length > 0) metrics[metric.name] = spreadOf(values);
    }
    const ratios: number[] = [];
    for (const [index, measurement] of rounds.entries()) {
      const own = measurement?.[leadingMetric];
      const anchors = anchor?.rounds[index]?.[leadingMetric];
      if (own !== undefined && anchors !== undefined && anchors > 0) ratios.push(own / anchors);
    }
    return { name, metrics, ratioToAnchor: ratios.length > 0 ? spreadOf(ratios) : undefined };
  });
  const { scenario, title, variant, backend } = result;
  return { scenario, title, variant, backend, leadingMetric, subjects };
}
