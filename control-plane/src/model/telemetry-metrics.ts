import type { IstioMetricName } from '@heddle/engine';

/** The metrics that a `Telemetry` may name and a proxy reports, as Istio calls them, with what the stats filter calls them. */
export const TELEMETRY_METRICS = {
  REQUEST_COUNT: 'requests_total',
  REQUEST_DURATION: 'request_duration_milliseconds',
  REQUEST_SIZE: 'request_bytes',
  RESPONSE_SIZE: 'response_bytes',
  TCP_OPENED_CONNECTIONS: 'tcp_connections_opened_total',
  TCP_CLOSED_CONNECTIONS: 'tcp_connections_closed_total',
  TCP_SENT_BYTES: 'tcp_sent_bytes_total',
  TCP_RECEIVED_BYTES: 'tcp_received_bytes_total',
  GRPC_REQUEST_MESSAGES: 'request_messages_total',
  GRPC_RESPONSE_MESSAGES: 'response_messages_total',
} as const satisfies Readonly<Record<string, IstioMetricName>>;

export type TelemetryMetric = keyof typeof TELEMETRY_METRICS;
