import type { envoy } from '@heddle/xds-protos';
import type { ConnectionPoolPolicy, OutlierPolicy, RetryBudgetPolicy } from '../model/mesh-model.js';
import { duration } from './proto-values.js';

/** No bound: proxies pass on what they get unless a rule says otherwise. */
const UNLIMITED = 4_294_967_295;

/**
 * The circuit breakers of a cluster. Retries are within a budget unless a rule bounds them in another way: where everything
 * fails, nothing else keeps them from multiplying the load. Istio's default is no bound.
 */
export function thresholdsOf(
  pool: ConnectionPoolPolicy,
  budget: RetryBudgetPolicy | undefined,
): envoy.config.cluster.v3.CircuitBreakers.IThresholds {
  const hasBudget = budget !== undefined || pool.maxRetries === undefined;
  return {
    maxConnections: { value: pool.maxConnections ?? UNLIMITED },
    maxPendingRequests: { value: pool.http1MaxPendingRequests ?? UNLIMITED },
    maxRequests: { value: pool.http2MaxRequests ?? UNLIMITED },
    maxRetries: { value: pool.maxRetries ?? UNLIMITED },
    ...(hasBudget
      ? {
          retryBudget: {
            budgetPercent: { value: budget?.percent ?? 20 },
            minRetryConcurrency: { value: budget?.minConcurrency ?? 3 },
          },
        }
      : {}),
    trackRemaining: true,
  };
}

/** Source: Istio, which relies on counting errors in a row alone. */
export function outlierDetectionOf(policy: OutlierPolicy): envoy.config.cluster.v3.IOutlierDetection {
  const value = (number: number | undefined): { value: number } | undefined =>
    number === undefined ? undefined : { value: number };
  const enforced = (number: number | undefined): { value: number } | undefined =>
    number === undefined ? undefined : { value: number > 0 ? 100 : 0 };
  const isSplit = policy.splitExternalLocalOriginErrors === true;
  return {
    consecutive_5xx: value(policy.consecutive5xx),
    enforcingConsecutive_5xx: enforced(policy.consecutive5xx),
    consecutiveGatewayFailure: value(policy.consecutiveGatewayErrors),
    enforcingConsecutiveGatewayFailure: enforced(policy.consecutiveGatewayErrors),
    ...(isSplit
      ? {
          splitExternalLocalOriginErrors: true,
          consecutiveLocalOriginFailure: value(policy.consecutiveLocalOriginFailures),
          enforcingConsecutiveLocalOriginFailure: enforced(policy.consecutiveLocalOriginFailures),
          enforcingLocalOriginSuccessRate: { value: 0 },
        }
      : {}),
    enforcingSuccessRate: { value: 0 },
    interval: policy.intervalMs === undefined ? undefined : duration(policy.intervalMs),
    baseEjectionTime: policy.baseEjectionMs === undefined ? undefined : duration(policy.baseEjectionMs),
    // As in Istio 0 is what is not said.
    maxEjectionPercent: value(policy.maxEjectionPercent === 0 ? undefined : policy.maxEjectionPercent),
  };
}
