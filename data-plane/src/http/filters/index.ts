import type { HttpFilter, HttpObserver } from '../filter.js';
import { acceptedFilters } from './accepted/index.js';
import { corsFilter } from './cors/index.js';
import { faultFilter } from './fault/index.js';
import { grpcWebFilter } from './grpc-web/index.js';
import { istioStatsFilter } from './istio-stats/index.js';
import { jwtAuthnFilter } from './jwt-authn/index.js';
import { localRateLimitFilter } from './local-rate-limit/index.js';
import { onDemandFilter } from './on-demand/index.js';
import { peerMetadataFilter } from './peer-metadata/index.js';
import { setFilterStateFilter } from './set-filter-state/index.js';
import { rbacFilter } from './rbac/index.js';

/** Every HTTP filter there is, beside the router, which ends each chain. */
export const httpFilters: readonly (HttpFilter | HttpObserver)[] = [
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

const byTypeUrl: ReadonlyMap<string, HttpFilter | HttpObserver> = new Map(
  httpFilters.map((filter) => [filter.typeUrl, filter]),
);

/** The filter whose configuration has this type URL. */
export function httpFilterOf(typeUrl: string): HttpFilter | HttpObserver | undefined {
  return byTypeUrl.get(typeUrl);
}
