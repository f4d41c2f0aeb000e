import { resourceNames, type envoy } from '@heddle/xds-protos';
import { isHttp } from '../model/app-protocol.js';
import { selects } from '../model/build-services.js';
import { hostAliases } from '../model/hostname.js';
import type { HttpMatch, HttpRoute } from '../model/http-route.js';
import type { HashKey, RouteBinding, Service, ServicePort } from '../model/mesh-model.js';
import { duration } from './proto-values.js';
import type { ProxyView } from './proxy-view.js';
import { translateRoute, type RouteContext } from './translate-route.js';
import { trafficAt, type NamespaceScope } from './visibility.js';

type VirtualHost = envoy.config.route.v3.IVirtualHost;

/** Where rules are applied: which of their matches can hold there at all. */
export interface RoutingPlace {
  readonly scope: NamespaceScope;
  readonly view: ProxyView;
  /** `mesh`, or the gateways' keys. */
  readonly gateways: readonly string[];
  /** The port that the caller asked for. */
  readonly port: number;
  /** Set: replaces the Host header, where the caller could not know the right one. */
  readonly authority: string;
}

/** The rules that hold at a place, as Envoy's routes. */
export function routesOf(
  bindings: readonly RouteBinding[],
  place: RoutingPlace,
): envoy.config.route.v3.IRoute[] {
  const ordered = orderedRoutes(bindings);
  return ordered.flatMap(({ route, binding }) =>
    translateRoute(route, matchesAt(route, binding, place), contextOf(place)),
  );
}

/**
 * VirtualServices keep their order, one resource after the other; after them come the rules of all HTTPRoutes together, the
 * most specific first, as the Gateway API asks.
 */
function orderedRoutes(bindings: readonly RouteBinding[]): { route: HttpRoute; binding: RouteBinding }[] {
  const all = bindings.flatMap((binding) => binding.routes.map((route) => ({ route, binding })));
  const inOrder = all.filter(({ route }) => route.rank === undefined);
  const ranked = all.filter(({ route }) => route.rank !== undefined);
  ranked.sort((a, b) => compareText(b.route.rank ?? '', a.route.rank ?? ''));
  return [...inOrder, ...ranked];
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function matchesAt(
  route: HttpRoute,
  binding: RouteBinding,
  place: RoutingPlace,
): readonly (HttpMatch | undefined)[] {
  if (route.matches.length === 0) return [undefined];
  return route.matches.filter((match) => {
    const gateways = match.gateways ?? binding.gateways;
    if (!gateways.some((gateway) => place.gateways.includes(gateway))) return false;
    if (match.port !== undefined && match.port !== place.port) return false;
    if (place.view.role === 'gateway') return true;
    if (match.sourceNamespace !== '' && match.sourceNamespace !== place.view.namespace) return false;
    return selects(match.sourceLabels, place.view.labels);
  });
}

function contextOf(place: RoutingPlace): RouteContext {
  const { scope } = place;
  return {
    authority: place.authority,
    mirrors: place.view.mirrors,
    clusterOf: ({ host, port, subset }) =>
      resourceNames.clusterName({
        direction: 'outbound',
        port: portOf(scope.services.get(host), port, place.port),
        subset,
        host,
      }),
    hashPolicyOf: ({ host, port, subset }) => {
      const service = scope.services.get(host);
      if (service === undefined) return undefined;
      const policy = scope.policyFor(service, place.view);
      const chosen = policy.subsets.find(({ name }) => name === subset);
      const balancer = trafficAt(policy, portOf(service, port, place.port), chosen).loadBalancer;
      return balancer?.kind === 'ring-hash' || balancer?.kind === 'maglev'
        ? hashPolicyOf(balancer.key)
        : undefined;
    },
  };
}

/** A destination's port: as written, else the service's only one, else the one that was asked for. */
function portOf(service: Service | undefined, written: number | undefined, asked: number): number {
  if (written !== undefined) return written;
  const [only, ...others] = service?.ports ?? [];
  return only !== undefined && others.length === 0 ? only.number : asked;
}

function hashPolicyOf(key: HashKey): envoy.config.route.v3.RouteAction.IHashPolicy {
  switch (key.kind) {
    case 'header':
      return { header: { headerName: key.name } };
    case 'query':
      return { queryParameter: { name: key.name } };
    case 'source-ip':
      return { connectionProperties: { sourceIp: true } };
    case 'cookie':
      return {
        cookie: {
          name: key.name,
          path: key.path,
          ...(key.ttlMs === undefined ? {} : { ttl: duration(key.ttlMs) }),
          attributes: [...key.attributes],
        },
      };
  }
}

/** The routes for one port of a service: its rules, or all requests to the service as it is. */
export function serviceRoutes(
  service: Service,
  port: ServicePort,
  place: RoutingPlace,
): envoy.config.route.v3.IRoute[] {
  const bindings = winningBindings(place.scope.meshBindingsFor(service.hostname)).filter(
    ({ routes }) => routes.length > 0,
  );
  if (bindings.length > 0) return routesOf(bindings, place);
  return translateRoute(defaultRoute(service, port), [undefined], contextOf(place));
}

/** Inside the mesh one VirtualService speaks for a host, the first by key; HTTPRoutes add up. */
export function winningBindings(bindings: readonly RouteBinding[]): readonly RouteBinding[] {
  const first = bindings.find(isVirtualService);
  return first === undefined ? bindings : [first];
}

export function isVirtualService(binding: RouteBinding): boolean {
  return binding.key.startsWith('VirtualService/');
}

function defaultRoute(service: Service, port: ServicePort): HttpRoute {
  const noEdits = { set: [], add: [], remove: [] };
  return {
    name: 'default',
    matches: [],
    action: {
      kind: 'forward',
      destinations: [
        {
          host: service.hostname,
          port: port.number,
          subset: '',
          weight: 100,
          requestHeaders: noEdits,
          responseHeaders: noEdits,
        },
      ],
      rewritePath: undefined,
      rewriteAuthority: '',
      timeoutMs: undefined,
      retries: undefined,
      mirrors: [],
      cors: undefined,
    },
    requestHeaders: noEdits,
    responseHeaders: noEdits,
    fault: undefined,
    rank: undefined,
  };
}

/** All virtual hosts by which a proxy's application can name services, for a port that takes requests for any of them. */
export function anyServiceVirtualHosts(scope: NamespaceScope, view: ProxyView): VirtualHost[] {
  const taken = new Set<string>();
  const take = (domains: readonly string[]): string[] =>
    domains.filter((domain) => !taken.has(domain) && taken.add(domain) !== undefined);
  const hosts: VirtualHost[] = [];
  for (const service of scope.services.values()) {
    const ports = service.ports.filter(({ protocol }) => isHttp(protocol));
    for (const port of ports) {
      const names = hostAliases(service.hostname, view.namespace);
      // A name without a port means port 80, or the only port that there is.
      const bare = port.number === 80 || ports.length === 1;
      const domains = take(
        names.flatMap((name) => (bare ? [`${name}:${port.number}`, name] : [`${name}:${port.number}`])),
      );
      if (service.hostname === '*' || domains.length === 0) continue;
      const place: RoutingPlace = { scope, view, gateways: ['mesh'], port: port.number, authority: '' };
      hosts.push({
        name: resourceNames.virtualHostName(service.hostname, port.number),
        domains: domains.filter((domain) => !domain.startsWith('*') || !domain.includes(':')),
        routes: serviceRoutes(service, port, place),
      });
    }
  }
  for (const host of scope.meshHosts) {
    if (scope.services.has(host)) continue;
    const bindings = winningBindings(scope.meshBindingsFor(host)).filter(({ routes }) => routes.length > 0);
    const domains = take([host, `${host}:80`]);
    if (bindings.length === 0 || domains.length === 0) continue;
    const place: RoutingPlace = { scope, view, gateways: ['mesh'], port: 80, authority: '' };
    hosts.push({ name: resourceNames.virtualHostName(host, 80), domains, routes: routesOf(bindings, place) });
  }
  return hosts.filter(({ domains }) => (domains?.length ?? 0) > 0);
}
