import { createSeededRandom } from '@heddle/common';
import {
  createRouteTable,
  type RouteEntryConfig,
  type RouteMatchConfig,
  type VirtualHostConfig,
} from '@heddle/engine';
import type { MicroCase } from '../micro-case.js';
import { exampleHead } from './request-head.js';

const NO_CHANGES = { remove: [], set: [] };

/** Finding the route of a request. The same 1,000 heads come again and again, so V8 has hashed their strings already. */
export const matcher: readonly MicroCase[] = [
  matcherCase('one virtual host, one prefix route', 1, 1, 'prefix', () => 0),
  matcherCase('one virtual host, first of 1,000 prefix routes', 1, 1_000, 'prefix', () => 0),
  matcherCase('one virtual host, last of 1,000 prefix routes', 1, 1_000, 'prefix', () => 999),
  matcherCase('one virtual host, last of 10,000 prefix routes', 1, 10_000, 'prefix', () => 9_999),
  matcherCase('one virtual host, last of 10,000 exact routes', 1, 10_000, 'exact', () => 9_999),
  matcherCase(
    '50 virtual hosts × 20 prefix routes, all in turn',
    50,
    20,
    'prefix',
    (request) => request % 20,
  ),
];

function matcherCase(
  what: string,
  virtualHosts: number,
  routesPerHost: number,
  kind: 'prefix' | 'exact',
  routeOf: (request: number) => number,
): MicroCase {
  return {
    name: `matcher: ${what}`,
    create() {
      const table = createRouteTable({
        name: 'routes',
        virtualHosts: Array.from({ length: virtualHosts }, (_, host) =>
          virtualHost(host, routesPerHost, kind),
        ),
        requestHeaders: NO_CHANGES,
        responseHeaders: NO_CHANGES,
        mostSpecificHeaderMutationsWins: false,
        ignorePortInHostMatching: false,
        internalOnlyHeaders: [],
        perFilterConfig: new Map(),
      });
      const random = createSeededRandom(1);
      const heads = Array.from({ length: 1_000 }, (_, request) => {
        const path = routePath(routeOf(request)) + (kind === 'prefix' ? 'items/1k' : '');
        return exampleHead(hostName(request % virtualHosts), path);
      });
      for (const head of heads) {
        if (!table.find(head, random, false).matched)
          throw new Error(`no route for ${head.authority}${head.path}`);
      }
      return (count) => {
        let matched = 0;
        for (let i = 0; i < count; i++) {
          if (table.find(heads[i % heads.length] as (typeof heads)[0], random, false).matched) matched++;
        }
        return matched;
      };
    },
  };
}

function hostName(host: number): string {
  return `service-${host}.example`;
}

function routePath(route: number): string {
  return `/api/resource-${route}/`;
}

function virtualHost(host: number, routes: number, kind: 'prefix' | 'exact'): VirtualHostConfig {
  return {
    name: hostName(host),
    domains: [hostName(host)],
    routes: Array.from({ length: routes }, (_, route) => routeEntry(host, { kind, value: routePath(route) })),
    requestHeaders: NO_CHANGES,
    responseHeaders: NO_CHANGES,
    rateLimits: [],
    requireTls: 'none',
    includeRequestAttemptCount: false,
    includeAttemptCountInResponse: false,
    includeIsTimeoutRetryHeader: false,
    perFilterConfig: new Map(),
  };
}

function routeEntry(host: number, path: RouteMatchConfig['path']): RouteEntryConfig {
  return {
    name: 'route',
    match: {
      path,
      caseSensitive: true,
      headers: [],
      queryParameters: [],
      runtimeFraction: 1,
      grpcOnly: false,
    },
    action: {
      kind: 'forward',
      target: { kind: 'cluster', name: `cluster-${host}` },
      clusterNotFoundStatus: 503,
      prefixRewrite: '',
      regexRewrite: undefined,
      hostRewrite: { kind: 'none' },
      appendXForwardedHost: false,
      timeoutMs: 15_000,
      idleTimeoutMs: undefined,
      maxStreamDurationMs: undefined,
      grpcTimeout: undefined,
      priority: 'default',
      upgradeTypes: [],
      retry: undefined,
      hashPolicies: [],
      rateLimits: [],
      retryBufferLimitBytes: Infinity,
    },
    requestHeaders: NO_CHANGES,
    responseHeaders: NO_CHANGES,
    perFilterConfig: new Map(),
    decoratorOperation: '',
    effectiveRequestHeaders: [],
    effectiveResponseHeaders: [],
  };
}
