import type { StreamInfo } from '../http/stream-info.js';
import { jsonText } from './json-text.js';
import { traceIdOf } from './operators.js';
import { formatIsoTime } from './start-time.js';

const orNull = (value: string | undefined): string =>
  value === undefined || value === '' ? 'null' : jsonText(value);

const ms = (value: number | undefined): string => (value === undefined ? 'null' : String(Math.floor(value)));

/**
 * The access log line that is written when no format is configured: one JSON object and a line feed.
 *
 * Shape: Istio's default fields, then `reason` (plain English, why a request failed) and `trace_id`.
 * Cost: runs once per request; one string built by concatenation, strings scanned once for what needs escaping.
 */
export function formatDefaultLog(info: StreamInfo): string {
  const head = info.request;
  const headers = head?.headers;
  const flags = info.responseFlags;
  return (
    `{"start_time":"${formatIsoTime(info.startTimeMs)}","method":${orNull(head?.method)}` +
    `,"path":${orNull(info.originalPath ?? head?.path)},"protocol":${orNull(info.protocol)}` +
    `,"response_code":${info.responseCode}` +
    `,"response_flags":${flags.length === 0 ? 'null' : `"${flags.length === 1 ? (flags[0] as string) : flags.join(',')}"`}` +
    `,"response_code_details":${orNull(info.codeDetails)},"reason":${orNull(info.reason)}` +
    `,"bytes_received":${info.bytesReceived},"bytes_sent":${info.bytesSent},"duration":${ms(info.durationMs)}` +
    `,"upstream_service_time":${ms(info.upstreamServiceTimeMs)}` +
    `,"x_forwarded_for":${orNull(headers?.joined('x-forwarded-for'))}` +
    `,"user_agent":${orNull(headers?.get('user-agent'))},"request_id":${orNull(info.requestId)}` +
    `,"authority":${orNull(head?.authority)},"upstream_host":${orNull(info.upstreamHost)}` +
    `,"upstream_cluster":${orNull(info.clusterName)},"upstream_local_address":${orNull(info.upstreamLocalAddress)}` +
    `,"downstream_local_address":${orNull(info.downstreamLocalAddress)}` +
    `,"downstream_remote_address":${orNull(info.downstreamRemoteAddress)}` +
    `,"requested_server_name":${orNull(info.requestedServerName)},"route_name":${orNull(info.routeName)}` +
    `,"trace_id":${orNull(traceIdOf(headers?.get('traceparent')))}}\n`
  );
}

/** The default log line as a compiled log, in the form that `compileAccessLog` returns. */
export function compileDefaultLog(): (info: StreamInfo) => string {
  return formatDefaultLog;
}
