/**
 * When hosts are taken out for a while because of what requests met there.
 *
 * Source: envoy.config.cluster.v3.OutlierDetection.
 * Units: ms; percent 0..100. `enforcing…` is how likely a detection ejects.
 */
export interface OutlierDetectionConfig {
  readonly intervalMs: number;
  readonly baseEjectionTimeMs: number;
  readonly maxEjectionTimeMs: number;
  readonly maxEjectionTimeJitterMs: number;
  readonly maxEjectionPercent: number;
  readonly alwaysEjectOneHost: boolean;
  /** Whether failures of our own (no connection, no answer in time) are counted apart from answers. */
  readonly splitExternalLocalOriginErrors: boolean;
  readonly consecutive5xx: number;
  readonly enforcingConsecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly enforcingConsecutiveGatewayFailure: number;
  readonly consecutiveLocalOriginFailure: number;
  readonly enforcingConsecutiveLocalOriginFailure: number;
  readonly successRate: {
    readonly minimumHosts: number;
    readonly requestVolume: number;
    /** In thousandths of a standard deviation. */
    readonly stdevFactor: number;
    readonly enforcing: number;
    readonly enforcingLocalOrigin: number;
  };
  readonly failurePercentage: {
    readonly threshold: number;
    readonly minimumHosts: number;
    readonly requestVolume: number;
    readonly enforcing: number;
    readonly enforcingLocalOrigin: number;
  };
  readonly successfulActiveHealthCheckUnejectsHost: boolean;
}
