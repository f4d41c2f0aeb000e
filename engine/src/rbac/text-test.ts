import { isUtf8 } from 'node:buffer';
import type { StringMatchConfig } from '../config/route-config.js';
import { LinearRegex } from '../route/linear-regex.js';
import { Glob } from './glob.js';

/** String matchers made ready: whether a text matches one of them. */
export interface TextTest {
  readonly cost: number;
  matches(value: string): boolean;
}

/**
 * How texts reach a test.
 *
 * `bytes`: one character for each byte, as codecs read headers and paths; otherwise text as it is. `closed` is the answer
 * where a regular expression can have none, because the bytes are no text.
 */
export interface TextForm {
  readonly bytes: boolean;
  readonly closed: boolean;
}

/** Makes matchers ready, of which one has to match. Source: envoy.type.matcher.v3.StringMatcher. */
export function compileTexts(matchers: readonly StringMatchConfig[], form: TextForm): TextTest {
  const exact = new Set<string>();
  const exactAnyCase = new Set<string>();
  const tests: TextTest[] = [];
  for (const matcher of matchers) {
    if (matcher.kind === 'regex') {
      tests.push(new RegexText(matcher.regex, form));
      continue;
    }
    const encoded = form.bytes ? bytesOf(matcher.value) : matcher.value;
    const value = matcher.ignoreCase ? asciiLower(encoded) : encoded;
    if (matcher.kind === 'exact') (matcher.ignoreCase ? exactAnyCase : exact).add(value);
    else tests.push(new PartOfText(matcher.kind, value, matcher.ignoreCase));
  }
  if (exactAnyCase.size > 0) tests.unshift(new AnyCaseText(exactAnyCase));
  if (exact.size > 0) tests.unshift(exact.size === 1 ? new ExactText(exact) : new ListedText(exact));
  return tests.length === 1 ? (tests[0] as TextTest) : new AnyText(tests);
}

class ExactText implements TextTest {
  readonly cost = 1;
  readonly #value: string;

  constructor(values: ReadonlySet<string>) {
    this.#value = [...values][0] as string;
  }

  matches(value: string): boolean {
    return value === this.#value;
  }
}

class ListedText implements TextTest {
  readonly cost = 2;
  readonly #values: ReadonlySet<string>;

  constructor(values: ReadonlySet<string>) {
    this.#values = values;
  }

  matches(value: string): boolean {
    return this.#values.has(value);
  }
}

class AnyCaseText implements TextTest {
  readonly cost = 3;
  readonly #values: ReadonlySet<string>;

  constructor(values: ReadonlySet<string>) {
    this.#values = values;
  }

  matches(value: string): boolean {
    return this.#values.has(asciiLower(value));
  }
}

class PartOfText implements TextTest {
  readonly cost = 2;
  readonly #kind: 'prefix' | 'suffix' | 'contains';
  readonly #part: string;
  readonly #anyCase: boolean;

  constructor(kind: 'prefix' | 'suffix' | 'contains', part: string, anyCase: boolean) {
    this.#kind = kind;
    this.#part = part;
    this.#anyCase = anyCase;
  }

  matches(value: string): boolean {
    const text = this.#anyCase ? asciiLower(value) : value;
    switch (this.#kind) {
      case 'prefix':
        return text.startsWith(this.#part);
      case 'suffix':
        return text.endsWith(this.#part);
      case 'contains':
        return text.includes(this.#part);
    }
  }
}

/** Answers are remembered for so many texts of so many characters: callers and paths come again and again. */
const MOST_REMEMBERED = 64;
const LONGEST_REMEMBERED = 128;

class RegexText implements TextTest {
  readonly cost: number;
  readonly #regex: LinearRegex;
  /** The same for bytes, as Envoy matches them: one character for each. */
  readonly #ofBytes: LinearRegex;
  readonly #glob: Glob | undefined;
  readonly #form: TextForm;
  readonly #remembered = new Map<string, boolean>();

  constructor(regex: LinearRegex, form: TextForm) {
    this.#regex = regex;
    this.#ofBytes = PLAIN.test(regex.source) ? regex : new LinearRegex(bytesOf(regex.source));
    this.#glob = Glob.parse(regex.source);
    this.cost = this.#glob === undefined ? 20 : 4;
    this.#form = form;
  }

  matches(value: string): boolean {
    if (this.#glob !== undefined && PLAIN.test(value)) return this.#glob.matches(value);
    const known = this.#remembered.get(value);
    if (known !== undefined) return known;
    const matches = this.#find(value);
    if (value.length <= LONGEST_REMEMBERED) {
      if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(value, matches);
    }
    return matches;
  }

  #find(value: string): boolean {
    const { bytes, closed } = this.#form;
    if (!bytes || PLAIN.test(value)) return this.#regex.matchesFully(value);
    const text = textOf(value);
    // Bytes that are no text match neither an expression nor its opposite.
    if (text === undefined) return closed;
    const asText = this.#regex.matchesFully(text);
    // Nobody knows whether the service will see bytes or text.
    return asText === closed ? closed : this.#ofBytes.matchesFully(value);
  }
}

class AnyText implements TextTest {
  readonly cost: number;
  readonly #tests: readonly TextTest[];

  constructor(tests: readonly TextTest[]) {
    this.#tests = [...tests].sort((a, b) => a.cost - b.cost);
    this.cost = tests.reduce((sum, test) => sum + test.cost, 0);
  }

  matches(value: string): boolean {
    for (const test of this.#tests) if (test.matches(value)) return true;
    return false;
  }
}

/** Printable ASCII, which is the same as bytes and as text. */
const PLAIN = /^[ -~]*$/;

/** What a text is on the wire, one character for each of its bytes in UTF-8. */
function bytesOf(text: string): string {
  return PLAIN.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** The opposite: undefined when the bytes are not UTF-8. */
function textOf(bytes: string): string | undefined {
  if (PLAIN.test(bytes)) return bytes;
  const buffer = Buffer.from(bytes, 'latin1');
  return isUtf8(buffer) ? buffer.toString('utf8') : undefined;
}

/** Only A to Z, as Envoy does it: in bytes, everything else may be a part of a character. */
function asciiLower(text: string): string {
  return UPPER.test(text) ? text.replace(ALL_UPPER, (found) => found.toLowerCase()) : text;
}

const UPPER = /[A-Z]/;
const ALL_UPPER = /[A-Z]+/g;
