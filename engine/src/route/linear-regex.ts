import { RE2JS } from 're2js';

/**
 * A regular expression written by a user, in RE2's syntax, whose matching time is linear in the input.
 * Source: envoy.type.matcher.v3.RegexMatcher (Google RE2).
 */
export class LinearRegex {
  readonly source: string;
  readonly #compiled: RE2JS;

  /** Throws re2js's syntax error when `source` is not RE2. */
  constructor(source: string) {
    this.source = source;
    this.#compiled = RE2JS.compile(source);
  }

  /** Whether the whole of `text` matches, as Envoy asks of paths and header values. */
  matchesFully(text: string): boolean {
    return this.#compiled.matches(text);
  }

  /** Replaces every match; `substitution` uses `\1` for groups and `\\` for a backslash, as RE2 does. */
  replaceAll(text: string, substitution: string): string {
    return this.#compiled.matcher(text).replaceAll(toRe2js(substitution));
  }
}

/** RE2's `\1` is re2js's `$1`, and a dollar sign is nothing special in RE2. */
function toRe2js(substitution: string): string {
  return substitution.replace(/\\(\d)|\\\\|\$/g, (found, group: string | undefined) =>
    group === undefined ? (found === '$' ? '$$' : '\\') : `$${group}`,
  );
}
