import type { Random } from '@heddle/common';
import type { RouteConfig, RouteEntryConfig, VirtualHostConfig } from '../config/route-config.js';
import type { FormatContext } from '../format/operators.js';
import type { RequestHead } from '../http/message-head.js';
import { DomainIndex } from './domain-index.js';
import {
  compileHeaderChanges,
  effectiveHeaderChanges,
  NO_HEADER_CHANGES,
  type CompiledHeaderChanges,
} from './header-changes.js';
import { pathForMatching } from './path-match.js';
import { RouteIndex, walkRoutes } from './route-index.js';

/** What a request was found to match. One object per route, made with the table: finding allocates none. */
export interface RouteMatch {
  readonly matched: true;
  readonly virtualHost: VirtualHostConfig;
  readonly route: RouteEntryConfig;
  /** The place of the route in its virtual host; -1 for the redirect that `require_tls` asks for. */
  readonly routeIndex: number;
  /** Of route, virtual host and table, in Envoy's order; the weighted cluster's are applied by `weightedFirst`. */
  readonly requestHeaders: readonly CompiledHeaderChanges[];
  readonly responseHeaders: readonly CompiledHeaderChanges[];
  /** Whether a weighted cluster's own header changes come before (Envoy's default) or after the others. */
  readonly weightedFirst: boolean;
}

/** Why nothing matched. */
export interface RouteMiss {
  readonly matched: false;
  readonly reason: 'no-virtual-host' | 'no-route';
  readonly virtualHost: VirtualHostConfig | undefined;
}

const NO_VIRTUAL_HOST: RouteMiss = Object.freeze({
  matched: false,
  reason: 'no-virtual-host',
  virtualHost: undefined,
});

interface HostEntry {
  readonly config: VirtualHostConfig;
  readonly index: RouteIndex;
  readonly matches: readonly RouteMatch[];
  readonly miss: RouteMiss;
  readonly tlsRedirect: RouteMatch | undefined;
  readonly drawsRandom: boolean;
}

/**
 * The routes of one route configuration, laid out for finding.
 *
 * Cost: `find` hashes the host and the path and walks a radix tree; it does not depend on the number of virtual hosts, nor
 * of exact and prefix routes.
 */
export class RouteTable {
  readonly config: RouteConfig;
  /** Names of the HTTP filters that any level of it says anything of. */
  readonly overriddenFilters: ReadonlySet<string>;
  readonly #domains: DomainIndex;
  readonly #hosts: readonly HostEntry[];
  readonly #ignorePort: boolean;
  readonly #ignorePathParameters: boolean;

  constructor(config: RouteConfig, context: FormatContext, before: RouteTable | undefined) {
    this.config = config;
    this.#ignorePort = config.ignorePortInHostMatching;
    this.#ignorePathParameters = config.ignorePathParametersInPathMatching === true;
    this.#domains = new DomainIndex(config.virtualHosts.map((host) => host.domains));
    const known = before === undefined ? NO_HOSTS : new Map(before.#hosts.map((one) => [one.config, one]));
    this.#hosts = config.virtualHosts.map(
      (host) => known.get(host) ?? createHostEntry(config, host, context),
    );
    this.overriddenFilters = overriddenFilters(config);
  }

  /**
   * The route for a request. `secure` says whether it came over TLS, for `require_tls`; `random` is drawn at most once.
   *
   * Source: Envoy: virtual host by domain, then the first route that matches.
   */
  find(head: RequestHead, random: Random, secure: boolean): RouteMatch | RouteMiss {
    const hostIndex = this.#domains.find(head.authority, this.#ignorePort);
    if (hostIndex === -1) return NO_VIRTUAL_HOST;
    const host = this.#hosts[hostIndex] as HostEntry;
    if (!secure && host.tlsRedirect !== undefined && needsTls(host.config, head)) return host.tlsRedirect;
    const path = pathForMatching(head.path, this.#ignorePathParameters);
    const found = host.index.find(head, path, host.drawsRandom ? random() : 0);
    return found === -1 ? host.miss : (host.matches[found] as RouteMatch);
  }

  /** The same answer as `find`, by walking every route in order; `explain` and tests use it. */
  walk(head: RequestHead, random: Random, secure: boolean): RouteMatch | RouteMiss {
    const hostIndex = this.#domains.find(head.authority, this.#ignorePort);
    if (hostIndex === -1) return NO_VIRTUAL_HOST;
    const host = this.#hosts[hostIndex] as HostEntry;
    if (!secure && host.tlsRedirect !== undefined && needsTls(host.config, head)) return host.tlsRedirect;
    const path = pathForMatching(head.path, this.#ignorePathParameters);
    const found = walkRoutes(host.config.routes, head, path, host.drawsRandom ? random() : 0);
    return found === -1 ? host.miss : (host.matches[found] as RouteMatch);
  }

  /** The virtual host of an authority, if any. */
  virtualHost(authority: string): VirtualHostConfig | undefined {
    return this.#hosts[this.#domains.find(authority, this.#ignorePort)]?.config;
  }
}

/**
 * Builds the table of a route configuration, once per update. Virtual hosts that `before`, a table in the same context, has as well
 * are taken from there.
 */
export function createRouteTable(
  config: RouteConfig,
  context: FormatContext = {},
  before?: RouteTable,
): RouteTable {
  return new RouteTable(config, context, before);
}

const NO_HOSTS: ReadonlyMap<VirtualHostConfig, HostEntry> = new Map();

function overriddenFilters(config: RouteConfig): ReadonlySet<string> {
  const names = new Set(config.perFilterConfig.keys());
  const add = ({ perFilterConfig }: Pick<RouteConfig, 'perFilterConfig'>): void => {
    for (const name of perFilterConfig.keys()) names.add(name);
  };
  for (const host of config.virtualHosts) {
    add(host);
    for (const route of host.routes) {
      add(route);
      const { action } = route;
      if (action.kind === 'forward' && action.target.kind === 'weighted') action.target.clusters.forEach(add);
    }
  }
  return names;
}

function needsTls(host: VirtualHostConfig, head: RequestHead): boolean {
  return host.requireTls === 'all' || head.headers.get('x-envoy-internal') !== 'true';
}

function createHostEntry(config: RouteConfig, host: VirtualHostConfig, context: FormatContext): HostEntry {
  const createMatch = (route: RouteEntryConfig, routeIndex: number): RouteMatch => {
    const compile = (side: 'requestHeaders' | 'responseHeaders'): readonly CompiledHeaderChanges[] =>
      effectiveHeaderChanges(config, host, route, side).map((one) => compileHeaderChanges(one, context));
    return Object.freeze({
      matched: true,
      virtualHost: host,
      route,
      routeIndex,
      requestHeaders: compile('requestHeaders'),
      responseHeaders: compile('responseHeaders'),
      weightedFirst: !config.mostSpecificHeaderMutationsWins,
    });
  };
  return {
    config: host,
    index: new RouteIndex(host.routes),
    matches: host.routes.map(createMatch),
    miss: Object.freeze({ matched: false, reason: 'no-route', virtualHost: host }),
    tlsRedirect: host.requireTls === 'none' ? undefined : createMatch(TLS_REDIRECT, -1),
    drawsRandom: host.routes.some((route) => route.match.runtimeFraction < 1),
  };
}

/** What `require_tls` answers: the same URL by https. */
const TLS_REDIRECT: RouteEntryConfig = Object.freeze({
  name: '',
  match: Object.freeze({
    path: { kind: 'prefix', value: '/' } as const,
    caseSensitive: true,
    headers: [],
    queryParameters: [],
    runtimeFraction: 1,
    grpcOnly: false,
  }),
  action: Object.freeze({
    kind: 'redirect',
    httpsRedirect: true,
    schemeRedirect: '',
    hostRedirect: '',
    portRedirect: 0,
    pathRedirect: '',
    prefixRewrite: '',
    regexRewrite: undefined,
    status: 301,
    stripQuery: false,
  }),
  requestHeaders: NO_HEADER_CHANGES,
  responseHeaders: NO_HEADER_CHANGES,
  perFilterConfig: new Map<string, unknown>(),
  decoratorOperation: '',
  effectiveRequestHeaders: [],
  effectiveResponseHeaders: [],
});
