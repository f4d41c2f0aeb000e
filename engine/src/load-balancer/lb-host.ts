import type { EndpointConfig } from '../config/endpoints-config.js';

/**
 * What a load balancer needs to know of a host. The data plane's own host objects have these properties and more.
 *
 * Shape: `health` may change at any time (active checks, outlier ejection); tell the balancer by `hostsChanged`.
 * `activeRequests` and `healthySinceMs` are read at each pick.
 */
export interface LbHost {
  /** At least 1. */
  readonly weight: number;
  readonly activeRequests: number;
  readonly health: HostHealth;
  /** Monotonic ms since which it has been a healthy member; 0: for long. */
  readonly healthySinceMs: number;
  /** By what it is placed among others when requests are assigned by hash. */
  hashKey(byHostname: boolean): string;
}

export type HostHealth = 'healthy' | 'degraded' | 'unhealthy';

/** Hosts of one locality and priority. */
export interface LbLocality<H extends LbHost> {
  /** 0 is tried first. */
  readonly priority: number;
  /** Weight among the localities of one priority; 0 when unset (such a locality gets nothing when localities are weighted). */
  readonly weight: number;
  readonly hosts: readonly H[];
}

/** By what an endpoint is placed among others when requests are assigned by hash. Source: Envoy's `hash_key` of `envoy.lb`. */
export function hashKeyOf(
  { metadata, hostname }: Pick<EndpointConfig, 'metadata' | 'hostname'>,
  addressText: string,
  byHostname: boolean,
): string {
  const { hash_key: key } = (metadata['envoy.lb'] ?? {}) as { readonly hash_key?: unknown };
  if (typeof key === 'string' && key !== '') return key;
  return byHostname ? hostname : addressText;
}

/** How an endpoint's health, as the control plane gives it, counts. Source: envoy.config.core.v3.HealthStatus. */
export function hostHealth(health: EndpointConfig['health']): HostHealth {
  switch (health) {
    case 'unknown':
    case 'healthy':
      return 'healthy';
    case 'degraded':
      return 'degraded';
    case 'unhealthy':
    case 'draining':
    case 'timeout':
      return 'unhealthy';
  }
}
