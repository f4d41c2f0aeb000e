import type { HeaderMatchConfig } from '../config/route-config.js';
import { readRequestHeader } from '../format/operators.js';
import type { HeaderMap } from '../http/header-map.js';
import type { RequestHead, ResponseHead } from '../http/message-head.js';
import { describeStringMatch, stringMatches } from './string-match.js';

type ValueMatch = Exclude<HeaderMatchConfig['match'], { readonly kind: 'present' }>;

/**
 * Whether the request's header matches. Of repeated fields each value is looked at, and all of them joined, so that no value
 * can hide behind another.
 *
 * Source: envoy.config.route.v3.HeaderMatcher. A header that is absent never matches, inverted or not, unless the matcher
 * asks for presence or treats a missing header as empty.
 */
export function headerMatches(config: HeaderMatchConfig, head: RequestHead): boolean {
  return fieldMatches(config, readRequestHeader(head, config.name), head.headers);
}

/** The same for a response, of which `:status` is known beside its fields. */
export function responseHeaderMatches(config: HeaderMatchConfig, head: ResponseHead): boolean {
  const value = config.name === ':status' ? String(head.status) : head.headers.get(config.name);
  return fieldMatches(config, value, head.headers);
}

function fieldMatches(config: HeaderMatchConfig, found: string | undefined, headers: HeaderMap): boolean {
  const { match } = config;
  let value = found;
  if (match.kind === 'present') {
    const present = value !== undefined || config.treatMissingAsEmpty;
    return (present === match.present) !== config.invert;
  }
  if (value === undefined) {
    if (!config.treatMissingAsEmpty) return false;
    value = '';
  }
  const matches = valueMatches(match, value) || anyValueMatches(config.name, match, headers);
  return matches !== config.invert;
}

function valueMatches(match: ValueMatch, value: string): boolean {
  return match.kind === 'string'
    ? stringMatches(match.matcher, value)
    : inIntegerRange(value, match.start, match.end);
}

/** Of a field that is there more than once. */
function anyValueMatches(name: string, match: ValueMatch, { names, values }: HeaderMap): boolean {
  const first = names.indexOf(name);
  if (first === -1) return false;
  let next = names.indexOf(name, first + 1);
  if (next === -1) return false;
  if (valueMatches(match, values[first] as string)) return true;
  for (; next !== -1; next = names.indexOf(name, next + 1)) {
    if (valueMatches(match, values[next] as string)) return true;
  }
  return false;
}

const INTEGER = /^[+-]?\d{1,19}$/;

/** Whether a text is an integer with `start` ≤ it < `end`. */
export function inIntegerRange(value: string, start: number, end: number): boolean {
  const trimmed = value.trim();
  if (!INTEGER.test(trimmed)) return false;
  const number = Number(trimmed);
  return number >= start && number < end;
}

/** Whether every matcher of the list matches. */
export function headersMatch(configs: readonly HeaderMatchConfig[], head: RequestHead): boolean {
  for (const config of configs) if (!headerMatches(config, head)) return false;
  return true;
}

/** What the matcher wants, in words, for `explain`. */
export function describeHeaderMatch(config: HeaderMatchConfig): string {
  const { match } = config;
  const not = config.invert ? 'not ' : '';
  switch (match.kind) {
    case 'present':
      return match.present !== config.invert ? 'present' : 'absent';
    case 'string':
      return not + describeStringMatch(match.matcher);
    case 'range':
      return `${not}an integer in [${match.start}, ${match.end})`;
  }
}
