import type { RouteConfig, RouteEntryConfig } from '../config/route-config.js';
import type { RuntimeSettings } from '../config/runtime-config.js';

/** The routes with the shares of requests that settings give them; the same object where none names a setting. */
export function withRuntime(config: RouteConfig, settings: RuntimeSettings): RouteConfig {
  if (!config.virtualHosts.some(({ routes }) => routes.some(isNamed))) return config;
  return Object.freeze({
    ...config,
    virtualHosts: config.virtualHosts.map((host) => {
      if (!host.routes.some(isNamed)) return host;
      const routes = host.routes.map((route) => {
        const { runtimeKey, runtimeFraction } = route.match;
        if (runtimeKey === undefined) return route;
        const match = { ...route.match, runtimeFraction: settings.ratio(runtimeKey, runtimeFraction) };
        return Object.freeze({ ...route, match: Object.freeze(match) });
      });
      return Object.freeze({ ...host, routes: Object.freeze(routes) });
    }),
  });
}

function isNamed({ match }: RouteEntryConfig): boolean {
  return match.runtimeKey !== undefined;
}
