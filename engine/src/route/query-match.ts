import type { QueryParameterMatchConfig } from '../config/route-config.js';
import { describeStringMatch, stringMatches } from './string-match.js';

/** The first value of a query parameter of `path`, as it is written there; undefined when there is none. */
export function queryParameter(path: string, name: string): string | undefined {
  let at = path.indexOf('?');
  if (at === -1) return undefined;
  at += 1;
  while (at <= path.length) {
    let end = path.indexOf('&', at);
    if (end === -1) end = path.length;
    const equals = path.indexOf('=', at);
    const nameEnd = equals === -1 || equals > end ? end : equals;
    if (nameEnd - at === name.length && path.startsWith(name, at)) {
      return nameEnd === end ? '' : path.slice(nameEnd + 1, end);
    }
    at = end + 1;
  }
  return undefined;
}

/** Source: envoy.config.route.v3.QueryParameterMatcher; the first value counts, without decoding, as in Envoy. */
export function queryParameterMatches(config: QueryParameterMatchConfig, path: string): boolean {
  const value = queryParameter(path, config.name);
  if (value === undefined) return false;
  return config.match.kind === 'present' || stringMatches(config.match.matcher, value);
}

/** What the matcher wants, in words, for `explain`. */
export function describeQueryMatch(config: QueryParameterMatchConfig): string {
  return config.match.kind === 'present' ? 'present' : describeStringMatch(config.match.matcher);
}
