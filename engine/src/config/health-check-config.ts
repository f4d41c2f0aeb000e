import type { HeaderChanges } from './route-config.js';

/**
 * How the hosts of a cluster are asked whether they serve.
 *
 * Source: envoy.config.core.v3.HealthCheck.
 * Units: ms.
 * Shape: bytes are text of as many Latin-1 characters.
 */
export interface HealthCheckConfig {
  readonly timeoutMs: number;
  /** Between checks of a host that is healthy, and near enough to it. */
  readonly intervalMs: number;
  /** At most so much is added to every interval: a fixed time, and a share of it in percent. */
  readonly intervalJitterMs: number;
  readonly intervalJitterPercent: number;
  /** At most so long the first check of a host waits. */
  readonly initialJitterMs: number;
  /** Failures of the connection in a row that make a healthy host unhealthy; a wrong answer does at once. */
  readonly unhealthyThreshold: number;
  /** Successes in a row that make an unhealthy host healthy. The very first check of a host needs one. */
  readonly healthyThreshold: number;
  /** Between checks while the cluster has never had a connection. */
  readonly noTrafficIntervalMs: number;
  readonly noTrafficHealthyIntervalMs: number;
  readonly unhealthyIntervalMs: number;
  /** Between the checks that are about to make a host unhealthy or healthy. */
  readonly unhealthyEdgeIntervalMs: number;
  readonly healthyEdgeIntervalMs: number;
  readonly reuseConnection: boolean;
  /** Instead of the endpoints' own ports; 0: those. */
  readonly altPort: number;
  readonly alwaysLogFailures: boolean;
  readonly alwaysLogSuccess: boolean;
  readonly probe: HttpProbeConfig | TcpProbeConfig;
}

export interface HttpProbeConfig {
  readonly kind: 'http';
  /** Empty: the name of the cluster. */
  readonly host: string;
  readonly path: string;
  readonly method: string;
  /** Sent as the body; empty: none. */
  readonly send: string;
  /** Each of them must be in the body, in this order. */
  readonly receive: readonly string[];
  /** How much of the body is looked at; 0: all of it, within a bound. */
  readonly responseBufferBytes: number;
  readonly headers: HeaderChanges;
  /** From `start` up to, not including, `end`. */
  readonly expectedStatuses: readonly StatusRange[];
  readonly retriableStatuses: readonly StatusRange[];
}

export interface TcpProbeConfig {
  readonly kind: 'tcp';
  /** Empty: nothing is sent. */
  readonly send: string;
  /** Each of them must come, in this order; empty: it is enough to connect. */
  readonly receive: readonly string[];
}

export interface StatusRange {
  readonly start: number;
  readonly end: number;
}
