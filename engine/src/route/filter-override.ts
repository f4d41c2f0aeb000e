import type { RouteConfig, WeightedClusterConfig } from '../config/route-config.js';
import type { RouteMatch } from './route-table.js';

/**
 * What the routes of a request say about one HTTP filter, by its name: of weighted cluster, route, virtual host and table the most
 * specific that says anything.
 *
 * Source: Envoy's `resolveMostSpecificPerFilterConfig`.
 */
export function filterOverride(
  filterName: string,
  match: RouteMatch | undefined,
  weighted: WeightedClusterConfig | undefined,
  table: RouteConfig | undefined,
): unknown {
  if (match === undefined) return undefined;
  return (
    weighted?.perFilterConfig.get(filterName) ??
    match.route.perFilterConfig.get(filterName) ??
    match.virtualHost.perFilterConfig.get(filterName) ??
    table?.perFilterConfig.get(filterName)
  );
}
