import { describeError } from '@heddle/common';
import { LinearRegex } from '@heddle/engine';
import { text, type AdminResponse } from './admin-page.js';

/** Whoever may read the pages may send any pattern: short ones, matched in linear time. */
const MAX_PATTERN = 1024;

/**
 * The regular expression of a query parameter, in RE2's syntax, found anywhere in a name as Envoy does.
 *
 * Errors: a 400 for people.
 */
export function nameFilter(
  query: URLSearchParams,
  parameter: string,
): { readonly matches: (name: string) => boolean } | { readonly refused: AdminResponse } {
  const pattern = query.get(parameter);
  if (pattern === null || pattern === '') return { matches: () => true };
  if (pattern.length > MAX_PATTERN) {
    return { refused: text(`Invalid re2 regex: longer than ${MAX_PATTERN} characters\n`, 400) };
  }
  try {
    const regex = new LinearRegex(`(?s:.*)(?:${pattern})(?s:.*)`);
    // The pattern alone must be one: parentheses of its own must not close ours.
    void new LinearRegex(pattern);
    return { matches: (name) => regex.matchesFully(name) };
  } catch (thrown) {
    return { refused: text(`Invalid re2 regex: ${describeError(thrown)}\n`, 400) };
  }
}
