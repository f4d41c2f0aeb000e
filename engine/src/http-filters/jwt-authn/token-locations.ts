import type { RequestHead } from '../../http/message-head.js';
import { pathEnd } from '../../route/path-match.js';
import type { JwtProviderConfig, TokenLocation } from './jwt-authn-config.js';

/** A token as it stands in a request. */
export interface FoundToken {
  readonly location: TokenLocation;
  readonly token: string;
}

const NONE: readonly FoundToken[] = Object.freeze([]);

/** Where RFC 6750 puts tokens: looked at for a provider that names no place. */
const BEARER = { kind: 'header', name: 'authorization', prefix: 'Bearer ' } as const;
const ACCESS_TOKEN = { kind: 'parameter', name: 'access_token', prefix: '' } as const;

type Place = Omit<TokenLocation, 'issuers'>;

/** What a provider's own fields say of where its tokens are. */
export interface TokenSources {
  readonly headers: readonly { readonly name: string; readonly prefix: string }[];
  readonly parameters: readonly string[];
  readonly cookies: readonly string[];
}

/**
 * The places of one or several providers, each once, with the issuers that it is for, in Envoy's order: headers, parameters,
 * cookies, each by name.
 */
export function tokenLocations(
  providers: readonly { readonly issuer: string; readonly sources: TokenSources }[],
): readonly TokenLocation[] {
  const places = new Map<string, { place: Place; issuers: string[] | undefined }>();
  for (const { issuer, sources } of providers) {
    for (const place of placesOf(sources)) {
      const key = `${place.kind} ${place.name} ${place.prefix}`;
      const known = places.get(key);
      if (known === undefined) places.set(key, { place, issuers: issuer === '' ? undefined : [issuer] });
      else if (issuer === '') known.issuers = undefined;
      else known.issuers?.push(issuer);
    }
  }
  return [...places.values()]
    .sort((a, b) => ORDER[a.place.kind] - ORDER[b.place.kind] || compare(textOf(a.place), textOf(b.place)))
    .map(({ place, issuers }) => ({ ...place, issuers }));
}

const ORDER: Readonly<Record<TokenLocation['kind'], number>> = { header: 0, parameter: 1, cookie: 2 };

function textOf(place: Place): string {
  return place.name + place.prefix;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function placesOf({ headers, parameters, cookies }: TokenSources): readonly Place[] {
  if (headers.length + parameters.length + cookies.length === 0) return [BEARER, ACCESS_TOKEN];
  return [
    ...headers.map(({ name, prefix }): Place => ({ kind: 'header', name, prefix })),
    ...parameters.map((name): Place => ({ kind: 'parameter', name, prefix: '' })),
    ...cookies.map((name): Place => ({ kind: 'cookie', name, prefix: '' })),
  ];
}

/**
 * Every token of a request at these places: of a header, parameter or cookie that is there several times, each one, because
 * nobody knows which of them the upstream will believe.
 *
 * Cost: allocates nothing when there is none.
 */
export function findTokens(locations: readonly TokenLocation[], head: RequestHead): readonly FoundToken[] {
  let found: FoundToken[] | undefined;
  for (let i = 0; i < locations.length; i++) {
    const location = locations[i] as TokenLocation;
    switch (location.kind) {
      case 'header':
        found = findInHeaders(location, head, found);
        break;
      case 'parameter':
        found = findInQuery(location, head.path, found);
        break;
      case 'cookie':
        found = findInCookies(location, head, found);
        break;
    }
  }
  return found ?? NONE;
}

function findInHeaders(location: TokenLocation, head: RequestHead, found: FoundToken[] | undefined) {
  const { names, values } = head.headers;
  if (location.name === 'authorization') {
    // Of this field Envoy has one value, whatever the client sent; joined, several are no token.
    const value = head.headers.joined('authorization');
    const token = value === undefined ? undefined : afterPrefix(value, location.prefix);
    return token === undefined ? found : added(found, location, token);
  }
  for (let i = names.indexOf(location.name); i !== -1; i = names.indexOf(location.name, i + 1)) {
    const token = afterPrefix(values[i] as string, location.prefix);
    if (token !== undefined) found = added(found, location, token);
  }
  return found;
}

const TOKEN_START = /[A-Za-z0-9_.-]/;

/** What follows the prefix, from the first character on that a token may begin with; undefined without the prefix. */
function afterPrefix(value: string, prefix: string): string | undefined {
  if (prefix === '') return value;
  const at = value.indexOf(prefix);
  if (at === -1) return undefined;
  const rest = value.slice(at + prefix.length);
  const start = rest.search(TOKEN_START);
  return start === -1 ? value : rest.slice(start);
}

function findInQuery(location: TokenLocation, path: string, found: FoundToken[] | undefined) {
  let at = pathEnd(path) + 1;
  while (at < path.length) {
    const end = segmentEnd(path, at);
    if (isParameter(path, at, end, location.name)) {
      const equals = path.indexOf('=', at);
      found = added(
        found,
        location,
        equals === -1 || equals > end ? '' : decoded(path.slice(equals + 1, end)),
      );
    }
    at = end + 1;
  }
  return found;
}

function segmentEnd(path: string, at: number): number {
  const end = path.indexOf('&', at);
  return end === -1 ? path.length : end;
}

/** Whether `path` has the parameter `name` from `at` to `end`, escaped or not. */
function isParameter(path: string, at: number, end: number, name: string): boolean {
  const equals = path.indexOf('=', at);
  const nameEnd = equals === -1 || equals > end ? end : equals;
  if (nameEnd - at === name.length) return path.startsWith(name, at);
  return nameEnd - at > name.length && decoded(path.slice(at, nameEnd)) === name;
}

function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function findInCookies(location: TokenLocation, head: RequestHead, found: FoundToken[] | undefined) {
  const { names, values } = head.headers;
  for (let i = names.indexOf('cookie'); i !== -1; i = names.indexOf('cookie', i + 1)) {
    for (const pair of (values[i] as string).split(';')) {
      const equals = pair.indexOf('=');
      if (equals === -1 || pair.slice(0, equals).trim() !== location.name) continue;
      found = added(found, location, unquoted(pair.slice(equals + 1).trim()));
    }
  }
  return found;
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

function added(found: FoundToken[] | undefined, location: TokenLocation, token: string): FoundToken[] {
  const one = { location, token };
  if (found === undefined) return [one];
  found.push(one);
  return found;
}

/** Whether tokens of this issuer may stand at this place. */
export function mayHold(location: TokenLocation, issuer: string): boolean {
  return location.issuers === undefined || location.issuers.includes(issuer);
}

/** Takes a token away, so that the upstream does not get it. Cookies stay, as in Envoy. */
export function removeToken(location: TokenLocation, head: RequestHead): void {
  if (location.kind === 'header') head.headers.remove(location.name);
  else if (location.kind === 'parameter') head.path = withoutParameter(head.path, location.name);
}

function withoutParameter(path: string, name: string): string {
  const start = pathEnd(path);
  let kept = '';
  let at = start + 1;
  while (at < path.length) {
    const end = segmentEnd(path, at);
    if (!isParameter(path, at, end, name)) kept += `${kept === '' ? '?' : '&'}${path.slice(at, end)}`;
    at = end + 1;
  }
  return path.slice(0, start) + kept;
}

/** Whose tokens have this issuer: the provider that names it, else the first that names none. */
export function providerOf(
  providers: readonly JwtProviderConfig[],
  issuer: string,
): JwtProviderConfig | undefined {
  return (
    providers.find((provider) => provider.issuer === issuer) ??
    providers.find((provider) => provider.issuer === '')
  );
}
