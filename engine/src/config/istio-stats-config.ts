import type { LabelExpression } from '../telemetry/label-expression.js';

/** Source: Istio's stats filter, `stats.PluginConfig`. */
export interface IstioStatsConfig {
  /** Without it, the Host header stands for a destination that the control plane says nothing of. */
  readonly disableHostHeaderFallback: boolean;
  /** What is reported otherwise than by default, by the metric's name without `istio_`. */
  readonly overrides: ReadonlyMap<string, MetricOverride>;
}

export interface MetricOverride {
  /** Not reported at all. */
  readonly drop: boolean;
  /** Labels that are left out. */
  readonly remove: readonly string[];
  /** Labels with other values than their own, or added, in order of names. */
  readonly set: ReadonlyMap<string, LabelExpression>;
}

/** Every metric of Istio's that there is, without `istio_`. */
export const ISTIO_METRICS = [
  'requests_total',
  'request_duration_milliseconds',
  'request_bytes',
  'response_bytes',
  'tcp_connections_opened_total',
  'tcp_connections_closed_total',
  'tcp_sent_bytes_total',
  'tcp_received_bytes_total',
  'request_messages_total',
  'response_messages_total',
] as const;

export type IstioMetricName = (typeof ISTIO_METRICS)[number];
