import { envoy, type google } from '@heddle/xds-protos';
import type {
  AccessLogConfig,
  AccessLogFilterConfig,
  AccessLogFormat,
  JsonLogFields,
} from '../config/access-log-config.js';
import { compileJsonLog } from '../format/json-log.js';
import { RESPONSE_FLAGS } from '../http/stream-info.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import type { Findings } from './findings.js';
import { checkTemplate } from './header-changes.js';
import { structToJson } from './proto-values.js';
import { inlineText } from './route-answers.js';

const { FileAccessLog } = envoy.extensions.access_loggers.file.v3;
const { StdoutAccessLog, StderrAccessLog } = envoy.extensions.access_loggers.stream.v3;

const DEFAULT_FORMAT: AccessLogFormat = { kind: 'default' };

/** Source: envoy.config.accesslog.v3.AccessLog: the file and stream loggers. */
export function translateAccessLogs(
  logs: readonly envoy.config.accesslog.v3.AccessLog[],
  path: string,
  findings: Findings,
): readonly AccessLogConfig[] {
  return logs.flatMap((log, i) => translateAccessLog(log, `${path}[${i}]`, findings) ?? []);
}

function translateAccessLog(
  log: envoy.config.accesslog.v3.AccessLog,
  path: string,
  findings: Findings,
): AccessLogConfig | undefined {
  const any = log.typedConfig;
  const at = `${path}.typed_config`;
  if (any === null) {
    findings.problem(at, 'must be set');
    return undefined;
  }
  const destination = translateDestination(any, at, findings);
  if (destination === undefined) return undefined;
  return {
    name: log.name,
    ...destination,
    filter: log.filter === null ? undefined : translateFilter(log.filter, `${path}.filter`, findings),
  };
}

function translateDestination(
  any: google.protobuf.Any,
  path: string,
  findings: Findings,
): Pick<AccessLogConfig, 'sink' | 'format'> | undefined {
  switch (typeNameOfUrl(any.typeUrl)) {
    case FileAccessLog.typeName: {
      const file = unpackAs(any, FileAccessLog, path, findings);
      return file && { sink: fileSink(file.path, path, findings), format: fileFormat(file, path, findings) };
    }
    case StdoutAccessLog.typeName: {
      const log = unpackAs(any, StdoutAccessLog, path, findings);
      return (
        log && { sink: { kind: 'stdout' }, format: format(log.logFormat, `${path}.log_format`, findings) }
      );
    }
    case StderrAccessLog.typeName: {
      const log = unpackAs(any, StderrAccessLog, path, findings);
      return (
        log && { sink: { kind: 'stderr' }, format: format(log.logFormat, `${path}.log_format`, findings) }
      );
    }
    default:
      findings.problem(path, `access logger ${JSON.stringify(any.typeUrl)} is not supported`);
      return undefined;
  }
}

function fileSink(file: string, path: string, findings: Findings): AccessLogConfig['sink'] {
  if (file === '') findings.problem(`${path}.path`, 'must not be empty');
  if (file.includes('\0')) findings.problem(`${path}.path`, 'must not hold NUL');
  if (file === '/dev/stdout') return { kind: 'stdout' };
  if (file === '/dev/stderr') return { kind: 'stderr' };
  return { kind: 'file', path: file };
}

function fileFormat(
  log: envoy.extensions.access_loggers.file.v3.FileAccessLog,
  path: string,
  findings: Findings,
): AccessLogFormat {
  switch (log.accessLogFormat) {
    case 'format':
      return textFormat(log.format ?? '', false, `${path}.format`, findings);
    case 'jsonFormat':
      return jsonFormat(log.jsonFormat, false, `${path}.json_format`, findings);
    case 'typedJsonFormat':
      return jsonFormat(log.typedJsonFormat, false, `${path}.typed_json_format`, findings);
    case 'logFormat':
      return format(log.logFormat, `${path}.log_format`, findings);
    case undefined:
      return DEFAULT_FORMAT;
  }
}

function format(
  source: envoy.config.core.v3.SubstitutionFormatString | null,
  path: string,
  findings: Findings,
): AccessLogFormat {
  if (source === null) return DEFAULT_FORMAT;
  source.formatters.forEach((formatter, i) =>
    findings.problem(
      `${path}.formatters[${i}]`,
      `formatter ${JSON.stringify(formatter.name)} is not supported`,
    ),
  );
  const omit = source.omitEmptyValues;
  switch (source.format) {
    case 'textFormat':
      return textFormat(source.textFormat ?? '', omit, `${path}.text_format`, findings);
    case 'textFormatSource': {
      const at = `${path}.text_format_source`;
      return textFormat(inlineText(source.textFormatSource, at, findings), omit, at, findings);
    }
    case 'jsonFormat':
      return jsonFormat(source.jsonFormat, omit, `${path}.json_format`, findings);
    case undefined:
      findings.problem(path, 'one of text_format_source or json_format must be set');
      return DEFAULT_FORMAT;
  }
}

function textFormat(
  template: string,
  omitEmptyValues: boolean,
  path: string,
  findings: Findings,
): AccessLogFormat {
  checkTemplate(template, path, findings);
  return { kind: 'text', template, omitEmptyValues };
}

function jsonFormat(
  struct: google.protobuf.Struct | null,
  omitEmptyValues: boolean,
  path: string,
  findings: Findings,
): AccessLogFormat {
  const fields = (struct === null ? {} : structToJson(struct)) as JsonLogFields;
  const compiled = compileJsonLog(fields, { omitEmptyValues });
  if ('problem' in compiled) findings.problem(path, compiled.problem);
  return { kind: 'json', fields, omitEmptyValues };
}

const OPS = ['eq', 'ge', 'le', 'ne'] as const;
const MOST_DEPTH = 16;

type Filter = envoy.config.accesslog.v3.AccessLogFilter;

/** A filter that is not understood is left out with a warning: more is logged, nothing is lost. */
function translateFilter(
  filter: Filter,
  path: string,
  findings: Findings,
  depth = 0,
): AccessLogFilterConfig | undefined {
  switch (filter.filterSpecifier) {
    case 'statusCodeFilter': {
      const at = `${path}.status_code_filter`;
      return comparison('status-code', filter.statusCodeFilter?.comparison ?? null, at, findings);
    }
    case 'durationFilter': {
      const at = `${path}.duration_filter`;
      return comparison('duration', filter.durationFilter?.comparison ?? null, at, findings);
    }
    case 'notHealthCheckFilter':
      return { kind: 'not-health-check' };
    case 'responseFlagFilter': {
      const flags = filter.responseFlagFilter?.flags ?? [];
      flags.forEach((flag, i) => {
        if (!(RESPONSE_FLAGS as readonly string[]).includes(flag)) {
          findings.problem(
            `${path}.response_flag_filter.flags[${i}]`,
            `${JSON.stringify(flag)} is not a response flag`,
          );
        }
      });
      return { kind: 'response-flag', flags: [...flags] };
    }
    case 'andFilter':
    case 'orFilter': {
      const kind = filter.filterSpecifier === 'andFilter' ? 'and' : 'or';
      const inner = filter[filter.filterSpecifier]?.filters ?? [];
      const at = `${path}.${kind}_filter.filters`;
      if (inner.length < 2) findings.problem(at, 'must have at least two entries');
      if (depth >= MOST_DEPTH) {
        findings.problem(at, `filters are nested more than ${MOST_DEPTH} deep`);
        return undefined;
      }
      const filters = inner.map((one, i) => translateFilter(one, `${at}[${i}]`, findings, depth + 1));
      // "Not understood" counts as true: in an "or" it lets everything through, in an "and" it drops out.
      if (kind === 'or' && filters.includes(undefined)) return undefined;
      return { kind, filters: filters.filter((one) => one !== undefined) };
    }
    case undefined:
      findings.problem(path, 'a filter must be set');
      return undefined;
    default:
      findings.warn(path, `${snakeCase(filter.filterSpecifier)} is not supported: everything is logged`);
      return undefined;
  }
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function comparison(
  kind: 'status-code' | 'duration',
  source: envoy.config.accesslog.v3.ComparisonFilter | null,
  path: string,
  findings: Findings,
): AccessLogFilterConfig | undefined {
  if (source === null) {
    findings.problem(`${path}.comparison`, 'must be set');
    return undefined;
  }
  const op = OPS[source.op];
  if (op === undefined) findings.problem(`${path}.comparison.op`, `unknown value ${source.op}`);
  if (source.value === null) findings.problem(`${path}.comparison.value`, 'must be set');
  return { kind, op: op ?? 'eq', value: source.value?.defaultValue ?? 0 };
}
