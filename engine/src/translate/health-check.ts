import { envoy } from '@heddle/xds-protos';
import type { HealthCheckConfig, StatusRange } from '../config/health-check-config.js';
import type { HeaderChanges } from '../config/route-config.js';
import type { Findings } from './findings.js';
import { translateHeaderChanges } from './header-changes.js';
import { hasControls } from './matchers.js';
import { durationMs, positiveDurationMs, wrappedNumber } from './proto-values.js';

type HealthCheck = envoy.config.core.v3.HealthCheck;
type Payload = envoy.config.core.v3.HealthCheck.Payload;

const NO_TRAFFIC_MS = 60_000;
const METHODS = envoy.config.core.v3.RequestMethod;

/** The active health check of a cluster; of several, which Envoy refuses, none. */
export function translateHealthChecks(
  checks: readonly HealthCheck[],
  path: string,
  findings: Findings,
): HealthCheckConfig | undefined {
  const [check] = checks;
  if (check === undefined) return undefined;
  if (checks.length > 1) findings.problem(path, 'at most one health check is supported');
  return translateHealthCheck(check, `${path}[0]`, findings);
}

/** Source: envoy.config.core.v3.HealthCheck. */
function translateHealthCheck(
  check: HealthCheck,
  path: string,
  findings: Findings,
): HealthCheckConfig | undefined {
  reportUnsupported(check, path, findings);
  const required = (value: HealthCheck['timeout'], field: string): number => {
    if (value === null) findings.problem(`${path}.${field}`, 'must be set');
    return positiveDurationMs(value, 1000, `${path}.${field}`, findings);
  };
  const duration = (value: HealthCheck['timeout'], unset: number, field: string): number =>
    positiveDurationMs(value, unset, `${path}.${field}`, findings);
  const jitter = (value: HealthCheck['timeout'], field: string): number =>
    durationMs(value, 0, `${path}.${field}`, findings);
  const threshold = (value: HealthCheck['healthyThreshold'], field: string): number => {
    if (value === null) findings.problem(`${path}.${field}`, 'must be set');
    return wrappedNumber(value, 1, `${path}.${field}`, findings);
  };
  const timeoutMs = required(check.timeout, 'timeout');
  const intervalMs = required(check.interval, 'interval');
  const noTrafficIntervalMs = duration(check.noTrafficInterval, NO_TRAFFIC_MS, 'no_traffic_interval');
  const unhealthyIntervalMs = duration(check.unhealthyInterval, intervalMs, 'unhealthy_interval');
  const probe = translateProbe(check, path, findings);
  if (probe === undefined) return undefined;
  return {
    timeoutMs,
    intervalMs,
    intervalJitterMs: jitter(check.intervalJitter, 'interval_jitter'),
    intervalJitterPercent: check.intervalJitterPercent,
    initialJitterMs: jitter(check.initialJitter, 'initial_jitter'),
    unhealthyThreshold: threshold(check.unhealthyThreshold, 'unhealthy_threshold'),
    healthyThreshold: threshold(check.healthyThreshold, 'healthy_threshold'),
    noTrafficIntervalMs,
    noTrafficHealthyIntervalMs: duration(
      check.noTrafficHealthyInterval,
      noTrafficIntervalMs,
      'no_traffic_healthy_interval',
    ),
    unhealthyIntervalMs,
    unhealthyEdgeIntervalMs: duration(
      check.unhealthyEdgeInterval,
      unhealthyIntervalMs,
      'unhealthy_edge_interval',
    ),
    healthyEdgeIntervalMs: duration(check.healthyEdgeInterval, intervalMs, 'healthy_edge_interval'),
    reuseConnection: check.reuseConnection?.value ?? true,
    altPort: wrappedNumber(check.altPort, 0, `${path}.alt_port`, findings, 1, 65_535),
    alwaysLogFailures: check.alwaysLogHealthCheckFailures,
    alwaysLogSuccess: check.alwaysLogHealthCheckSuccess,
    probe,
  };
}

function translateProbe(
  check: HealthCheck,
  path: string,
  findings: Findings,
): HealthCheckConfig['probe'] | undefined {
  switch (check.healthChecker) {
    case 'httpHealthCheck':
      return check.httpHealthCheck === null
        ? undefined
        : translateHttp(check.httpHealthCheck, `${path}.http_health_check`, findings);
    case 'tcpHealthCheck': {
      const at = `${path}.tcp_health_check`;
      const tcp = check.tcpHealthCheck;
      findings.unsupported(
        `${at}.proxy_protocol_config`,
        tcp !== null && tcp.proxyProtocolConfig !== null,
        'problem',
      );
      return {
        kind: 'tcp',
        send: bytesOf(tcp?.send ?? null, `${at}.send`, findings),
        receive: (tcp?.receive ?? []).map((payload, i) => bytesOf(payload, `${at}.receive[${i}]`, findings)),
      };
    }
    // Without these checks a host would be taken for healthy that nobody has asked.
    case 'grpcHealthCheck':
      findings.problem(`${path}.grpc_health_check`, 'is not supported');
      return undefined;
    case 'customHealthCheck':
      findings.problem(`${path}.custom_health_check`, 'is not supported');
      return undefined;
    case undefined:
      findings.problem(path, 'one of http_health_check or tcp_health_check must be set');
      return undefined;
  }
}

function translateHttp(
  http: envoy.config.core.v3.HealthCheck.HttpHealthCheck,
  path: string,
  findings: Findings,
): HealthCheckConfig['probe'] {
  if (http.path === '') findings.problem(`${path}.path`, 'must not be empty');
  if (hasControls(http.path)) findings.problem(`${path}.path`, 'must not hold CR, LF or NUL');
  if (hasControls(http.host)) findings.problem(`${path}.host`, 'must not hold CR, LF or NUL');
  if (http.codecClientType !== 0) findings.problem(`${path}.codec_client_type`, 'only HTTP1 is supported');
  findings.unsupported(`${path}.service_name_matcher`, http.serviceNameMatcher !== null, 'problem');
  const method = METHODS[http.method];
  if (method === undefined || method === 'CONNECT') {
    findings.problem(`${path}.method`, `${method ?? String(http.method)} is not supported`);
  }
  const retriableStatuses = translateRanges(http.retriableStatuses, `${path}.retriable_statuses`, findings);
  const expectedStatuses = translateRanges(http.expectedStatuses, `${path}.expected_statuses`, findings);
  return {
    kind: 'http',
    host: http.host,
    path: http.path,
    method: method === undefined || method === 'METHOD_UNSPECIFIED' ? 'GET' : method,
    send: bytesOf(http.send, `${path}.send`, findings),
    receive: http.receive.map((payload, i) => bytesOf(payload, `${path}.receive[${i}]`, findings)),
    responseBufferBytes: wrappedNumber(
      http.responseBufferSize,
      1024,
      `${path}.response_buffer_size`,
      findings,
    ),
    headers: translateHeaders(http, path, findings),
    expectedStatuses: expectedStatuses.length === 0 ? [{ start: 200, end: 201 }] : expectedStatuses,
    retriableStatuses,
  };
}

function translateHeaders(
  http: envoy.config.core.v3.HealthCheck.HttpHealthCheck,
  path: string,
  findings: Findings,
): HeaderChanges {
  const changes = translateHeaderChanges(
    http.requestHeadersToAdd,
    http.requestHeadersToRemove,
    path,
    'request',
    findings,
  );
  changes.set.forEach(({ hasOperators }, i) => {
    // There is no request of anybody that they could tell of.
    if (hasOperators)
      findings.problem(`${path}.request_headers_to_add[${i}]`, 'must have no command operators');
  });
  return changes;
}

function translateRanges(
  ranges: readonly envoy.type.v3.Int64Range[],
  path: string,
  findings: Findings,
): readonly StatusRange[] {
  return ranges.map(({ start, end }, i) => {
    if (start < 100 || end > 600 || start >= end) {
      findings.problem(`${path}[${i}]`, `[${start}, ${end}) is not a range of statuses from 100 to 600`);
    }
    return { start, end };
  });
}

/** Text is hexadecimal digits there. */
function bytesOf(payload: Payload | null, path: string, findings: Findings): string {
  switch (payload?.payload) {
    case 'text': {
      const text = payload.text ?? '';
      if (text === '' || text.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(text)) {
        findings.problem(`${path}.text`, 'must be an even number of hexadecimal digits');
        return '';
      }
      return Buffer.from(text, 'hex').toString('latin1');
    }
    case 'binary':
      return Buffer.from(payload.binary ?? []).toString('latin1');
    case undefined:
      if (payload !== null && payload !== undefined) {
        findings.problem(path, 'one of text or binary must be set');
      }
      return '';
  }
}

function reportUnsupported(check: HealthCheck, path: string, findings: Findings): void {
  const warning = (field: string, isSet: boolean, what?: string): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'warning', what);
  const own = 'is not supported (events are in the log of the proxy itself)';
  warning('event_log_path', check.eventLogPath !== '', own);
  warning('event_logger', check.eventLogger.length > 0, own);
  warning('event_service', check.eventService !== null);
  warning('tls_options', check.tlsOptions !== null);
  warning('transport_socket_match_criteria', check.transportSocketMatchCriteria !== null);
}
