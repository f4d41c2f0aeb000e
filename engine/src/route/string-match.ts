import type { StringMatchConfig } from '../config/route-config.js';

/** Whether `value` matches. `ignoreCase` compares in lower case. Source: envoy.type.matcher.v3.StringMatcher. */
export function stringMatches(config: StringMatchConfig, value: string): boolean {
  if (config.kind === 'regex') return config.regex.matchesFully(value);
  const wanted = config.ignoreCase ? config.value.toLowerCase() : config.value;
  const given = config.ignoreCase ? value.toLowerCase() : value;
  switch (config.kind) {
    case 'exact':
      return given === wanted;
    case 'prefix':
      return given.startsWith(wanted);
    case 'suffix':
      return given.endsWith(wanted);
    case 'contains':
      return given.includes(wanted);
  }
}

/** The matcher in words, for `explain`: `exact "bob"`, `prefix "/a", any case`. */
export function describeStringMatch(config: StringMatchConfig): string {
  if (config.kind === 'regex') return `regex ${JSON.stringify(config.regex.source)}`;
  return `${config.kind} ${JSON.stringify(config.value)}${config.ignoreCase ? ', any case' : ''}`;
}
