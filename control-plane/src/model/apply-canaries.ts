import { noHeaderEdits } from './build-virtual-service.js';
import { endpointsOfVersion, type CanaryConfig, type CanaryVersion, type CanaryWeights } from './canary.js';
import type { HttpRoute, WeightedDestination } from './http-route.js';
import type { MeshModel, RouteBinding } from './mesh-model.js';

/**
 * Lays the weights of canaries over the routes that users wrote; what they wrote stays as it is. Pure.
 *
 * Of each rule that forwards to the host, what goes to the stable version, to the host as a whole or to both versions is shared
 * between the two. A rule that names the canary alone (for testers, say) is left alone, and so are mirrors. A host that no rule of the
 * mesh names gets one.
 */
export function applyCanaries(
  bindings: readonly RouteBinding[],
  effective: readonly EffectiveCanary[],
): readonly RouteBinding[] {
  let applied = bindings;
  for (const { canary, weight } of effective) {
    const isRouted = applied.some(
      ({ hosts, gateways, routes }) =>
        hosts.includes(canary.host) && gateways.includes('mesh') && routes.length > 0,
    );
    applied = applied.map((binding) => shared(binding, canary, weight));
    if (!isRouted) applied = [...applied, shared(ownBinding(canary), canary, weight)];
  }
  return applied;
}

/** A canary that has a say in routes. */
export interface EffectiveCanary {
  readonly canary: CanaryConfig;
  /** Percent of the calls. */
  readonly weight: number;
}

/**
 * Those whose versions are known. One that has not begun sends everything to the stable version, unless nothing is there: then
 * routes stay as they are written, so that a canary which cannot begin takes nothing from anybody.
 */
export function effectiveCanaries(
  model: Pick<MeshModel, 'servicesByHost' | 'destinationPolicies'>,
  canaries: readonly CanaryConfig[],
  weights: CanaryWeights,
): readonly EffectiveCanary[] {
  return canaries.flatMap((canary) => {
    const stable = endpointsOfVersion(model, canary.stable);
    if (stable === undefined || endpointsOfVersion(model, canary.canary) === undefined) return [];
    const weight = weights.weightOf(canary) ?? (stable.length === 0 ? undefined : 0);
    return weight === undefined ? [] : [{ canary, weight }];
  });
}

function shared(binding: RouteBinding, canary: CanaryConfig, weight: number): RouteBinding {
  const routes = binding.routes.map((route) => shareRoute(route, canary, weight));
  return routes.every((route, i) => route === binding.routes[i]) ? binding : { ...binding, routes };
}

function shareRoute(route: HttpRoute, canary: CanaryConfig, weight: number): HttpRoute {
  const { action } = route;
  if (action.kind !== 'forward') return route;
  const stable = action.destinations.find((destination) => isStable(destination, canary));
  if (stable === undefined) return route;
  const isOurs = (destination: WeightedDestination): boolean =>
    isStable(destination, canary) || isVersion(destination, canary.canary);
  const total = action.destinations.filter(isOurs).reduce((sum, { weight: own }) => sum + own, 0);
  const existing = action.destinations.find((destination) => isVersion(destination, canary.canary));
  // In hundredths, so that a share of a share stays whole.
  const to = (base: WeightedDestination, version: CanaryVersion, share: number): WeightedDestination => ({
    ...base,
    ...version,
    weight: total * share,
  });
  const split = [
    to(stable, canary.stable, 100 - weight),
    to(existing ?? stable, canary.canary, weight),
  ].filter((destination) => destination.weight > 0 || total === 0);
  const others = action.destinations
    .filter((destination) => !isOurs(destination))
    .map((destination) => ({ ...destination, weight: destination.weight * 100 }));
  return { ...route, action: { ...action, destinations: [...split, ...others] } };
}

function isVersion({ host, subset }: WeightedDestination, version: CanaryVersion): boolean {
  return host === version.host && subset === version.subset;
}

function isStable(destination: WeightedDestination, { host, stable }: CanaryConfig): boolean {
  return isVersion(destination, stable) || isVersion(destination, { host, subset: '' });
}

function ownBinding({ key, name, namespace, host }: CanaryConfig): RouteBinding {
  const route: HttpRoute = {
    name: `${key}/canary`,
    matches: [],
    action: {
      kind: 'forward',
      destinations: [
        {
          host,
          port: undefined,
          subset: '',
          weight: 100,
          requestHeaders: noHeaderEdits,
          responseHeaders: noHeaderEdits,
        },
      ],
      rewritePath: undefined,
      rewriteAuthority: '',
      timeoutMs: undefined,
      retries: undefined,
      mirrors: [],
      cors: undefined,
    },
    requestHeaders: noHeaderEdits,
    responseHeaders: noHeaderEdits,
    fault: undefined,
    rank: undefined,
  };
  return {
    key: `Canary/${key}`,
    ...{ name, namespace },
    hosts: [host],
    gateways: ['mesh'],
    gatewayServers: undefined,
    exportTo: ['*'],
    routes: [route],
    tcpRoutes: [],
    tlsRoutes: [],
  };
}
