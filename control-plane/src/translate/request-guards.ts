import type { envoy } from '@heddle/xds-protos';
import {
  connectionPolicyFilters,
  requestPolicyFilters,
  type GuardedPort,
} from './translate-authorization.js';
import { connectionLimitFilters, requestLimitFilters } from './translate-rate-limit.js';
import { jwtFilterOf } from './translate-request-authentication.js';

type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.IHttpFilter;
type NetworkFilter = envoy.config.listener.v3.IFilter;

/**
 * The filters that may refuse a request to a workload, in the order in which they run: what comes too fast costs the least, and who
 * calls is known before what it may do.
 */
export function requestGuards(place: GuardedPort): readonly HttpFilter[] {
  const jwt = jwtFilterOf(place.model, place.subject);
  return [
    ...requestLimitFilters(place.model, place.subject),
    ...(jwt === undefined ? [] : [jwt]),
    ...requestPolicyFilters(place),
  ];
}

/** The filters that may refuse a connection of any kind. */
export function acceptGuards({ model, subject }: GuardedPort): readonly NetworkFilter[] {
  return connectionLimitFilters(model, subject);
}

/** The filters that may refuse a connection whose bytes are passed on. */
export function connectionGuards(place: GuardedPort): readonly NetworkFilter[] {
  return [...acceptGuards(place), ...connectionPolicyFilters(place)];
}
