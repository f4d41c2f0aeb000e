/**
 * What keeps a mesh standing, armed and never needed: every request passes the checks, none is held back.
 *
 * Source: envoy.config.route.v3.RetryPolicy, envoy.config.cluster.v3.{OutlierDetection,CircuitBreakers},
 * envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.
 */
export const ARMED_RETRIES = {
  retry_on: '5xx,reset,connect-failure,refused-stream,retriable-status-codes',
  retriable_status_codes: [503],
  num_retries: 3,
  per_try_timeout: '5s',
  retry_host_predicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
      },
    },
  ],
  host_selection_retry_max_attempts: 5,
  retry_back_off: { base_interval: '0.025s', max_interval: '0.25s' },
};

/** Of each cluster. */
export const ARMED_CLUSTER = {
  outlier_detection: {
    consecutive_5xx: 5,
    consecutive_gateway_failure: 5,
    enforcing_consecutive_gateway_failure: 100,
    split_external_local_origin_errors: true,
    interval: '10s',
    base_ejection_time: '30s',
    max_ejection_percent: 50,
  },
  circuit_breakers: {
    thresholds: [
      {
        max_connections: 1024,
        max_pending_requests: 1024,
        max_requests: 1024,
        retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 3 },
      },
    ],
  },
};

/** A filter before the router. Its bucket never empties here. */
export const ARMED_RATE_LIMIT = {
  name: 'envoy.filters.http.local_ratelimit',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
    stat_prefix: 'bench',
    token_bucket: { max_tokens: 1_000_000, tokens_per_fill: 1_000_000, fill_interval: '1s' },
    filter_enabled: { default_value: { numerator: 100, denominator: 'HUNDRED' } },
    filter_enforced: { default_value: { numerator: 100, denominator: 'HUNDRED' } },
  },
};
