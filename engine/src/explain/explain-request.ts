import type { FilterChainConfig, ListenerConfig, NetworkFilterConfig } from '../config/listener-config.js';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.js';
import type { RouteConfig, WeightedClusterConfig } from '../config/route-config.js';
import type { RouterConfig } from '../http-filters/router/config.js';
import { clientCertificateText } from '../http/client-certificate-header.js';
import { HeaderMap } from '../http/header-map.js';
import { InternalAddresses } from '../http/internal-addresses.js';
import {
  directResponse,
  isGrpcContentType,
  LOCAL_REPLY,
  rbacDetails,
  redirect,
  type LocalReply,
} from '../http/local-reply.js';
import type { RequestHead } from '../http/message-head.js';
import { normalizeRequest, prepareRequestHeaders } from '../http/prepare-request.js';
import { FilterChainMatcher } from '../listener/filter-chain-match.js';
import { explainRbac, type RbacExplanation } from '../rbac/explain-rbac.js';
import { chooseCluster } from '../route/cluster-choice.js';
import { explain, type Explanation } from '../route/explain.js';
import { pathForMatching } from '../route/path-match.js';
import { redirectLocation } from '../route/rewrite.js';
import { createRouteTable, type RouteMatch, type RouteTable } from '../route/route-table.js';
import { requestScopeKey, scopeKey } from '../route/scope-key.js';
import { explainFilters, type ExplainedFilter } from './explain-filters.js';
import { explainForward, type ExplainedForward } from './explain-forward.js';
import { ExplainedStream, type ExplainedConnection } from './explained-stream.js';
import type { ProxyConfig } from './proxy-config.js';

/** One way that a request may go: there is one for each cluster of a weighted route that may be drawn. */
export interface ExplainedWay {
  /** Of the requests, 0..1. */
  readonly share: number;
  /** Empty: the request goes to no cluster. */
  readonly cluster: string;
  readonly filters: readonly ExplainedFilter[];
  /** What the proxy answers by itself when no filter did before; undefined: it sends the request on. */
  readonly answer: LocalReply | undefined;
  /** How it is sent on; undefined where it never is. */
  readonly forward: ExplainedForward | undefined;
}

/** What a filter of connections says. */
export interface ExplainedConnectionFilter {
  readonly name: string;
  readonly refuses: boolean;
  /** Envoy's words for a refusal; empty without one. */
  readonly details: string;
  readonly text: string;
  readonly rbac: RbacExplanation | undefined;
}

/** What a proxy would do with one request, and why. */
export interface RequestExplanation {
  /** undefined: nobody accepts the connection. */
  readonly listener: string | undefined;
  /** undefined: no chain is for this connection, which is closed. */
  readonly filterChain: { readonly name: string; readonly tls: boolean } | undefined;
  readonly connectionFilters: readonly ExplainedConnectionFilter[];
  /** What becomes of the connection when it is none of requests: clusters with their shares, 0..1. */
  readonly tcp: readonly { readonly cluster: string; readonly share: number }[] | undefined;
  /** The request as routes and filters see it. */
  readonly request: Pick<RequestHead, 'method' | 'scheme' | 'authority' | 'path'> | undefined;
  readonly routeConfiguration: string | undefined;
  readonly routing: Explanation | undefined;
  readonly ways: readonly ExplainedWay[];
}

export interface ExplainRequestOptions {
  readonly config: ProxyConfig;
  readonly connection: ExplainedConnection;
  /** It is not changed. */
  readonly head: RequestHead;
  /** Where the connection came to, by name: the listener to which the kernel leads intercepted ones. Default: by destination. */
  readonly listener?: string;
  /** Wall clock, for tokens. */
  readonly nowMs: number;
}

const NOTHING: RequestExplanation = Object.freeze({
  listener: undefined,
  filterChain: undefined,
  connectionFilters: Object.freeze([]),
  tcp: undefined,
  request: undefined,
  routeConfiguration: undefined,
  routing: undefined,
  ways: Object.freeze([]),
});

/**
 * What a proxy would do with a request, by the code that does it in a proxy.
 *
 * Chance is not drawn: every cluster that a weighted route may choose is a way of its own, with its share.
 */
export function explainRequest(options: ExplainRequestOptions): RequestExplanation {
  const { config, connection } = options;
  const listener = listenerFor(config.listeners, options);
  if (listener === undefined) return NOTHING;
  const chain = filterChainFor(listener, connection);
  if (chain === undefined) return { ...NOTHING, listener: listener.name };
  const common = {
    ...NOTHING,
    listener: listener.name,
    filterChain: { name: chain.name, tls: chain.transportSocket.kind === 'tls' },
    connectionFilters: chain.filters.slice(0, -1).map((filter) => connectionFilter(filter, connection)),
  };
  if (common.connectionFilters.some(({ refuses }) => refuses)) return common;
  const last = chain.filters.at(-1);
  if (last?.kind === 'tcp-proxy') {
    const { clusters, totalWeight } = last.config;
    const tcp = clusters.map(({ name, weight }) => ({ cluster: name, share: weight / totalWeight }));
    return { ...common, tcp };
  }
  if (last?.kind !== 'http-connection-manager') return common;
  return { ...common, ...explainHttp(last.config, options) };
}

/** As a proxy finds the owner of an address: exactly, else whoever has the port on every address. */
function listenerFor(
  listeners: readonly ListenerConfig[],
  { listener: name, connection }: ExplainRequestOptions,
): ListenerConfig | undefined {
  const entered = name === undefined ? undefined : listeners.find((one) => one.name === name);
  if (name !== undefined && entered?.useOriginalDst !== true) return entered;
  const has = (host: string) => (listener: ListenerConfig) =>
    listener !== entered &&
    [listener.address, ...listener.additionalAddresses].some(
      (address) =>
        address.kind === 'socket' &&
        address.port === connection.destinationPort &&
        (host === '*' ? ANY_ADDRESSES.has(address.host) : address.host === host),
    );
  return listeners.find(has(connection.destinationIp)) ?? listeners.find(has('*')) ?? entered;
}

const ANY_ADDRESSES: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

function filterChainFor(
  listener: ListenerConfig,
  { sourceIp, sourcePort, destinationIp, destinationPort, tls }: ExplainedConnection,
): FilterChainConfig | undefined {
  const matcher = new FilterChainMatcher(listener.defaultFilterChain);
  for (const chain of listener.filterChains) matcher.add(chain.match, chain);
  const looks = (kind: 'tls-inspector' | 'http-inspector'): boolean =>
    listener.listenerFilters.some((filter) => filter.kind === kind);
  const isPlain = tls === undefined;
  return matcher.find({
    destinationIp,
    destinationPort,
    serverName: looks('tls-inspector') ? (tls?.serverName ?? '') : '',
    transportProtocol: looks('tls-inspector') ? (isPlain ? 'raw_buffer' : 'tls') : '',
    applicationProtocols: isPlain
      ? looks('http-inspector')
        ? ['http/1.1']
        : []
      : [tls.applicationProtocol].filter((protocol) => protocol !== ''),
    directSourceIp: sourceIp,
    sourceIp,
    sourcePort,
  });
}

function connectionFilter(
  filter: NetworkFilterConfig,
  connection: ExplainedConnection,
): ExplainedConnectionFilter {
  const { name } = filter;
  const passes = { name, refuses: false, details: '', rbac: undefined };
  if (filter.kind === 'rbac' && filter.config.rules !== undefined) {
    const rbac = explainRbac(filter.config.rules, new ExplainedStream(connection, '', 0));
    return {
      name,
      refuses: !rbac.allowed,
      details: rbac.allowed ? '' : rbacDetails(rbac),
      text: rbac.reason,
      rbac,
    };
  }
  if (filter.kind === 'local-rate-limit' && filter.config.enabled) {
    const { maxTokens, fillPerSecond } = filter.config.bucket;
    return {
      ...passes,
      text: `lets ${maxTokens} connections through at once, and ${fillPerSecond} a second after that`,
    };
  }
  return { ...passes, text: 'lets it pass' };
}

type HttpExplanation = Pick<RequestExplanation, 'request' | 'routeConfiguration' | 'routing' | 'ways'>;

function explainHttp(manager: HttpConnectionManagerConfig, options: ExplainRequestOptions): HttpExplanation {
  const { connection, nowMs } = options;
  const text = clientCertificateText(connection.tls, manager.clientCertificate);
  const stream = new ExplainedStream(connection, text, nowMs);
  const head = copyOf(options.head);
  head.scheme = connection.tls === undefined ? 'http' : 'https';
  stream.request = head;
  const answered = (answer: LocalReply): HttpExplanation => ({
    request: seen(head),
    routeConfiguration: undefined,
    routing: undefined,
    ways: [{ share: 1, cluster: '', filters: [], answer, forward: undefined }],
  });
  const refused = normalizeRequest(head, stream, manager);
  if (refused !== undefined) return answered(refused);
  const routes = routesOf(manager.routes, head, options.config.routes);
  stream.isGrpc = isGrpcContentType(head.headers.get('content-type'));
  const internal = manager.internalAddresses && new InternalAddresses(manager.internalAddresses);
  prepareRequestHeaders(head, stream, manager, routes?.internalOnlyHeaders ?? [], internal);
  if (routes === undefined) return answered(LOCAL_REPLY.routeNotFound);
  const table = tableOf(routes);
  const secure = head.scheme === 'https';
  const found = table.walk(head, () => 0, secure);
  stream.route = found.matched ? found : undefined;
  stream.path = pathForMatching(head.path, routes.ignorePathParametersInPathMatching === true);
  return {
    request: seen(head),
    routeConfiguration: routes.name,
    routing: explain(routes, head, { secure, table }),
    ways: waysOf(stream.route, head).map(({ share, cluster, weighted }) => {
      const branchHead = copyOf(head);
      const branch = stream.branch(branchHead);
      branch.clusterName = cluster;
      branch.weightedCluster = weighted;
      return explainWay(share, branch, branchHead, manager, routes, options);
    }),
  };
}

const tables = new WeakMap<RouteConfig, RouteTable>();

function tableOf(routes: RouteConfig): RouteTable {
  let table = tables.get(routes);
  if (table === undefined) tables.set(routes, (table = createRouteTable(routes)));
  return table;
}

interface ChosenWay {
  readonly share: number;
  readonly cluster: string;
  readonly weighted: WeightedClusterConfig | undefined;
}

/** Every cluster that may be chosen, with its share; a header that holds the draw leaves one. */
function waysOf(match: RouteMatch | undefined, head: RequestHead): readonly ChosenWay[] {
  const action = match?.route.action;
  if (action?.kind !== 'forward') return [{ share: 1, cluster: '', weighted: undefined }];
  const { target } = action;
  const least = chooseCluster(target, head, () => 0);
  const most = chooseCluster(target, head, () => 1 - Number.EPSILON);
  if (target.kind !== 'weighted' || least.weighted === most.weighted)
    return [{ share: 1, cluster: least.name, weighted: least.weighted }];
  return target.clusters
    .filter(({ weight }) => weight > 0)
    .map((weighted) => ({
      share: weighted.weight / target.totalWeight,
      cluster: weighted.name,
      weighted,
    }));
}

function explainWay(
  share: number,
  stream: ExplainedStream,
  head: RequestHead,
  manager: HttpConnectionManagerConfig,
  routes: RouteConfig,
  { config, nowMs }: ExplainRequestOptions,
): ExplainedWay {
  const filters = explainFilters(manager.httpFilters, head, stream, { table: routes, nowMs });
  const common = { share, cluster: stream.clusterName, filters, answer: undefined, forward: undefined };
  if (filters.at(-1)?.verdict === 'answers') return common;
  const { route } = stream;
  if (route === undefined) return { ...common, answer: LOCAL_REPLY.routeNotFound };
  const { action } = route.route;
  switch (action.kind) {
    case 'non-forwarding':
      return { ...common, answer: LOCAL_REPLY.routeNotFound };
    case 'redirect':
      return {
        ...common,
        answer: redirect(action.status, redirectLocation(route.route, action, head)),
      };
    case 'direct-response':
      return { ...common, answer: directResponse(action.status, action.body) };
    case 'forward': {
      const last = manager.httpFilters.at(-1);
      const router =
        last === undefined || 'discovery' in last
          ? undefined
          : (last.config as Partial<RouterConfig> | undefined);
      const suppressEnvoyHeaders = router?.suppressEnvoyHeaders === true || manager.suppressEnvoyHeaders;
      const forward = explainForward(action, head, stream, config, { ...router, suppressEnvoyHeaders });
      return { ...common, answer: forward.cluster.answer, forward };
    }
  }
}

function routesOf(
  source: HttpConnectionManagerConfig['routes'],
  { headers }: RequestHead,
  known: ExplainRequestOptions['config']['routes'],
): RouteConfig | undefined {
  switch (source.kind) {
    case 'inline':
      return source.config;
    case 'rds':
      return known.get(source.name);
    case 'scoped': {
      const { scopes = [], fragments } = source.config;
      const key = requestScopeKey(fragments, headers);
      const routes = scopes.find((one) => scopeKey(one.key) === key)?.routes;
      return routes?.kind === 'rds' ? known.get(routes.name) : routes?.config;
    }
  }
}

function copyOf(head: RequestHead): RequestHead {
  const headers = new HeaderMap();
  head.headers.names.forEach((name, i) =>
    headers.append(name, head.headers.values[i] as string, head.headers.rawNames[i]),
  );
  return { ...head, headers };
}

function seen({ method, scheme, authority, path }: RequestHead): RequestExplanation['request'] {
  return { method, scheme, authority, path };
}
