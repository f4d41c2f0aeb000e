import type { RequestTarget } from '../load/generator-protocol.js';
import type { BodySize } from '../load/body-size.js';

/** The routing table that every subject of one comparison has. */
export interface RoutingShape {
  readonly virtualHosts: number;
  readonly routesPerHost: number;
  /** Endpoints of each cluster, of which one is there. Default 1. */
  readonly endpointsPerHost?: number;
}

/** One route per prefix, each prefix ending in a slash so that none is the beginning of another. */
export function routePrefix(route: number): string {
  return `/api/resource-${route}/`;
}

/** Domain of a virtual host; each has a cluster of its own. */
export function hostName(virtualHost: number): string {
  return `service-${virtualHost}.example`;
}

/** Requests for every route once, hosts changing fastest, as many callers would mix them. */
export function allTargets(shape: RoutingShape, size: BodySize): RequestTarget[] {
  const targets: RequestTarget[] = [];
  for (let route = 0; route < shape.routesPerHost; route++) {
    for (let virtualHost = 0; virtualHost < shape.virtualHosts; virtualHost++) {
      targets.push({ host: hostName(virtualHost), path: `${routePrefix(route)}items/${size}` });
    }
  }
  return targets;
}

/** Requests for the last route of the last virtual host alone. */
export function lastTarget(shape: RoutingShape, size: BodySize): RequestTarget[] {
  const host = hostName(shape.virtualHosts - 1);
  return [{ host, path: `${routePrefix(shape.routesPerHost - 1)}items/${size}` }];
}
