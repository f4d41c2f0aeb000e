/** Bounds of what one client may make us hold. */
export interface SessionLimits {
  readonly maxTypes: number;
  readonly maxNamesPerType: number;
  readonly maxNackBytes: number;
  /** How long listeners and routes wait for new clusters to have their endpoints. */
  readonly clusterGraceMs: number;
  /** Endpoints do not wait for acknowledgements, up to this many; further changes are merged. */
  readonly maxOutstandingEndpoints: number;
  /** Removed clusters that are kept for a client that does not take its new routes; above it the oldest go. */
  readonly maxRetainedClusters: number;
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  maxTypes: 16,
  maxNamesPerType: 100_000,
  maxNackBytes: 16_384,
  clusterGraceMs: 2_000,
  maxOutstandingEndpoints: 16,
  maxRetainedClusters: 10_000,
};
