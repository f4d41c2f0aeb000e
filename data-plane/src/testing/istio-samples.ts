import type { HttpFilterConfig, IstioStatsConfig, PeerMetadataConfig } from '@heddle/engine';
import type { google } from '@heddle/xds-protos';
import type { LabelledMetrics } from '../stats/istio/labelled-metrics.js';
import { Counter } from '../stats/stats-store.js';

/** One series as a test looks at it; `value` is a histogram's number of values. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly sum: number;
}

/** The series of one metric, in the order of their creation. */
export function samplesOf(metrics: LabelledMetrics, name: string): readonly Sample[] {
  const family = metrics.families().find((one) => one.name === name);
  return [...(family?.entries() ?? [])].map(({ labels, metric }) => {
    const read = [...labels.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/g)];
    const isCounter = metric instanceof Counter;
    return {
      labels: Object.fromEntries(read.map(([, label = '', value = '']) => [label, value])),
      value: isCounter ? metric.value : metric.counts.reduce((sum, count) => sum + count, 0),
      sum: isCounter ? 0 : metric.sum,
    };
  });
}

/** Node metadata of plain values, one level deep. */
export function nodeMetadata(
  values: Readonly<Record<string, string | Readonly<Record<string, string>>>>,
): google.protobuf.IStruct {
  const struct = (texts: Readonly<Record<string, unknown>>): google.protobuf.IStruct => ({
    fields: Object.fromEntries(
      Object.entries(texts).map(([name, value]) => [
        name,
        typeof value === 'string'
          ? { stringValue: value }
          : { structValue: struct(value as Record<string, unknown>) },
      ]),
    ),
  });
  return struct(values);
}

/** What heddled asks of metrics: everything as it is. */
export const DEFAULT_METRICS: IstioStatsConfig = { disableHostHeaderFallback: true, overrides: new Map() };

/** The filters of a listener of a sidecar by which it tells who calls, and counts. */
export function telemetryFilters(
  direction: 'inbound' | 'outbound',
  metrics: IstioStatsConfig = DEFAULT_METRICS,
): readonly HttpFilterConfig[] {
  const isInbound = direction === 'inbound';
  const exchange: PeerMetadataConfig = {
    readsRequests: isInbound,
    readsResponses: !isInbound,
    tellsCallers: isInbound,
    tellsDestinations: isInbound ? 'no' : 'inside',
  };
  const filter = (name: string, type: string, config: unknown): HttpFilterConfig => ({
    name,
    typeUrl: `type.googleapis.com/${type}`,
    config,
    disabled: false,
  });
  return [
    filter('istio.metadata_exchange', 'io.istio.http.peer_metadata.Config', exchange),
    filter('istio.stats', 'stats.PluginConfig', metrics),
  ];
}
