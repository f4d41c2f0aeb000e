import { envoy, packAny, type google } from '@heddle/xds-protos';
import type {
  CorsRules,
  ForwardTo,
  HeaderEdits,
  HttpFault,
  HttpMatch,
  HttpRoute,
  HttpRouteAction,
  TextMatch,
  WeightedDestination,
} from '../model/http-route.js';
import { duration, fractionalPercent } from './proto-values.js';
import { IDEMPOTENT_MATCH, planRetries } from './translate-retries.js';

type Route = envoy.config.route.v3.IRoute;
type RouteMatch = envoy.config.route.v3.IRouteMatch;

/** What a route needs to know of where it stands. */
export interface RouteContext {
  /** The cluster of a destination; undefined when there is no such service or port. */
  readonly clusterOf: (destination: {
    readonly host: string;
    readonly port: number | undefined;
    readonly subset: string;
  }) => string;
  /** Set: the Host header is replaced by it, unless a rule replaces it. */
  readonly authority: string;
  /** Whether the proxy can copy requests. */
  readonly mirrors: boolean;
  readonly hashPolicyOf: (destination: {
    readonly host: string;
    readonly port: number | undefined;
    readonly subset: string;
  }) => envoy.config.route.v3.RouteAction.IHashPolicy | undefined;
}

/** A rule as Envoy routes: one for each of its matches that hold here, in order; two where its methods are retried differently. */
export function translateRoute(
  route: HttpRoute,
  matches: readonly (HttpMatch | undefined)[],
  context: RouteContext,
): Route[] {
  return matches.flatMap((match) => {
    const perFilter = perFilterConfigOf(route);
    const common: Route = {
      name: match === undefined || match.name === '' ? route.name : `${route.name}.${match.name}`,
      match: matchOf(match),
      ...actionOf(route.action, match, context),
      requestHeadersToAdd: additionsOf(route.requestHeaders),
      requestHeadersToRemove: [...route.requestHeaders.remove],
      responseHeadersToAdd: additionsOf(route.responseHeaders),
      responseHeadersToRemove: [...route.responseHeaders.remove],
      ...(perFilter === undefined ? {} : { typedPerFilterConfig: perFilter }),
    };
    if (route.action.kind !== 'forward' || common.route == null) return [common];
    const { retries } = route.action;
    const { policy, otherMethods } = planRetries(retries, match, (common.route.hashPolicy?.length ?? 0) > 0);
    const retried = (retryPolicy: typeof policy): Route =>
      retryPolicy === undefined ? common : { ...common, route: { ...common.route, retryPolicy } };
    if (otherMethods === undefined) return [retried(policy)];
    const headers = [...(common.match?.headers ?? []), IDEMPOTENT_MATCH];
    return [{ ...retried(policy), match: { ...common.match, headers } }, retried(otherMethods.policy)];
  });
}

function matchOf(match: HttpMatch | undefined): RouteMatch {
  if (match === undefined) return { prefix: '/' };
  const headers: envoy.config.route.v3.IHeaderMatcher[] = [];
  for (const [name, text] of [
    [':method', match.method],
    [':authority', match.authority],
    [':scheme', match.scheme],
  ] as const) {
    if (text !== undefined) headers.push(headerMatchOf(name, text, false));
  }
  for (const { name, match: text, invert } of match.headers) headers.push(headerMatchOf(name, text, invert));
  return {
    ...pathMatchOf(match.path),
    ...(match.path?.ignoreCase === true && match.path.kind !== 'regex'
      ? { caseSensitive: { value: false } }
      : {}),
    headers,
    queryParameters: match.queryParameters.map(({ name, match: text }) =>
      text.kind === 'present' ? { name, presentMatch: true } : { name, stringMatch: stringMatchOf(text) },
    ),
  };
}

function pathMatchOf(path: HttpMatch['path']): RouteMatch {
  switch (path?.kind) {
    case undefined:
      return { prefix: '/' };
    case 'exact':
      return { path: path.value };
    case 'prefix':
      return { prefix: path.value };
    case 'path-prefix':
      return { pathSeparatedPrefix: path.value };
    case 'regex':
      return { safeRegex: { regex: path.ignoreCase ? `(?i)${path.value}` : path.value } };
  }
}

/** A matcher of one header. */
export function headerMatchOf(
  name: string,
  match: TextMatch,
  invert: boolean,
): envoy.config.route.v3.IHeaderMatcher {
  const inverted = invert ? { invertMatch: true } : {};
  if (match.kind === 'present') return { name, presentMatch: true, ...inverted };
  return { name, stringMatch: stringMatchOf(match), ...inverted };
}

function stringMatchOf(match: Exclude<TextMatch, { kind: 'present' }>): envoy.type.matcher.v3.IStringMatcher {
  switch (match.kind) {
    case 'exact':
      return { exact: match.value };
    // Envoy refuses an empty prefix, which matches everything.
    case 'prefix':
      return { prefix: match.value };
    case 'regex':
      return { safeRegex: { regex: match.value } };
  }
}

function actionOf(action: HttpRouteAction, match: HttpMatch | undefined, context: RouteContext): Route {
  switch (action.kind) {
    case 'redirect':
      return { redirect: redirectOf(action, match) };
    case 'direct-response':
      return {
        directResponse: {
          status: action.status,
          ...(action.body.length === 0 ? {} : { body: { inlineBytes: action.body } }),
        },
      };
    case 'forward':
      return action.destinations.every(({ weight }) => weight === 0)
        ? { directResponse: { status: 500 } }
        : { route: forwardOf(action, match, context) };
  }
}

const redirectCodes: Readonly<Record<number, number>> = { 301: 0, 302: 1, 303: 2, 307: 3, 308: 4 };

function redirectOf(
  action: Extract<HttpRouteAction, { kind: 'redirect' }>,
  match: HttpMatch | undefined,
): envoy.config.route.v3.IRedirectAction {
  return {
    ...(action.scheme === '' ? {} : { schemeRedirect: action.scheme }),
    hostRedirect: action.authority,
    ...(action.port === undefined ? {} : { portRedirect: action.port }),
    ...(action.path === undefined
      ? {}
      : action.path.kind === 'full'
        ? { pathRedirect: action.path.value }
        : prefixRewriteOf(action.path.value, match)),
    responseCode: redirectCodes[action.status] ?? 0,
  };
}

/** Replaces the matched prefix; a prefix that ends at `/` must not leave two of them behind. */
function prefixRewriteOf(
  value: string,
  match: HttpMatch | undefined,
): { prefixRewrite: string } | { regexRewrite: envoy.type.matcher.v3.IRegexMatchAndSubstitute } {
  const prefix = match?.path?.kind === 'path-prefix' ? match.path.value : undefined;
  if (prefix === undefined || value.replace(/\/+$/, '') !== '') return { prefixRewrite: value };
  return { regexRewrite: { pattern: { regex: `^${escapeRegex(prefix)}/*` }, substitution: '/' } };
}

/** A regular expression that matches this very text. */
export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function forwardOf(
  action: ForwardTo,
  match: HttpMatch | undefined,
  context: RouteContext,
): envoy.config.route.v3.IRouteAction {
  const { rewritePath } = action;
  const authority = action.rewriteAuthority || context.authority;
  return {
    ...targetOf(action.destinations, context),
    ...(rewritePath?.kind === 'prefix' ? prefixRewriteOf(rewritePath.value, match) : {}),
    ...(rewritePath?.kind === 'full'
      ? {
          regexRewrite: {
            pattern: { regex: '/.*' },
            substitution: rewritePath.value.replaceAll('\\', '\\\\'),
          },
        }
      : {}),
    ...(rewritePath?.kind === 'regex'
      ? { regexRewrite: { pattern: { regex: rewritePath.regex }, substitution: rewritePath.substitution } }
      : {}),
    ...(authority === '' ? {} : { hostRewriteLiteral: authority }),
    // Envoy's own default is 15 s; Istio's is none, and what is not said must not cut a long answer off.
    timeout: duration(action.timeoutMs ?? 0),
    requestMirrorPolicies: (context.mirrors ? action.mirrors : []).map((mirror) => ({
      cluster: context.clusterOf(mirror),
      runtimeFraction: { defaultValue: fractionalPercent(mirror.percent) },
    })),
    ...hashPoliciesOf(action.destinations, context),
    // The deadlines of calls by gRPC hold as far as that. With `max_stream_duration` Envoy would pass over `timeout`.
    maxGrpcTimeout: duration(action.timeoutMs ?? 0),
  };
}

/** Of all destinations: with those of its choice, Envoy hashes for each in the same way. */
function hashPoliciesOf(
  destinations: readonly WeightedDestination[],
  context: RouteContext,
): { readonly hashPolicy?: envoy.config.route.v3.RouteAction.IHashPolicy[] } {
  const policies = new Map<string, envoy.config.route.v3.RouteAction.IHashPolicy>();
  for (const destination of destinations) {
    const policy = context.hashPolicyOf(destination);
    if (policy !== undefined) policies.set(JSON.stringify(policy), policy);
  }
  return policies.size === 0 ? {} : { hashPolicy: [...policies.values()] };
}

function targetOf(
  destinations: readonly WeightedDestination[],
  context: RouteContext,
): envoy.config.route.v3.IRouteAction {
  const [first] = destinations;
  if (first !== undefined && destinations.length === 1 && !hasEdits(first))
    return { cluster: context.clusterOf(first) };
  return {
    weightedClusters: {
      clusters: destinations.map((destination) => ({
        name: context.clusterOf(destination),
        weight: { value: destination.weight },
        requestHeadersToAdd: additionsOf(destination.requestHeaders),
        requestHeadersToRemove: [...destination.requestHeaders.remove],
        responseHeadersToAdd: additionsOf(destination.responseHeaders),
        responseHeadersToRemove: [...destination.responseHeaders.remove],
      })),
    },
  };
}

function hasEdits({ requestHeaders, responseHeaders }: WeightedDestination): boolean {
  return [requestHeaders, responseHeaders].some(
    ({ set, add, remove }) => set.length + add.length + remove.length > 0,
  );
}

const { OVERWRITE_IF_EXISTS_OR_ADD, APPEND_IF_EXISTS_OR_ADD } =
  envoy.config.core.v3.HeaderValueOption.HeaderAppendAction;

function additionsOf(edits: HeaderEdits): envoy.config.core.v3.IHeaderValueOption[] {
  const option =
    (action: number) =>
    ([key, value]: readonly [string, string]): envoy.config.core.v3.IHeaderValueOption => ({
      header: { key, value },
      appendAction: action,
      ...(value === '' ? { keepEmptyValue: true } : {}),
    });
  return [
    ...edits.set.map(option(OVERWRITE_IF_EXISTS_OR_ADD)),
    ...edits.add.map(option(APPEND_IF_EXISTS_OR_ADD)),
  ];
}

export const faultFilterName = 'envoy.filters.http.fault';
export const corsFilterName = 'envoy.filters.http.cors';

/** Marked optional: a proxy that lacks the filter serves the route without it. */
function perFilterConfigOf(route: HttpRoute): Record<string, google.protobuf.IAny> | undefined {
  const cors = route.action.kind === 'forward' ? route.action.cors : undefined;
  if (route.fault === undefined && cors === undefined) return undefined;
  const optional = (config: google.protobuf.IAny): google.protobuf.IAny =>
    packAny(envoy.config.route.v3.FilterConfig, { config, isOptional: true });
  return {
    ...(cors === undefined ? {} : { [corsFilterName]: optional(corsOf(cors)) }),
    ...(route.fault === undefined ? {} : { [faultFilterName]: optional(faultOf(route.fault)) }),
  };
}

function faultOf({ delay, abort }: HttpFault): google.protobuf.IAny {
  return packAny(envoy.extensions.filters.http.fault.v3.HTTPFault, {
    ...(delay === undefined
      ? {}
      : { delay: { fixedDelay: duration(delay.fixedMs), percentage: fractionalPercent(delay.percent) } }),
    ...(abort === undefined
      ? {}
      : { abort: { httpStatus: abort.status, percentage: fractionalPercent(abort.percent) } }),
  });
}

function corsOf(cors: CorsRules): google.protobuf.IAny {
  return packAny(envoy.extensions.filters.http.cors.v3.CorsPolicy, {
    allowOriginStringMatch: cors.allowOrigins.flatMap((match) =>
      match.kind === 'present' ? [] : [stringMatchOf(match)],
    ),
    allowMethods: cors.allowMethods.join(','),
    allowHeaders: cors.allowHeaders.join(','),
    exposeHeaders: cors.exposeHeaders.join(','),
    ...(cors.maxAgeSeconds === undefined ? {} : { maxAge: String(cors.maxAgeSeconds) }),
    ...(cors.allowCredentials === undefined ? {} : { allowCredentials: { value: cors.allowCredentials } }),
    filterEnabled: { defaultValue: fractionalPercent(100) },
  });
}
