import type { envoy } from '@heddle/xds-protos';
import type {
  HeaderMatchConfig,
  QueryParameterMatchConfig,
  StringMatchConfig,
} from '../config/route-config.js';
import { LinearRegex } from '../route/linear-regex.js';
import type { Findings } from './findings.js';
import { requiredText } from './proto-values.js';

/** The longest regular expression that is accepted. */
export const MAX_REGEX_BYTES = 1024;

const NEVER = new LinearRegex('[^\\x00-\\x{10FFFF}]');
const NEVER_STRING: StringMatchConfig = { kind: 'regex', regex: NEVER };

/** Source: envoy.type.matcher.v3.RegexMatcher. A problem when the expression is missing, too long or not RE2. */
export function translateRegex(
  matcher: envoy.type.matcher.v3.RegexMatcher | null,
  path: string,
  findings: Findings,
): LinearRegex {
  if (matcher === null || matcher.regex === '') {
    findings.problem(`${path}.regex`, 'must not be empty');
    return NEVER;
  }
  const bytes = Buffer.byteLength(matcher.regex);
  if (bytes > MAX_REGEX_BYTES) {
    findings.problem(`${path}.regex`, `is ${bytes} bytes long, at most ${MAX_REGEX_BYTES} are accepted`);
    return NEVER;
  }
  try {
    return new LinearRegex(matcher.regex);
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unreadable';
    findings.problem(`${path}.regex`, `is not a regular expression in RE2's syntax: ${reason}`);
    return NEVER;
  }
}

/** Source: envoy.type.matcher.v3.RegexMatchAndSubstitute. */
export function translateSubstitution(
  value: envoy.type.matcher.v3.RegexMatchAndSubstitute,
  path: string,
  findings: Findings,
): { readonly regex: LinearRegex; readonly substitution: string } {
  if (hasControls(value.substitution))
    findings.problem(`${path}.substitution`, 'must not hold CR, LF or NUL');
  if (/\\(?![0-9\\])/.test(value.substitution)) {
    findings.problem(`${path}.substitution`, 'a backslash must be followed by a digit or a backslash');
  }
  return {
    regex: translateRegex(value.pattern, `${path}.pattern`, findings),
    substitution: value.substitution,
  };
}

/** Source: envoy.type.matcher.v3.StringMatcher. */
export function translateStringMatcher(
  matcher: envoy.type.matcher.v3.StringMatcher,
  path: string,
  findings: Findings,
): StringMatchConfig {
  const { ignoreCase } = matcher;
  switch (matcher.matchPattern) {
    case 'exact':
      return { kind: 'exact', value: matcher.exact ?? '', ignoreCase };
    case 'prefix':
    case 'suffix':
    case 'contains': {
      const kind = matcher.matchPattern;
      return { kind, value: requiredText(matcher[kind] ?? '', `${path}.${kind}`, findings), ignoreCase };
    }
    case 'safeRegex':
      if (ignoreCase)
        findings.problem(`${path}.ignore_case`, 'cannot be used with safe_regex: write (?i) in it');
      return { kind: 'regex', regex: translateRegex(matcher.safeRegex, `${path}.safe_regex`, findings) };
    case 'custom':
      findings.problem(`${path}.custom`, 'custom matchers are not supported');
      return NEVER_STRING;
    case undefined:
      findings.problem(path, 'one of exact, prefix, suffix, contains or safe_regex must be set');
      return NEVER_STRING;
  }
}

/** Source: envoy.config.route.v3.HeaderMatcher. */
export function translateHeaderMatcher(
  matcher: envoy.config.route.v3.HeaderMatcher,
  path: string,
  findings: Findings,
): HeaderMatchConfig {
  checkHeaderName(matcher.name, `${path}.name`, findings);
  return {
    name: matcher.name.toLowerCase(),
    match: headerMatch(matcher, path, findings),
    invert: matcher.invertMatch,
    treatMissingAsEmpty: matcher.treatMissingHeaderAsEmpty,
  };
}

function headerMatch(
  matcher: envoy.config.route.v3.HeaderMatcher,
  path: string,
  findings: Findings,
): HeaderMatchConfig['match'] {
  const text = (
    kind: 'exact' | 'prefix' | 'suffix' | 'contains',
    value: string | null,
    field: string,
  ): HeaderMatchConfig['match'] => ({
    kind: 'string',
    matcher: {
      kind,
      value: kind === 'exact' ? (value ?? '') : requiredText(value ?? '', `${path}.${field}`, findings),
      ignoreCase: false,
    },
  });
  switch (matcher.headerMatchSpecifier) {
    case 'stringMatch':
      return {
        kind: 'string',
        matcher:
          matcher.stringMatch === null
            ? NEVER_STRING
            : translateStringMatcher(matcher.stringMatch, `${path}.string_match`, findings),
      };
    case 'exactMatch':
      return text('exact', matcher.exactMatch, 'exact_match');
    case 'prefixMatch':
      return text('prefix', matcher.prefixMatch, 'prefix_match');
    case 'suffixMatch':
      return text('suffix', matcher.suffixMatch, 'suffix_match');
    case 'containsMatch':
      return text('contains', matcher.containsMatch, 'contains_match');
    case 'safeRegexMatch': {
      const regex = translateRegex(matcher.safeRegexMatch, `${path}.safe_regex_match`, findings);
      return { kind: 'string', matcher: { kind: 'regex', regex } };
    }
    case 'rangeMatch': {
      const range = { start: matcher.rangeMatch?.start ?? 0, end: matcher.rangeMatch?.end ?? 0 };
      if (range.end <= range.start) {
        findings.problem(
          `${path}.range_match`,
          `end (${range.end}) must be greater than start (${range.start})`,
        );
      }
      return { kind: 'range', ...range };
    }
    case 'presentMatch':
      return { kind: 'present', present: matcher.presentMatch === true };
    case undefined:
      // Envoy's meaning; a specifier that we do not know is refused as an unknown field.
      return { kind: 'present', present: true };
  }
}

/** Source: envoy.config.route.v3.QueryParameterMatcher. */
export function translateQueryParameterMatcher(
  matcher: envoy.config.route.v3.QueryParameterMatcher,
  path: string,
  findings: Findings,
): QueryParameterMatchConfig {
  requiredText(matcher.name, `${path}.name`, findings);
  if (Buffer.byteLength(matcher.name) > 1024) findings.problem(`${path}.name`, 'is longer than 1024 bytes');
  if (matcher.queryParameterMatchSpecifier === 'stringMatch' && matcher.stringMatch !== null) {
    const string = translateStringMatcher(matcher.stringMatch, `${path}.string_match`, findings);
    return { name: matcher.name, match: { kind: 'string', matcher: string } };
  }
  if (matcher.presentMatch === false) {
    findings.problem(`${path}.present_match`, 'only true is supported: absence cannot be matched');
  }
  return { name: matcher.name, match: { kind: 'present' } };
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const PSEUDO = new Set([':method', ':path', ':authority', ':scheme', ':protocol', ':status']);

/** Whether a text is a header field's name (RFC 9110 section 5.1). */
export function isHeaderName(name: string): boolean {
  return TOKEN.test(name);
}

/** A problem unless `name` is a header's name or a pseudo-header. */
export function checkHeaderName(name: string, path: string, findings: Findings): void {
  if (name === '') findings.problem(path, 'must not be empty');
  else if (!isHeaderName(name) && !PSEUDO.has(name.toLowerCase())) {
    findings.problem(path, `${JSON.stringify(name)} is not a header name`);
  }
}

/** Whether a text holds CR, LF or NUL, which no header value may. */
export function hasControls(value: string): boolean {
  // eslint-disable-next-line no-control-regex
  return /[\r\n\u0000]/.test(value);
}
