import { parseDurationMs } from '@heddle/common';
import { noHeaderEdits } from './build-virtual-service.js';
import { resolveHost, serviceHostname } from './hostname.js';
import type {
  ForwardTo,
  HeaderEdits,
  HttpMatch,
  HttpRoute,
  HttpRouteAction,
  TextMatch,
  WeightedDestination,
} from './http-route.js';
import type { MeshModel, RouteBinding } from './mesh-model.js';
import type { MeshResource } from './mesh-resource.js';
import type {
  BackendRefSpec,
  HeaderModifierSpec,
  HttpRouteFilterSpec,
  HttpRouteMatchSpec,
  HttpRouteSpec,
  PathModifierSpec,
} from './specs/http-route.js';
import { problemAt, type SourceProblem } from './source-problem.js';

type Rule = NonNullable<HttpRouteSpec['rules']>[number];

/** A Gateway API `HTTPRoute`: one binding for its gateways together, and one for each service that it routes calls to. */
export function bindingsOfHttpRoute(
  resource: MeshResource,
  model: Pick<MeshModel, 'gateways' | 'services'>,
  problems: SourceProblem[],
): readonly RouteBinding[] {
  const spec = resource.spec as HttpRouteSpec;
  const { namespace, name, key } = resource;
  const gatewayServers = new Map<string, readonly string[]>();
  const bindings: RouteBinding[] = [];
  const common = { key, name, namespace, exportTo: ['*'], tcpRoutes: [], tlsRoutes: [] };
  for (const [i, parent] of spec.parentRefs.entries()) {
    const path = ['spec', 'parentRefs', i];
    const owner = parent.namespace ?? namespace;
    if (parent.kind === 'Service') {
      const hostname = serviceHostname(parent.name, owner);
      if (!model.services.has(`${owner}/${hostname}`)) {
        const message = `there is no Service ${owner}/${parent.name}`;
        problems.push(problemAt(resource, [...path, 'name'], { message, severity: 'warning' }));
        continue;
      }
      const routes = routesOf(resource, spec, parent.port);
      // Other namespaces' rules are for the calls of their own namespace alone. Source: Gateway API, GAMMA.
      const exportTo = owner === namespace ? ['*'] : [namespace];
      bindings.push({
        ...common,
        exportTo,
        hosts: [hostname],
        gateways: ['mesh'],
        gatewayServers: undefined,
        routes,
      });
      continue;
    }
    const gateway = model.gateways.get(`${owner}/${parent.name}`);
    if (gateway === undefined) {
      const message = `there is no Gateway ${owner}/${parent.name}`;
      problems.push(problemAt(resource, [...path, 'name'], { message, severity: 'warning' }));
      continue;
    }
    const servers = gateway.servers.filter(
      (server) =>
        (parent.sectionName === undefined || server.name === parent.sectionName) &&
        (parent.port === undefined || server.port === parent.port),
    );
    if (servers.length === 0) {
      const wanted = [parent.sectionName, parent.port]
        .filter((part) => part !== undefined)
        .join(' and port ');
      const message = `Gateway ${gateway.key} has no listener ${wanted}`;
      const expected = gateway.servers.map((server) => `${server.name} (port ${server.port})`).join(', ');
      problems.push(problemAt(resource, path, { message, expected, severity: 'warning' }));
      continue;
    }
    const before = gatewayServers.get(gateway.key) ?? [];
    gatewayServers.set(gateway.key, [...new Set([...before, ...servers.map((server) => server.name)])]);
  }
  if (gatewayServers.size > 0) {
    const hosts = (spec.hostnames ?? ['*']).map((host) => host.toLowerCase());
    const gateways = [...gatewayServers.keys()].sort();
    bindings.push({
      ...common,
      hosts,
      gateways,
      gatewayServers,
      routes: routesOf(resource, spec, undefined),
    });
  }
  return bindings;
}

function routesOf(
  resource: MeshResource,
  spec: HttpRouteSpec,
  port: number | undefined,
): readonly HttpRoute[] {
  return (spec.rules ?? []).flatMap((rule, i) => {
    const matches = rule.matches === undefined || rule.matches.length === 0 ? [{}] : rule.matches;
    return matches.map((match, j): HttpRoute => {
      const name = `${resource.namespace}/${resource.name}/${rule.name ?? i}`;
      const edits = editsOf(rule.filters ?? []);
      return {
        name: matches.length > 1 ? `${name}.${j}` : name,
        matches: [matchOf(match, port)],
        action: actionOf(rule, resource.namespace),
        requestHeaders: edits.request,
        responseHeaders: edits.response,
        fault: undefined,
        rank: rankOf(match),
      };
    });
  });
}

/**
 * Greater is tried first: exact paths, then the longest prefix, a method, more headers, more query parameters.
 * Source: Gateway API, HTTPRouteRule.matches. Among equals the resource that comes first by name wins, then the order of rules.
 */
function rankOf(match: HttpRouteMatchSpec): string {
  const { type = 'PathPrefix', value = '/' } = match.path ?? {};
  const kind = type === 'Exact' ? 3 : type === 'RegularExpression' ? 2 : 1;
  const counts = [
    value.length,
    match.method === undefined ? 0 : 1,
    match.headers?.length ?? 0,
    match.queryParams?.length ?? 0,
  ];
  return [kind, ...counts].map((count) => String(count).padStart(5, '0')).join('.');
}

function matchOf(match: HttpRouteMatchSpec, port: number | undefined): HttpMatch {
  return {
    name: '',
    path: pathOf(match.path),
    scheme: undefined,
    method: match.method === undefined ? undefined : { kind: 'exact', value: match.method },
    authority: undefined,
    headers: (match.headers ?? []).map(({ type, name, value }) => ({
      name: name.toLowerCase(),
      match: textOf(type, value),
      invert: false,
    })),
    queryParameters: (match.queryParams ?? []).map(({ type, name, value }) => ({
      name,
      match: textOf(type, value),
    })),
    port,
    sourceLabels: {},
    sourceNamespace: '',
    gateways: undefined,
  };
}

function pathOf(path: HttpRouteMatchSpec['path']): HttpMatch['path'] {
  const { type = 'PathPrefix', value = '/' } = path ?? {};
  if (type === 'Exact') return { kind: 'exact', value, ignoreCase: false };
  if (type === 'RegularExpression') return { kind: 'regex', value, ignoreCase: false };
  const prefix = value.replace(/\/+$/, '');
  return prefix === ''
    ? { kind: 'prefix', value: '/', ignoreCase: false }
    : { kind: 'path-prefix', value: prefix, ignoreCase: false };
}

function textOf(type: string | undefined, value: string): TextMatch {
  return type === 'RegularExpression' ? { kind: 'regex', value } : { kind: 'exact', value };
}

function actionOf(rule: Rule, namespace: string): HttpRouteAction {
  const redirect = rule.filters?.find((filter) => filter.requestRedirect !== undefined)?.requestRedirect;
  if (redirect !== undefined) {
    return {
      kind: 'redirect',
      scheme: redirect.scheme ?? '',
      authority: redirect.hostname ?? '',
      port: redirect.port,
      path: modifierOf(redirect.path),
      status: redirect.statusCode ?? 302,
    };
  }
  return forwardOf(rule, namespace);
}

function forwardOf(rule: Rule, namespace: string): ForwardTo {
  const filters = rule.filters ?? [];
  const rewrite = filters.find((filter) => filter.urlRewrite !== undefined)?.urlRewrite;
  const requestMs = durationOf(rule.timeouts?.request);
  const tryMs = durationOf(rule.timeouts?.backendRequest);
  return {
    kind: 'forward',
    destinations: (rule.backendRefs ?? []).map((backend): WeightedDestination => {
      const edits = editsOf(backend.filters ?? []);
      return {
        ...backendOf(backend, namespace),
        weight: backend.weight ?? 1,
        requestHeaders: edits.request,
        responseHeaders: edits.response,
      };
    }),
    rewritePath: modifierOf(rewrite?.path),
    rewriteAuthority: rewrite?.hostname ?? '',
    timeoutMs: requestMs === 0 ? undefined : (requestMs ?? tryMs),
    retries:
      rule.retry === undefined && tryMs === undefined
        ? undefined
        : {
            attempts: rule.retry?.attempts ?? 2,
            perTryTimeoutMs: tryMs === 0 ? undefined : tryMs,
            retryOn: '',
            statusCodes: rule.retry?.codes ?? [],
            backoffMs: durationOf(rule.retry?.backoff),
            ignorePreviousHosts: true,
          },
    mirrors: filters.flatMap(({ requestMirror }) => {
      if (requestMirror === undefined) return [];
      const { fraction, percent } = requestMirror;
      const share =
        fraction === undefined
          ? (percent ?? 100)
          : (100 * fraction.numerator) / (fraction.denominator ?? 100);
      return [{ ...backendOf(requestMirror.backendRef, namespace), percent: Math.min(100, share) }];
    }),
    cors: undefined,
  };
}

/** The host and port of a backend. `Hostname` names a host of a ServiceEntry. */
export function backendOf(
  backend: BackendRefSpec,
  namespace: string,
): { host: string; port: number | undefined; subset: string } {
  const host =
    backend.kind === 'Hostname'
      ? resolveHost(backend.name, namespace)
      : serviceHostname(backend.name, backend.namespace ?? namespace);
  return { host, port: backend.port, subset: '' };
}

function modifierOf(
  path: PathModifierSpec | undefined,
): { kind: 'full' | 'prefix'; value: string } | undefined {
  if (path?.replaceFullPath !== undefined) return { kind: 'full', value: path.replaceFullPath };
  if (path?.replacePrefixMatch !== undefined) return { kind: 'prefix', value: path.replacePrefixMatch };
  return undefined;
}

function editsOf(filters: readonly HttpRouteFilterSpec[]): { request: HeaderEdits; response: HeaderEdits } {
  const edits = (pick: (filter: HttpRouteFilterSpec) => HeaderModifierSpec | undefined): HeaderEdits => {
    const found = filters.map(pick).filter((modifier) => modifier !== undefined);
    if (found.length === 0) return noHeaderEdits;
    const pairs = (list: HeaderModifierSpec['set']): (readonly [string, string])[] =>
      (list ?? []).map(({ name, value }) => [name, value] as const);
    return {
      set: found.flatMap(({ set }) => pairs(set)),
      add: found.flatMap(({ add }) => pairs(add)),
      remove: found.flatMap(({ remove }) => remove ?? []),
    };
  };
  return {
    request: edits(({ requestHeaderModifier }) => requestHeaderModifier),
    response: edits(({ responseHeaderModifier }) => responseHeaderModifier),
  };
}

function durationOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text);
}
