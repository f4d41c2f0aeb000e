import { acceptedFilters } from './accepted/config.js';
import { corsFilter } from './cors/config.js';
import { faultFilter } from './fault/config.js';
import { grpcWebFilter } from './grpc-web/config.js';
import { localRateLimitFilter } from './local-rate-limit/config.js';
import type { HttpFilterFactoryConfig } from './http-filter.js';
import { jwtAuthnFilter } from './jwt-authn/config.js';
import { rbacFilter } from './rbac/config.js';
import { istioStatsFilter } from './istio-stats/config.js';
import { onDemandFilter } from './on-demand/config.js';
import { peerMetadataFilter } from './peer-metadata/config.js';
import { setFilterStateFilter } from './set-filter-state/config.js';
import { routerFilter } from './router/config.js';

/** Every HTTP filter that configuration may name. */
export const httpFilters: readonly HttpFilterFactoryConfig[] = [
  routerFilter,
  faultFilter,
  corsFilter,
  localRateLimitFilter,
  jwtAuthnFilter,
  rbacFilter,
  peerMetadataFilter,
  istioStatsFilter,
  grpcWebFilter,
  onDemandFilter,
  ...acceptedFilters,
  setFilterStateFilter,
];

const byTypeUrl: ReadonlyMap<string, HttpFilterFactoryConfig> = new Map(
  httpFilters.map((filter) => [filter.typeUrl, filter]),
);

const byPerRouteTypeUrl: ReadonlyMap<string, HttpFilterFactoryConfig> = new Map(
  httpFilters.flatMap((filter) =>
    filter.perRouteTypeUrl === undefined ? [] : [[filter.perRouteTypeUrl, filter]],
  ),
);

/** The filter whose configuration has this type URL. */
export function httpFilterOf(typeUrl: string): HttpFilterFactoryConfig | undefined {
  return byTypeUrl.get(typeUrl);
}

/** The filter whose override on routes has this type URL. */
export function httpFilterOfOverride(typeUrl: string): HttpFilterFactoryConfig | undefined {
  return byPerRouteTypeUrl.get(typeUrl);
}
