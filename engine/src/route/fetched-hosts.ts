import type { RouteConfig, RouteEntryConfig, VirtualHostConfig } from '../config/route-config.js';
import { effectiveHeaderChanges } from './header-changes.js';

/** By host, for the table that it was last put into. */
const adapted = new WeakMap<
  VirtualHostConfig,
  { readonly table: RouteConfig; readonly host: VirtualHostConfig }
>();

/**
 * A route configuration with the virtual hosts that were fetched for it: they come first, so a domain is theirs, and of two
 * of one name the fetched one counts.
 *
 * Source: `vhds` of envoy.config.route.v3.RouteConfiguration.
 * Cost: what a host takes from its table is worked out once.
 */
export function withFetchedHosts(table: RouteConfig, fetched: readonly VirtualHostConfig[]): RouteConfig {
  if (fetched.length === 0) return table;
  const names = new Set(fetched.map(({ name }) => name));
  const own = table.virtualHosts.filter(({ name }) => !names.has(name));
  return { ...table, virtualHosts: [...fetched.map((host) => inTable(host, table)), ...own] };
}

function inTable(host: VirtualHostConfig, table: RouteConfig): VirtualHostConfig {
  const known = adapted.get(host);
  if (known?.table === table) return known.host;
  const effective = (entry: RouteEntryConfig): RouteEntryConfig => ({
    name: entry.name,
    match: entry.match,
    action: entry.action,
    requestHeaders: entry.requestHeaders,
    responseHeaders: entry.responseHeaders,
    perFilterConfig: entry.perFilterConfig,
    decoratorOperation: entry.decoratorOperation,
    effectiveRequestHeaders: effectiveHeaderChanges(table, host, entry, 'requestHeaders'),
    effectiveResponseHeaders: effectiveHeaderChanges(table, host, entry, 'responseHeaders'),
  });
  const inside = Object.freeze({ ...host, routes: host.routes.map(effective) });
  adapted.set(host, { table, host: inside });
  return inside;
}
