import type { HttpFilter } from '../filter.js';
import { faultFilter } from './fault/index.js';
import { jwtAuthnFilter } from './jwt-authn/index.js';
import { rbacFilter } from './rbac/index.js';

/** Every HTTP filter there is, beside the router, which ends each chain. */
export const httpFilters: readonly HttpFilter[] = [faultFilter, jwtAuthnFilter, rbacFilter];

const byTypeUrl: ReadonlyMap<string, HttpFilter> = new Map(
  httpFilters.map((filter) => [filter.typeUrl, filter]),
);

/** The filter whose configuration has this type URL. */
export function httpFilterOf(typeUrl: string): HttpFilter | undefined {
  return byTypeUrl.get(typeUrl);
}
