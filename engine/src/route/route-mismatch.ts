import type { RouteEntryConfig } from '../config/route-config.js';
import { readRequestHeader } from '../format/operators.js';
import type { RequestHead } from '../http/message-head.js';
import { describeHeaderMatch, headerMatches } from './header-match.js';
import { describeQueryMatch, queryParameter, queryParameterMatches } from './query-match.js';

/**
 * Why a route does not match; 0 when it does.
 *
 * Shape: the low byte is the kind; for headers and query parameters the rest is the index of the matcher that said no.
 */
export const MISMATCH = {
  none: 0,
  path: 1,
  header: 2,
  query: 3,
  fraction: 4,
  notGrpc: 5,
  notConnect: 6,
  noPath: 7,
} as const;

/**
 * The one predicate of a route: index, linear walk and `explain` all ask it.
 *
 * `path` is the request's path as matching sees it (`pathForMatching`), `randomValue` one draw in [0, 1) for the request.
 * Cost: allocates nothing, apart from what a regular expression or a joined header needs.
 */
export function mismatch(
  route: Pick<RouteEntryConfig, 'match'>,
  head: RequestHead,
  path: string,
  randomValue: number,
): number {
  const { match } = route;
  const wanted = match.path;
  if (wanted.kind === 'connect') {
    if (head.method !== 'CONNECT') return MISMATCH.notConnect;
  } else {
    // CONNECT without a path matches connect matchers alone.
    if (path === '') return MISMATCH.noPath;
    if (!pathMatches(route, path)) return MISMATCH.path;
  }
  const { headers, queryParameters } = match;
  for (let i = 0; i < headers.length; i++) {
    if (!headerMatches(headers[i] as (typeof headers)[0], head)) return MISMATCH.header | (i << 8);
  }
  for (let i = 0; i < queryParameters.length; i++) {
    if (!queryParameterMatches(queryParameters[i] as (typeof queryParameters)[0], head.path)) {
      return MISMATCH.query | (i << 8);
    }
  }
  if (match.grpcOnly && !isGrpc(head)) return MISMATCH.notGrpc;
  return match.runtimeFraction < 1 && randomValue >= match.runtimeFraction
    ? MISMATCH.fraction
    : MISMATCH.none;
}

/** Whether a route asks for an exact path or a prefix and nothing more: `mismatch` can then only be of the path. */
export function asksForPathAlone({ match }: RouteEntryConfig): boolean {
  const { kind } = match.path;
  return (
    (kind === 'exact' || kind === 'prefix') &&
    match.headers.length === 0 &&
    match.queryParameters.length === 0 &&
    !match.grpcOnly &&
    match.runtimeFraction >= 1
  );
}

function pathMatches(route: Pick<RouteEntryConfig, 'match'>, path: string): boolean {
  const wanted = route.match.path;
  if (wanted.kind === 'connect') return true;
  if (wanted.kind === 'regex') return wanted.regex.matchesFully(path);
  const { caseSensitive } = route.match;
  const value = caseSensitive ? wanted.value : wanted.value.toLowerCase();
  const given = caseSensitive ? path : path.toLowerCase();
  switch (wanted.kind) {
    case 'exact':
      return given === value;
    case 'prefix':
      return given.startsWith(value);
    case 'path-separated-prefix':
      return (
        given.startsWith(value) && (given.length === value.length || given.charCodeAt(value.length) === 47)
      );
  }
}

/** Whether the request says that it is gRPC: `application/grpc`, alone or followed by `+`. */
export function isGrpc(head: RequestHead): boolean {
  const type = head.headers.get('content-type');
  return (
    type !== undefined &&
    type.startsWith('application/grpc') &&
    (type.length === 16 || type.charCodeAt(16) === 43)
  );
}

/** A mismatch in words, with what was wanted and what was found. */
export function describeMismatch(
  code: number,
  route: RouteEntryConfig,
  head: RequestHead,
  path: string,
): string {
  const index = code >>> 8;
  switch (code & 0xff) {
    case MISMATCH.none:
      return 'matches';
    case MISMATCH.path:
      return `path ${JSON.stringify(path)} is not ${describePath(route)}`;
    case MISMATCH.header: {
      const matcher = route.match.headers[index];
      if (matcher === undefined) return 'a header does not match';
      const value = readRequestHeader(head, matcher.name);
      const found = value === undefined ? 'absent' : JSON.stringify(value);
      return `header ${matcher.name} is ${found}, wanted ${describeHeaderMatch(matcher)}`;
    }
    case MISMATCH.query: {
      const matcher = route.match.queryParameters[index];
      if (matcher === undefined) return 'a query parameter does not match';
      const value = queryParameter(head.path, matcher.name);
      const found = value === undefined ? 'absent' : JSON.stringify(value);
      return `query parameter ${matcher.name} is ${found}, wanted ${describeQueryMatch(matcher)}`;
    }
    case MISMATCH.fraction:
      return `the request is not in the share of ${route.match.runtimeFraction * 100} % that this route takes`;
    case MISMATCH.notGrpc:
      return 'the request is not gRPC (content-type is not application/grpc)';
    case MISMATCH.notConnect:
      return `the method is ${head.method}, wanted CONNECT`;
    case MISMATCH.noPath:
      return 'the request has no path';
    default:
      return `does not match (code ${code})`;
  }
}

/** The path matcher in words. */
export function describePath(route: RouteEntryConfig): string {
  const wanted = route.match.path;
  const anyCase = route.match.caseSensitive ? '' : ', any case';
  switch (wanted.kind) {
    case 'connect':
      return 'CONNECT';
    case 'regex':
      return `regex ${JSON.stringify(wanted.regex.source)}`;
    default:
      return `${wanted.kind} ${JSON.stringify(wanted.value)}${anyCase}`;
  }
}
