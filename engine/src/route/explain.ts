import type { RouteConfig } from '../config/route-config.js';
import type { RequestHead } from '../http/message-head.js';
import { pathForMatching } from './path-match.js';
import { describeMismatch, describePath, mismatch } from './route-mismatch.js';
import { createRouteTable, type RouteTable } from './route-table.js';

/** What became of one route when a request was explained. */
export interface ExplainedRoute {
  readonly routeIndex: number;
  readonly name: string;
  /** The path matcher in words. */
  readonly path: string;
  readonly matched: boolean;
  /** Why it did not match, with what was wanted and what was found; `matches` for the one that did. */
  readonly reason: string;
}

/** Why a request goes where it goes. */
export interface Explanation {
  readonly virtualHost: string | undefined;
  readonly outcome: 'match' | 'no-virtual-host' | 'no-route' | 'tls-required';
  readonly routeIndex: number;
  /** Every route up to and including the one that matched, in order. */
  readonly routes: readonly ExplainedRoute[];
}

/**
 * Walks the routes of a request in order and says of each why it did not match.
 *
 * `randomValue` stands for chance where a route takes only a share of the requests; `table` is that of `config`, if it is made already.
 */
export function explain(
  config: RouteConfig,
  head: RequestHead,
  options: { readonly secure?: boolean; readonly randomValue?: number; readonly table?: RouteTable } = {},
): Explanation {
  const randomValue = options.randomValue ?? 0;
  const table = options.table ?? createRouteTable(config);
  const found = table.walk(head, () => randomValue, options.secure ?? false);
  const host = found.virtualHost;
  if (host === undefined) {
    return { virtualHost: undefined, outcome: 'no-virtual-host', routeIndex: -1, routes: [] };
  }
  if (found.matched && found.routeIndex === -1) {
    return { virtualHost: host.name, outcome: 'tls-required', routeIndex: -1, routes: [] };
  }
  const path = pathForMatching(head.path, config.ignorePathParametersInPathMatching === true);
  const routes: ExplainedRoute[] = [];
  for (const [routeIndex, route] of host.routes.entries()) {
    const code = mismatch(route, head, path, randomValue);
    routes.push({
      routeIndex,
      name: route.name,
      path: describePath(route),
      matched: code === 0,
      reason: describeMismatch(code, route, head, path),
    });
    if (code === 0) return { virtualHost: host.name, outcome: 'match', routeIndex, routes };
  }
  return { virtualHost: host.name, outcome: 'no-route', routeIndex: -1, routes };
}
