import type { AddressConfig } from './address.js';

/** The endpoints of one cluster. Source: envoy.config.endpoint.v3.ClusterLoadAssignment. */
export interface EndpointsConfig {
  readonly clusterName: string;
  readonly localities: readonly LocalityEndpointsConfig[];
  /** Share of requests to drop for overload, 0..1. */
  readonly dropRatio: number;
  /** Envoy's default is 140. */
  readonly overprovisioningFactorPercent: number;
}

export interface LocalityEndpointsConfig {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  /** 0 is tried first. */
  readonly priority: number;
  /** Weight among localities of one priority; 0 when unset. */
  readonly weight: number;
  readonly endpoints: readonly EndpointConfig[];
}

export interface EndpointConfig {
  readonly address: AddressConfig;
  readonly hostname: string;
  readonly health: 'unknown' | 'healthy' | 'unhealthy' | 'draining' | 'timeout' | 'degraded';
  /** At least 1. */
  readonly weight: number;
  /** Where and whether the host is checked, if that is not where requests go. */
  readonly healthCheck?: EndpointHealthCheckConfig;
  /** `filter_metadata` as plain JSON, by namespace. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Source: envoy.config.endpoint.v3.Endpoint.HealthCheckConfig. */
export interface EndpointHealthCheckConfig {
  /** 0: the endpoint's own. */
  readonly port: number;
  /** Empty: what the check says. */
  readonly hostname: string;
  readonly address: AddressConfig | undefined;
  readonly disabled: boolean;
}
