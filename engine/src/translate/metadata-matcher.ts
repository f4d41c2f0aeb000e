import type { envoy } from '@heddle/xds-protos';
import type { MetadataMatchConfig, ValueMatchConfig } from '../config/rbac-config.js';
import type { Findings } from './findings.js';
import { translateStringMatcher } from './matchers.js';
import { requiredText } from './proto-values.js';

const NEVER: ValueMatchConfig = { kind: 'or', matchers: [] };

/** Source: envoy.type.matcher.v3.MetadataMatcher. */
export function translateMetadataMatcher(
  matcher: envoy.type.matcher.v3.MetadataMatcher,
  path: string,
  findings: Findings,
): MetadataMatchConfig {
  if (matcher.path.length === 0) findings.problem(`${path}.path`, 'must have at least one entry');
  return {
    filter: requiredText(matcher.filter, `${path}.filter`, findings),
    path: matcher.path.map(({ key }, i) => requiredText(key ?? '', `${path}.path[${i}].key`, findings)),
    value: translateValueMatcher(matcher.value, `${path}.value`, findings),
    invert: matcher.invert,
  };
}

function translateValueMatcher(
  matcher: envoy.type.matcher.v3.ValueMatcher | null,
  path: string,
  findings: Findings,
): ValueMatchConfig {
  switch (matcher?.matchPattern) {
    case 'nullMatch':
      return { kind: 'null' };
    case 'boolMatch':
      return { kind: 'bool', value: matcher.boolMatch === true };
    case 'presentMatch':
      return { kind: 'present', present: matcher.presentMatch === true };
    case 'stringMatch':
      if (matcher.stringMatch === null) break;
      return {
        kind: 'string',
        matcher: translateStringMatcher(matcher.stringMatch, `${path}.string_match`, findings),
      };
    case 'doubleMatch':
      return translateDoubleMatcher(matcher.doubleMatch, `${path}.double_match`, findings);
    case 'listMatch': {
      const entry = matcher.listMatch?.oneOf ?? null;
      return { kind: 'list', entry: translateValueMatcher(entry, `${path}.list_match.one_of`, findings) };
    }
    case 'orMatch': {
      const matchers = matcher.orMatch?.valueMatchers ?? [];
      const at = `${path}.or_match.value_matchers`;
      if (matchers.length < 2) findings.problem(at, 'must have at least two entries');
      return {
        kind: 'or',
        matchers: matchers.map((one, i) => translateValueMatcher(one, `${at}[${i}]`, findings)),
      };
    }
    case undefined:
  }
  findings.problem(path, 'must say what the value has to be');
  return NEVER;
}

function translateDoubleMatcher(
  matcher: envoy.type.matcher.v3.DoubleMatcher | null,
  path: string,
  findings: Findings,
): ValueMatchConfig {
  switch (matcher?.matchPattern) {
    case 'exact':
      return { kind: 'number', value: matcher.exact ?? 0 };
    case 'range':
      return { kind: 'range', start: matcher.range?.start ?? 0, end: matcher.range?.end ?? 0 };
    case undefined:
      findings.problem(path, 'one of range or exact must be set');
      return NEVER;
  }
}
