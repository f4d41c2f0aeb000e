import { parseDurationMs } from '@heddle/common';
import { exportToOf } from './build-services.js';
import { resolveHost } from './hostname.js';
import type {
  HeaderEdits,
  HttpMatch,
  HttpRoute,
  HttpRouteAction,
  TextMatch,
  WeightedDestination,
} from './http-route.js';
import type {
  ConnectionDestination,
  ConnectionMatch,
  RouteBinding,
  TcpRoute,
  TlsRoute,
} from './mesh-model.js';
import type { MeshResource } from './mesh-resource.js';
import type { DestinationSpec, HeaderEditsSpec, StringMatchSpec } from './specs/shared-fields.js';
import type {
  HttpMatchSpec,
  HttpRuleSpec,
  RouteDestinationSpec,
  VirtualServiceSpec,
} from './specs/virtual-service.js';

export const noHeaderEdits: HeaderEdits = { set: [], add: [], remove: [] };

/** A `VirtualService`, with its short names resolved. */
export function bindingOfVirtualService(resource: MeshResource): RouteBinding {
  const spec = resource.spec as VirtualServiceSpec;
  const { namespace, name } = resource;
  return {
    key: resource.key,
    name,
    namespace,
    hosts: spec.hosts.map((host) => resolveHost(host, namespace)),
    gateways:
      spec.gateways === undefined || spec.gateways.length === 0
        ? ['mesh']
        : spec.gateways.map((gateway) => gatewayKey(gateway, namespace)),
    gatewayServers: undefined,
    exportTo: exportToOf(spec.exportTo, namespace),
    routes: (spec.http ?? []).map((rule, i) =>
      routeOf(rule, namespace, `${namespace}/${name}/${rule.name ?? i}`),
    ),
    tcpRoutes: (spec.tcp ?? []).map((rule): TcpRoute => ({
      matches: (rule.match ?? []).map((match) => connectionMatchOf(match, namespace)),
      destinations: connectionDestinationsOf(rule.route, namespace),
    })),
    tlsRoutes: (spec.tls ?? []).map((rule): TlsRoute => ({
      matches: rule.match.map((match) => ({
        ...connectionMatchOf(match, namespace),
        serverNames: match.sniHosts.map((name) => name.toLowerCase()),
      })),
      destinations: connectionDestinationsOf(rule.route, namespace),
    })),
  };
}

function connectionMatchOf(
  match: { readonly port?: number; readonly gateways?: readonly string[] },
  namespace: string,
): ConnectionMatch {
  return { port: match.port, gateways: match.gateways?.map((gateway) => gatewayKey(gateway, namespace)) };
}

function connectionDestinationsOf(
  routes: readonly { readonly destination: DestinationSpec; readonly weight?: number }[],
  namespace: string,
): ConnectionDestination[] {
  return routes.map(({ destination, weight }) => ({
    ...resolved(destination, namespace),
    weight: weight ?? (routes.length === 1 ? 100 : 0),
  }));
}

/** `NAMESPACE/NAME`, or `mesh`. */
export function gatewayKey(gateway: string, namespace: string): string {
  if (gateway === 'mesh') return gateway;
  if (gateway.startsWith('./')) return `${namespace}/${gateway.slice(2)}`;
  return gateway.includes('/') ? gateway : `${namespace}/${gateway}`;
}

function routeOf(rule: HttpRuleSpec, namespace: string, name: string): HttpRoute {
  return {
    name,
    matches: (rule.match ?? []).map((match) => matchOf(match, namespace)),
    action: actionOf(rule, namespace),
    requestHeaders: editsOf(rule.headers, 'request'),
    responseHeaders: editsOf(rule.headers, 'response'),
    fault: faultOf(rule.fault),
    rank: undefined,
  };
}

function matchOf(match: HttpMatchSpec, namespace: string): HttpMatch {
  const uri = match.uri === undefined ? undefined : textMatch(match.uri);
  const headers = (
    spec: Readonly<Record<string, StringMatchSpec>> | undefined,
    invert: boolean,
  ): HttpMatch['headers'] =>
    Object.entries(spec ?? {}).map(([name, value]) => ({
      name: name.toLowerCase(),
      match: textMatch(value),
      invert,
    }));
  return {
    name: match.name ?? '',
    path:
      uri === undefined || uri.kind === 'present'
        ? undefined
        : { kind: uri.kind, value: uri.value, ignoreCase: match.ignoreUriCase ?? false },
    scheme: optionalMatch(match.scheme),
    method: optionalMatch(match.method),
    authority: optionalMatch(match.authority),
    headers: [...headers(match.headers, false), ...headers(match.withoutHeaders, true)].sort(byName),
    queryParameters: Object.entries(match.queryParams ?? {})
      .map(([name, value]) => ({ name, match: textMatch(value) }))
      .sort(byName),
    port: match.port,
    sourceLabels: match.sourceLabels ?? {},
    sourceNamespace: match.sourceNamespace ?? '',
    gateways: match.gateways?.map((gateway) => gatewayKey(gateway, namespace)),
  };
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function optionalMatch(spec: StringMatchSpec | undefined): TextMatch | undefined {
  return spec === undefined ? undefined : textMatch(spec);
}

/** Istio's StringMatch; nothing set asks for presence. */
export function textMatch(spec: StringMatchSpec): TextMatch {
  if (spec.exact !== undefined) return { kind: 'exact', value: spec.exact };
  if (spec.prefix !== undefined) return { kind: 'prefix', value: spec.prefix };
  if (spec.regex !== undefined) return { kind: 'regex', value: spec.regex };
  return { kind: 'present' };
}

function actionOf(rule: HttpRuleSpec, namespace: string): HttpRouteAction {
  const { redirect, directResponse } = rule;
  if (redirect !== undefined) {
    return {
      kind: 'redirect',
      scheme: redirect.scheme ?? '',
      authority: redirect.authority ?? '',
      port: redirect.port,
      path: redirect.uri === undefined ? undefined : { kind: 'full', value: redirect.uri },
      status: redirect.redirectCode ?? 301,
    };
  }
  if (directResponse !== undefined) {
    const { string, bytes } = directResponse.body ?? {};
    const body = bytes === undefined ? Buffer.from(string ?? '') : Buffer.from(bytes, 'base64');
    return { kind: 'direct-response', status: directResponse.status, body };
  }
  return forwardOf(rule, namespace);
}

function forwardOf(rule: HttpRuleSpec, namespace: string): HttpRouteAction {
  const { rewrite, retries, corsPolicy } = rule;
  const routes = rule.route ?? [];
  const timeoutMs = durationOf(rule.timeout);
  return {
    kind: 'forward',
    destinations: routes.map((route) => destinationOf(route, namespace, routes.length)),
    rewritePath:
      rewrite?.uriRegexRewrite !== undefined
        ? {
            kind: 'regex',
            regex: rewrite.uriRegexRewrite.match,
            substitution: rewrite.uriRegexRewrite.rewrite,
          }
        : rewrite?.uri === undefined
          ? undefined
          : { kind: 'prefix', value: rewrite.uri },
    rewriteAuthority: rewrite?.authority ?? '',
    timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
    retries:
      retries === undefined
        ? undefined
        : {
            attempts: retries.attempts ?? 2,
            perTryTimeoutMs: durationOf(retries.perTryTimeout),
            retryOn: retries.retryOn ?? '',
            statusCodes: [],
            backoffMs: durationOf(retries.backoff),
            ignorePreviousHosts: retries.retryIgnorePreviousHosts ?? true,
          },
    mirrors: mirrorsOf(rule, namespace),
    cors:
      corsPolicy === undefined
        ? undefined
        : {
            allowOrigins: [
              ...(corsPolicy.allowOrigin ?? []).map((value): TextMatch => ({ kind: 'exact', value })),
              ...(corsPolicy.allowOrigins ?? []).map(textMatch),
            ],
            allowMethods: corsPolicy.allowMethods ?? [],
            allowHeaders: corsPolicy.allowHeaders ?? [],
            exposeHeaders: corsPolicy.exposeHeaders ?? [],
            maxAgeSeconds:
              corsPolicy.maxAge === undefined
                ? undefined
                : Math.floor((durationOf(corsPolicy.maxAge) ?? 0) / 1000),
            allowCredentials: corsPolicy.allowCredentials,
          },
  };
}

function mirrorsOf(rule: HttpRuleSpec, namespace: string): readonly MirrorTo[] {
  const whole = rule.mirrorPercentage?.value ?? rule.mirrorPercent ?? rule.mirror_percent ?? 100;
  const single = rule.mirror === undefined ? [] : [{ ...resolved(rule.mirror, namespace), percent: whole }];
  const several = (rule.mirrors ?? []).map(({ destination, percentage }) => ({
    ...resolved(destination, namespace),
    percent: percentage?.value ?? 100,
  }));
  return [...single, ...several];
}

interface MirrorTo {
  readonly host: string;
  readonly port: number | undefined;
  readonly subset: string;
  readonly percent: number;
}

function resolved(
  destination: DestinationSpec,
  namespace: string,
): { host: string; port: number | undefined; subset: string } {
  return {
    host: resolveHost(destination.host, namespace),
    port: destination.port?.number,
    subset: destination.subset ?? '',
  };
}

function destinationOf(route: RouteDestinationSpec, namespace: string, count: number): WeightedDestination {
  return {
    ...resolved(route.destination, namespace),
    // Source: Istio: a single destination takes all, whatever its weight; one of several without a weight takes none.
    weight: count === 1 ? 100 : (route.weight ?? 0),
    requestHeaders: editsOf(route.headers, 'request'),
    responseHeaders: editsOf(route.headers, 'response'),
  };
}

function editsOf(headers: HeaderEditsSpec | undefined, side: 'request' | 'response'): HeaderEdits {
  const edits = headers?.[side];
  if (edits === undefined) return noHeaderEdits;
  const pairs = (texts: Readonly<Record<string, string>> | undefined): (readonly [string, string])[] =>
    Object.entries(texts ?? {}).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return { set: pairs(edits.set), add: pairs(edits.add), remove: edits.remove ?? [] };
}

function faultOf(fault: HttpRuleSpec['fault']): HttpRoute['fault'] {
  if (fault === undefined) return undefined;
  const { delay, abort } = fault;
  return {
    delay:
      delay === undefined
        ? undefined
        : {
            percent: delay.percentage?.value ?? delay.percent ?? 100,
            fixedMs: durationOf(delay.fixedDelay) ?? 0,
          },
    abort:
      abort === undefined
        ? undefined
        : { percent: abort.percentage?.value ?? abort.percent ?? 100, status: abort.httpStatus },
  };
}

function durationOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text);
}
