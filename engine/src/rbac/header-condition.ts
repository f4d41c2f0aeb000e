import type { HeaderMatchConfig } from '../config/route-config.js';
import { readRequestHeader } from '../format/operators.js';
import type { HeaderMap } from '../http/header-map.js';
import { inIntegerRange } from '../route/header-match.js';
import type { Condition } from './condition.js';
import type { RbacFacts } from './rbac-facts.js';
import { compileTexts, type TextTest } from './text-test.js';

/** `host` and pseudo-headers, of which a request has one each. */
export function isSingleHeader(name: string): boolean {
  return name.startsWith(':') || name === 'host';
}

/**
 * A condition on a header.
 *
 * Where a field is there more than once, whoever wants to get past the policy decides which value the service looks at. So the
 * answer is the one that refuses, when any value (or all of them joined) leads to it: see `closed`. The same holds for fields
 * whose names differ only by `-`, `_` and `.`, which many services take for one.
 *
 * Source: envoy.config.route.v3.HeaderMatcher. A header that is absent never matches, inverted or not, unless the matcher
 * asks for presence or treats a missing header as empty.
 */
export function headerCondition(config: HeaderMatchConfig, closed: boolean): Condition {
  const { match } = config;
  if (match.kind === 'present') return new HeaderPresence(config, match.present, closed);
  const inner = config.invert ? !closed : closed;
  const test: TextTest =
    match.kind === 'string'
      ? compileTexts([match.matcher], { bytes: true, closed: inner })
      : { cost: 4, matches: (value) => inIntegerRange(value, match.start, match.end) };
  return headerValues(config, test, closed);
}

/** The same for several matchers of one header of which one has to match. */
export function headerValues(
  config: Pick<HeaderMatchConfig, 'name' | 'invert' | 'treatMissingAsEmpty'>,
  test: TextTest,
  closed: boolean,
): Condition {
  return isSingleHeader(config.name)
    ? new SingleHeaderValue(config, test, closed)
    : new HeaderValues(config, test, closed);
}

class SingleHeaderValue implements Condition {
  readonly cost: number;
  readonly #name: string;
  readonly #invert: boolean;
  readonly #treatMissingAsEmpty: boolean;
  readonly #test: TextTest;
  readonly #closed: boolean;

  constructor(
    config: Pick<HeaderMatchConfig, 'name' | 'invert' | 'treatMissingAsEmpty'>,
    test: TextTest,
    closed: boolean,
  ) {
    this.cost = 1 + test.cost;
    this.#name = config.name;
    this.#invert = config.invert;
    this.#treatMissingAsEmpty = config.treatMissingAsEmpty;
    this.#test = test;
    this.#closed = closed;
  }

  matches({ request }: RbacFacts): boolean {
    if (request === undefined) return this.#closed;
    const value = readRequestHeader(request, this.#name);
    if (value === undefined && !this.#treatMissingAsEmpty) return false;
    return this.#test.matches(value ?? '') !== this.#invert;
  }
}

class HeaderValues implements Condition {
  readonly cost: number;
  readonly #name: string;
  readonly #hasAliases: boolean;
  readonly #invert: boolean;
  readonly #treatMissingAsEmpty: boolean;
  readonly #test: TextTest;
  readonly #closed: boolean;

  constructor(
    config: Pick<HeaderMatchConfig, 'name' | 'invert' | 'treatMissingAsEmpty'>,
    test: TextTest,
    closed: boolean,
  ) {
    this.cost = 3 + test.cost;
    this.#name = config.name;
    this.#hasAliases = SEPARATOR.test(config.name);
    this.#invert = config.invert;
    this.#treatMissingAsEmpty = config.treatMissingAsEmpty;
    this.#test = test;
    this.#closed = closed;
  }

  matches({ request }: RbacFacts): boolean {
    if (request === undefined) return this.#closed;
    const { headers } = request;
    const { names, values } = headers;
    const wanted = this.#name;
    let own = 0;
    let aliases = 0;
    let matching = 0;
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      if (name === wanted) own++;
      else if (this.#hasAliases && isAlias(name, wanted)) aliases++;
      else continue;
      if (this.#test.matches(values[i] as string) !== this.#invert) matching++;
    }
    if (own + aliases === 0) return this.#ifMissing();
    if (this.#closed) {
      if (matching > 0) return true;
      // A service may see a repeated field as one list, and not see an alias at all.
      if (own > 1 && !this.#invert) return this.#test.matches(headers.joined(wanted) as string);
      return own === 0 && this.#ifMissing();
    }
    return matching === own + aliases && (own > 0 || this.#ifMissing());
  }

  #ifMissing(): boolean {
    return this.#treatMissingAsEmpty && this.#test.matches('') !== this.#invert;
  }
}

class HeaderPresence implements Condition {
  readonly cost = 2;
  readonly #name: string;
  /** What a header that is there, or absent, comes to. */
  readonly #ifPresent: boolean;
  readonly #treatMissingAsEmpty: boolean;
  readonly #closed: boolean;

  constructor(config: HeaderMatchConfig, present: boolean, closed: boolean) {
    this.#name = config.name;
    this.#ifPresent = present !== config.invert;
    this.#treatMissingAsEmpty = config.treatMissingAsEmpty;
    this.#closed = closed;
  }

  matches({ request }: RbacFacts): boolean {
    if (request === undefined) return this.#closed;
    const name = this.#name;
    if (this.#treatMissingAsEmpty || readRequestHeader(request, name) !== undefined) return this.#ifPresent;
    return hasAlias(request.headers, name) ? this.#closed : !this.#ifPresent;
  }
}

const SEPARATOR = /[-_.]/;

function hasAlias({ names }: HeaderMap, wanted: string): boolean {
  return SEPARATOR.test(wanted) && names.some((name) => isAlias(name, wanted));
}

/** Whether two names differ, and by nothing but `-`, `_` and `.`. */
function isAlias(name: string, wanted: string): boolean {
  if (name.length !== wanted.length || name === wanted) return false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    const other = wanted.charCodeAt(i);
    if (code !== other && !(isSeparator(code) && isSeparator(other))) return false;
  }
  return true;
}

const isSeparator = (code: number): boolean => code === 0x2d || code === 0x2e || code === 0x5f;
