/** It is old, carried as many as it may, or its server said that it closes. */
export type Retirement = 'duration' | 'requests' | 'close-notify';

/** Told by a connection pool, for statistics. Every method is optional; durations in ms. */
export interface PoolObserver {
  /** Envoy's upstream_cx_total and upstream_cx_active. */
  onConnection?(): void;
  /** Envoy's upstream_cx_connect_ms. */
  onConnected?(durationMs: number): void;
  /** Envoy's upstream_cx_connect_fail, and upstream_cx_connect_timeout. */
  onConnectFailure?(timedOut: boolean): void;
  /** Envoy's upstream_cx_destroy and upstream_cx_length_ms. */
  onConnectionClosed?(durationMs: number): void;
  /** Envoy's upstream_cx_idle_timeout. */
  onIdleTimeout?(): void;
  /** A connection takes no more requests. Envoy's upstream_cx_max_duration_reached, upstream_cx_max_requests and upstream_cx_close_notify. */
  onRetired?(why: Retirement): void;
  /** Envoy's upstream_cx_overflow. */
  onConnectionOverflow?(): void;
  /** Envoy's upstream_rq_pending_overflow. */
  onPendingOverflow?(): void;
  /** Envoy's upstream_rq_active_overflow. */
  onActiveOverflow?(): void;
  /** Envoy's upstream_rq_pending_active: by how much it changes. */
  onPending?(change: 1 | -1): void;
  /** Envoy's upstream_rq_pending_failure_eject. */
  onPendingFailure?(): void;
  /** Envoy's upstream_rq_active: by how much it changes. */
  onActive?(change: 1 | -1): void;
}
