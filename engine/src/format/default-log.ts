import type { HeaderMap } from '../http/header-map.js';
import type { StreamInfo } from '../http/stream-info.js';
import { writeParts, type Part, type WriteEntry } from './json-log.js';
import { jsonText } from './json-text.js';
import { traceIdOf, type OperatorReader } from './operators.js';
import { formatIsoTime } from './start-time.js';

const text = (value: string | undefined): string | undefined => (value === '' ? undefined : value);
const ms = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : Math.floor(value);
const headersOf = (info: StreamInfo): HeaderMap | undefined => info.request?.headers;

const FIELDS: readonly (readonly [name: string, read: OperatorReader])[] = [
  ['start_time', (info) => formatIsoTime(info.startTimeMs)],
  ['method', (info) => text(info.request?.method)],
  ['path', (info) => text(info.originalPath ?? info.request?.path)],
  ['protocol', (info) => info.protocol],
  ['response_code', (info) => info.responseCode],
  ['response_flags', (info) => (info.responseFlags.length === 0 ? undefined : info.responseFlags.join(','))],
  ['response_code_details', (info) => text(info.codeDetails)],
  ['reason', (info) => text(info.reason)],
  ['bytes_received', (info) => info.bytesReceived],
  ['bytes_sent', (info) => info.bytesSent],
  ['duration', (info) => ms(info.durationMs)],
  ['upstream_service_time', (info) => ms(info.upstreamServiceTimeMs)],
  ['x_forwarded_for', (info) => text(headersOf(info)?.joined('x-forwarded-for'))],
  ['user_agent', (info) => text(headersOf(info)?.get('user-agent'))],
  ['request_id', (info) => text(info.requestId)],
  ['authority', (info) => text(info.request?.authority)],
  ['upstream_host', (info) => text(info.upstreamHost)],
  ['upstream_cluster', (info) => text(info.clusterName)],
  ['upstream_local_address', (info) => text(info.upstreamLocalAddress)],
  ['downstream_local_address', (info) => text(info.downstreamLocalAddress)],
  ['downstream_remote_address', (info) => text(info.downstreamRemoteAddress)],
  ['requested_server_name', (info) => text(info.requestedServerName)],
  ['route_name', (info) => text(info.routeName)],
  ['trace_id', (info) => traceIdOf(headersOf(info)?.get('traceparent'))],
];

/**
 * The access log line that is written when no format is configured: one JSON object and a line feed.
 *
 * Shape: Istio's default fields, then `reason` (plain English, why a request failed) and `trace_id`.
 */
export const writeDefaultLog: WriteEntry = writeParts([
  ...FIELDS.flatMap(([name, read], i): Part[] => [`${i === 0 ? '{' : ','}${jsonText(name)}:`, read]),
  '}\n',
]);
