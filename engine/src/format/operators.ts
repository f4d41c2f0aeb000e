import type { HeaderMap } from '../http/header-map.js';
import type { RequestHead } from '../http/message-head.js';
import type { StreamInfo } from '../http/stream-info.js';
import { compileDynamicMetadata } from './dynamic-metadata.js';
import { compileTimeFormat, formatIsoTime } from './start-time.js';
import { TLS_OPERATORS } from './tls-operators.js';

/** What one operator says about a stream; undefined when there is nothing to say (`-` in a text log, `null` in a JSON log). */
export type OperatorReader = (info: StreamInfo) => string | number | undefined;

/** What a format may ask for that a stream does not know. */
export interface FormatContext {
  /** `%HOSTNAME%`. */
  readonly hostname?: string;
  /** `%ENVIRONMENT(X)%`. */
  readonly environment?: (name: string) => string | undefined;
}

type OperatorCompiler = (
  argument: string | undefined,
  context: FormatContext,
) => OperatorReader | { readonly problem: string };

/** A header of the request by its lower-case name, pseudo-headers and `host` included; repeated fields are joined. */
export function readRequestHeader(head: RequestHead, name: string): string | undefined {
  switch (name) {
    case ':method':
      return head.method;
    case ':path':
      return head.path === '' ? undefined : head.path;
    case ':authority':
    case 'host':
      return head.authority === '' ? undefined : head.authority;
    case ':scheme':
      return head.scheme === '' ? undefined : head.scheme;
    default:
      return head.headers.joined(name);
  }
}

/** As property names they are the engine's one string of that text, like the names that codecs make: fast to tell apart. */
function alternatives(argument: string): string[] {
  return argument
    .toLowerCase()
    .split('?')
    .map((name) => Object.keys({ [name]: 0 })[0] ?? name);
}

const HEADER_NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;

function headerNames(argument: string | undefined): string[] | { readonly problem: string } {
  if (argument === undefined || argument === '') return { problem: 'needs a header name in parentheses' };
  const names = alternatives(argument);
  if (names.length > 2) return { problem: 'takes at most one alternative header after "?"' };
  for (const name of names) {
    if (!HEADER_NAME.test(name)) return { problem: `"${name}" is not a header name` };
  }
  return names;
}

const request: OperatorCompiler = (argument) => {
  const names = headerNames(argument);
  if ('problem' in names) return names;
  const first = requestReader(names[0] as string);
  if (names[1] === undefined) return first;
  const second = requestReader(names[1]);
  return (info) => first(info) ?? second(info);
};

/** The name is told apart once, and not for each request. */
function requestReader(name: string): (info: StreamInfo) => string | undefined {
  switch (name) {
    case ':method':
      return (info) => info.request?.method;
    case ':path':
      return (info) => text(info.request?.path);
    case ':authority':
    case 'host':
      return (info) => text(info.request?.authority);
    case 'x-envoy-original-path':
      return (info) =>
        info.request === undefined ? undefined : (info.request.headers.joined(name) ?? info.originalPath);
    default:
      return (info) => (info.request === undefined ? undefined : readRequestHeader(info.request, name));
  }
}

const requestWithoutQuery: OperatorCompiler = (argument, context) => {
  const reader = request(argument, context);
  if (typeof reader !== 'function') return reader;
  return (info) => {
    const value = reader(info);
    if (typeof value !== 'string') return value;
    const query = value.indexOf('?');
    return query === -1 ? value : value.slice(0, query);
  };
};

function fromHeaders(headersOf: (info: StreamInfo) => HeaderMap | undefined): OperatorCompiler {
  return (argument) => {
    const names = headerNames(argument);
    if ('problem' in names) return names;
    return (info) => {
      const headers = headersOf(info);
      if (headers === undefined) return undefined;
      for (const name of names) {
        if (name === ':status' && info.response !== undefined) return String(info.response.status);
        const value = headers.joined(name);
        if (value !== undefined) return value;
      }
      return undefined;
    };
  };
}

function plain(reader: OperatorReader): OperatorCompiler {
  return (argument) => (argument === undefined ? reader : { problem: 'takes nothing in parentheses' });
}

const text = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/** The host of `host:port` or `[v6]:port`; anything else unchanged. */
export function withoutPort(address: string): string {
  if (address.startsWith('[')) {
    const end = address.indexOf(']');
    return end === -1 ? address : address.slice(1, end);
  }
  const colon = address.lastIndexOf(':');
  return colon === -1 || address.startsWith('unix:') ? address : address.slice(0, colon);
}

/** The port of `host:port`, or undefined. */
export function portOf(address: string): number | undefined {
  const found = /:(\d{1,5})$/.exec(address);
  return found === null || address.startsWith('unix:') ? undefined : Number(found[1]);
}

function addressOperators(prefix: string, read: (info: StreamInfo) => string): [string, OperatorCompiler][] {
  return [
    [`${prefix}_ADDRESS`, plain((info) => text(read(info)))],
    [`${prefix}_ADDRESS_WITHOUT_PORT`, plain((info) => text(withoutPort(read(info))))],
    [`${prefix}_PORT`, plain((info) => portOf(read(info)))],
  ];
}

/** Numbers are logged as whole milliseconds, as Envoy does. */
const wholeMs = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : Math.floor(value);

const startTime: OperatorCompiler = (argument) => {
  if (argument === undefined || argument === '') return (info) => formatIsoTime(info.startTimeMs);
  const compiled = compileTimeFormat(argument);
  if ('problem' in compiled) return compiled;
  return (info) => compiled.format(info.startTimeMs);
};

/** A time of a certificate; `%DOWNSTREAM_PEER_CERT_V_START(%b %d %H:%M:%S %Y %Z)%` takes a format as START_TIME does. */
function certificateTime(read: (info: StreamInfo) => number | undefined): OperatorCompiler {
  return (argument) => {
    const compiled =
      argument === undefined || argument === '' ? { format: formatIsoTime } : compileTimeFormat(argument);
    if ('problem' in compiled) return compiled;
    return (info) => {
      const timeMs = read(info);
      return timeMs === undefined ? undefined : compiled.format(timeMs);
    };
  };
}

/** The trace id of a W3C `traceparent`, or undefined when it is not well formed. */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  if (traceparent === undefined || traceparent.length < 55) return undefined;
  if (traceparent.charCodeAt(2) !== 45 || traceparent.charCodeAt(35) !== 45) return undefined;
  const id = traceparent.slice(3, 35);
  return /^[0-9a-f]{32}$/.test(id) ? id : undefined;
}

const GRPC_STATUS = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
];

function grpcStatusOf(info: StreamInfo): number | undefined {
  const value = info.responseTrailers?.get('grpc-status') ?? info.response?.headers.get('grpc-status');
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

const grpcStatus: OperatorCompiler = (argument) => {
  const form = argument === undefined || argument === '' ? 'CAMEL_STRING' : argument;
  if (form === 'NUMBER') return grpcStatusOf;
  if (form !== 'CAMEL_STRING' && form !== 'SNAKE_STRING') {
    return { problem: 'takes CAMEL_STRING, SNAKE_STRING or NUMBER' };
  }
  return (info) => {
    const status = grpcStatusOf(info);
    if (status === undefined) return undefined;
    const name = GRPC_STATUS[status];
    if (name === undefined) return String(status);
    return form === 'CAMEL_STRING' ? name : name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
  };
};

/** `KEY:PLAIN` is the text as it is; without PLAIN it is quoted, as Envoy serialises it. */
const filterState: OperatorCompiler = (argument) => {
  const [key = '', form = 'TYPED', ...rest] = (argument ?? '').split(':');
  if (key === '') return { problem: 'needs a key in parentheses' };
  if (rest.length > 0 || (form !== 'PLAIN' && form !== 'TYPED')) return { problem: 'takes PLAIN or TYPED' };
  return (info) => {
    const value = info.filterState?.get(key)?.value;
    return value === undefined || form === 'PLAIN' ? value : JSON.stringify(value);
  };
};

const OPERATORS: ReadonlyMap<string, OperatorCompiler> = new Map<string, OperatorCompiler>([
  ['REQ', request],
  ['REQ_WITHOUT_QUERY', requestWithoutQuery],
  ['RESP', fromHeaders((info) => info.response?.headers)],
  ['TRAILER', fromHeaders((info) => info.responseTrailers)],
  ['START_TIME', startTime],
  ['PROTOCOL', plain((info) => info.protocol)],
  ['UPSTREAM_PROTOCOL', plain((info) => text(info.upstreamProtocol))],
  ['RESPONSE_CODE', plain((info) => info.responseCode)],
  ['RESPONSE_CODE_DETAILS', plain((info) => text(info.codeDetails))],
  ['CONNECTION_TERMINATION_DETAILS', plain((info) => text(info.connectionTerminationDetails))],
  ['RESPONSE_FLAGS', plain((info) => info.responseFlags.join(',') || '-')],
  ['BYTES_RECEIVED', plain((info) => info.bytesReceived)],
  ['BYTES_SENT', plain((info) => info.bytesSent)],
  ['UPSTREAM_WIRE_BYTES_RECEIVED', plain((info) => info.upstreamBytesReceived)],
  ['UPSTREAM_WIRE_BYTES_SENT', plain((info) => info.upstreamBytesSent)],
  ['DURATION', plain((info) => wholeMs(info.durationMs))],
  ['REQUEST_DURATION', plain((info) => wholeMs(info.requestDurationMs))],
  ['RESPONSE_DURATION', plain((info) => wholeMs(info.responseDurationMs))],
  ['UPSTREAM_REQUEST_ATTEMPT_COUNT', plain((info) => info.attemptCount)],
  ['ROUTE_NAME', plain((info) => text(info.routeName))],
  ['VIRTUAL_HOST_NAME', plain((info) => text(info.virtualHostName))],
  ['UPSTREAM_CLUSTER', plain((info) => text(info.clusterName))],
  ['UPSTREAM_CLUSTER_RAW', plain((info) => text(info.clusterName))],
  ['UPSTREAM_HOST', plain((info) => text(info.upstreamHost))],
  ['UPSTREAM_TRANSPORT_FAILURE_REASON', plain((info) => text(info.upstreamTransportFailureReason))],
  ...addressOperators('UPSTREAM_REMOTE', (info) => info.upstreamHost),
  ...addressOperators('UPSTREAM_LOCAL', (info) => info.upstreamLocalAddress),
  ...addressOperators('DOWNSTREAM_REMOTE', (info) => info.downstreamRemoteAddress),
  ...addressOperators('DOWNSTREAM_DIRECT_REMOTE', (info) => info.downstreamDirectRemoteAddress),
  ...addressOperators('DOWNSTREAM_LOCAL', (info) => info.downstreamLocalAddress),
  ['REQUESTED_SERVER_NAME', plain((info) => text(info.requestedServerName))],
  ['CONNECTION_ID', plain((info) => info.connectionId)],
  ['STREAM_ID', plain((info) => text(info.requestId))],
  ['TRACE_ID', plain((info) => traceIdOf(info.request?.headers.get('traceparent')))],
  ['REQUEST_HEADERS_BYTES', plain((info) => info.request?.headers.byteSize ?? 0)],
  ['RESPONSE_HEADERS_BYTES', plain((info) => info.response?.headers.byteSize ?? 0)],
  ['RESPONSE_TRAILERS_BYTES', plain((info) => info.responseTrailers?.byteSize ?? 0)],
  ...TLS_OPERATORS.map(([name, read]) => [name, plain(read)] as const),
  ['DOWNSTREAM_PEER_CERT_V_START', certificateTime((info) => info.downstreamTls?.peer?.notBeforeMs)],
  ['DOWNSTREAM_PEER_CERT_V_END', certificateTime((info) => info.downstreamTls?.peer?.notAfterMs)],
  ['UPSTREAM_PEER_CERT_V_START', certificateTime((info) => info.upstreamTls?.peer?.notBeforeMs)],
  ['UPSTREAM_PEER_CERT_V_END', certificateTime((info) => info.upstreamTls?.peer?.notAfterMs)],
  ['DOWNSTREAM_TRANSPORT_FAILURE_REASON', plain((info) => text(info.downstreamTransportFailureReason ?? ''))],
  ['GRPC_STATUS', grpcStatus],
  ['GRPC_STATUS_NUMBER', plain(grpcStatusOf)],
  ['DYNAMIC_METADATA', compileDynamicMetadata],
  ['FILTER_STATE', filterState],
  ['HOSTNAME', (argument, context) => plain(() => context.hostname)(argument, context)],
  [
    'ENVIRONMENT',
    (argument, context) => {
      if (argument === undefined || argument === '') return { problem: 'needs the name of a variable' };
      const value = context.environment?.(argument);
      return () => value;
    },
  ],
]);

/** Operators of Envoy about things that no stream here has yet: they are understood and say nothing. */
const WITHOUT_DATA: ReadonlySet<string> = new Set([
  'ACCESS_LOG_TYPE',
  'DOWNSTREAM_PEER_FINGERPRINT_1',
  'DOWNSTREAM_TLS_SESSION_ID',
  'UPSTREAM_TLS_SESSION_ID',
  'UPSTREAM_CONNECTION_ID',
  'CLUSTER_METADATA',
  'UPSTREAM_METADATA',
  'VIRTUAL_CLUSTER_NAME',
  'UPSTREAM_REQUEST_ATTEMPT_DURATION',
  'FILTER_CHAIN_NAME',
]);

/** One compiled operator; `hasData` is false for those that never say anything here. */
export interface CompiledOperator {
  readonly read: OperatorReader;
  readonly hasData: boolean;
}

/**
 * Compiles one command operator.
 *
 * Source: Envoy, access log command operators.
 * Errors: a text that names the operator and what is wrong.
 */
export function compileOperator(
  name: string,
  argument: string | undefined,
  maxLength: number | undefined,
  context: FormatContext,
): CompiledOperator | { readonly problem: string } {
  if (WITHOUT_DATA.has(name)) return { read: () => undefined, hasData: false };
  const compiler = OPERATORS.get(name);
  if (compiler === undefined) return { problem: `unknown operator %${name}%` };
  const read = compiler(argument, context);
  if (typeof read !== 'function') return { problem: `%${name}% ${read.problem}` };
  if (maxLength === undefined) return { read, hasData: true };
  return {
    read: (info) => {
      const value = read(info);
      return typeof value === 'string' && value.length > maxLength ? value.slice(0, maxLength) : value;
    },
    hasData: true,
  };
}
