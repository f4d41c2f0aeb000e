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

/** What all levels say that say anything, the most specific first. Source: Envoy's `getAllPerFilterConfig`. */
export function filterOverrides(
  filterName: string,
  match: RouteMatch | undefined,
  weighted: WeightedClusterConfig | undefined,
  table: RouteConfig | undefined,
): readonly unknown[] {
  if (match === undefined) return [];
  return [weighted, match.route, match.virtualHost, table]
    .map((level) => level?.perFilterConfig.get(filterName))
    .filter((config) => config !== undefined);
}
