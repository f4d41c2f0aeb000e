import type { AccessLogFilterConfig, AccessLogFormat } from '../config/access-log-config.js';
import type { StreamInfo } from '../http/stream-info.js';
import { writeDefaultLog } from './default-log.js';
import { compileJsonLog, type WriteEntry } from './json-log.js';
import type { FormatContext } from './operators.js';
import { compileTemplate } from './template.js';

/**
 * Compiles the format of an access log into a function that writes one entry.
 *
 * Errors: a text that names what is wrong; a translated config never has a problem, because translation compiled it once.
 */
export function compileAccessLog(
  format: AccessLogFormat,
  context: FormatContext = {},
): { readonly write: WriteEntry } | { readonly problem: string } {
  switch (format.kind) {
    case 'default':
      return { write: writeDefaultLog };
    case 'json':
      return compileJsonLog(format.fields, { omitEmptyValues: format.omitEmptyValues, context });
    case 'text': {
      const compiled = compileTemplate(format.template, context);
      if ('problem' in compiled) return compiled;
      const { template } = compiled;
      const missing = format.omitEmptyValues ? '' : '-';
      return { write: (info, line) => line.text(escapeLines(template, info, missing)) };
    }
  }
}

/** Values with control characters are escaped, so that a header cannot forge a line; the format's own line feeds stay. */
function escapeLines(
  template: { readonly parts: readonly (string | ((info: StreamInfo) => string | number | undefined))[] },
  info: StreamInfo,
  missing: string,
): string {
  let text = '';
  for (const part of template.parts) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const value = part(info);
    text += value === undefined ? missing : typeof value === 'number' ? value : escapeControls(value);
  }
  return text;
}

// eslint-disable-next-line no-control-regex -- what could end or forge a line
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
// eslint-disable-next-line no-control-regex -- the same, all of them
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

function escapeControls(value: string): string {
  if (!CONTROL.test(value)) return value;
  return value.replace(CONTROLS, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Compiles the filter of an access log: whether a finished stream is logged. */
export function compileAccessLogFilter(
  filter: AccessLogFilterConfig | undefined,
): (info: StreamInfo) => boolean {
  if (filter === undefined) return () => true;
  switch (filter.kind) {
    case 'status-code':
      return compare(filter.op, filter.value, (info) => info.responseCode);
    case 'duration':
      return compare(filter.op, filter.value, (info) => Math.floor(info.durationMs));
    case 'not-health-check':
      return (info) => info.request?.headers.get('x-envoy-healthcheck') === undefined;
    case 'response-flag': {
      const wanted = new Set<string>(filter.flags);
      return (info) =>
        wanted.size === 0
          ? info.responseFlags.length > 0
          : info.responseFlags.some((flag) => wanted.has(flag));
    }
    case 'and': {
      const filters = filter.filters.map(compileAccessLogFilter);
      return (info) => filters.every((one) => one(info));
    }
    case 'or': {
      const filters = filter.filters.map(compileAccessLogFilter);
      return (info) => filters.some((one) => one(info));
    }
  }
}

function compare(
  op: 'eq' | 'ge' | 'le' | 'ne',
  value: number,
  read: (info: StreamInfo) => number,
): (info: StreamInfo) => boolean {
  switch (op) {
    case 'eq':
      return (info) => read(info) === value;
    case 'ne':
      return (info) => read(info) !== value;
    case 'ge':
      return (info) => read(info) >= value;
    case 'le':
      return (info) => read(info) <= value;
  }
}
