import type { envoy, google } from '@heddle/xds-protos';
import type { OutlierDetectionConfig } from '../config/outlier-detection-config.js';
import type { Findings } from './findings.js';
import { durationMs, positiveDurationMs, wrappedNumber } from './proto-values.js';

const LONGEST_EJECTION_MS = 300_000;

/** With Envoy's defaults. Source: envoy.config.cluster.v3.OutlierDetection. */
export function translateOutlierDetection(
  outlier: envoy.config.cluster.v3.OutlierDetection | null,
  path: string,
  findings: Findings,
): OutlierDetectionConfig | undefined {
  if (outlier === null) return undefined;
  const count = (value: google.protobuf.UInt32Value | null, unset: number, field: string): number =>
    wrappedNumber(value, unset, `${path}.${field}`, findings);
  const percent = (value: google.protobuf.UInt32Value | null, unset: number, field: string): number =>
    wrappedNumber(value, unset, `${path}.${field}`, findings, 0, 100);
  findings.unsupported(`${path}.monitors`, outlier.monitors.length > 0, 'warning');
  const baseEjectionTimeMs = positiveDurationMs(
    outlier.baseEjectionTime,
    30_000,
    `${path}.base_ejection_time`,
    findings,
  );
  const maxEjectionTimeMs = positiveDurationMs(
    outlier.maxEjectionTime,
    Math.max(LONGEST_EJECTION_MS, baseEjectionTimeMs),
    `${path}.max_ejection_time`,
    findings,
  );
  if (maxEjectionTimeMs < baseEjectionTimeMs) {
    findings.problem(`${path}.max_ejection_time`, 'must not be less than base_ejection_time');
  }
  return {
    intervalMs: positiveDurationMs(outlier.interval, 10_000, `${path}.interval`, findings),
    baseEjectionTimeMs,
    maxEjectionTimeMs,
    maxEjectionTimeJitterMs: durationMs(
      outlier.maxEjectionTimeJitter,
      0,
      `${path}.max_ejection_time_jitter`,
      findings,
    ),
    maxEjectionPercent: percent(outlier.maxEjectionPercent, 10, 'max_ejection_percent'),
    alwaysEjectOneHost: outlier.alwaysEjectOneHost?.value ?? false,
    splitExternalLocalOriginErrors: outlier.splitExternalLocalOriginErrors,
    consecutive5xx: count(outlier.consecutive_5xx, 5, 'consecutive_5xx'),
    enforcingConsecutive5xx: percent(outlier.enforcingConsecutive_5xx, 100, 'enforcing_consecutive_5xx'),
    consecutiveGatewayFailure: count(outlier.consecutiveGatewayFailure, 5, 'consecutive_gateway_failure'),
    enforcingConsecutiveGatewayFailure: percent(
      outlier.enforcingConsecutiveGatewayFailure,
      0,
      'enforcing_consecutive_gateway_failure',
    ),
    consecutiveLocalOriginFailure: count(
      outlier.consecutiveLocalOriginFailure,
      5,
      'consecutive_local_origin_failure',
    ),
    enforcingConsecutiveLocalOriginFailure: percent(
      outlier.enforcingConsecutiveLocalOriginFailure,
      100,
      'enforcing_consecutive_local_origin_failure',
    ),
    successRate: {
      minimumHosts: count(outlier.successRateMinimumHosts, 5, 'success_rate_minimum_hosts'),
      requestVolume: count(outlier.successRateRequestVolume, 100, 'success_rate_request_volume'),
      stdevFactor: count(outlier.successRateStdevFactor, 1900, 'success_rate_stdev_factor'),
      enforcing: percent(outlier.enforcingSuccessRate, 100, 'enforcing_success_rate'),
      enforcingLocalOrigin: percent(
        outlier.enforcingLocalOriginSuccessRate,
        100,
        'enforcing_local_origin_success_rate',
      ),
    },
    failurePercentage: {
      threshold: percent(outlier.failurePercentageThreshold, 85, 'failure_percentage_threshold'),
      minimumHosts: count(outlier.failurePercentageMinimumHosts, 5, 'failure_percentage_minimum_hosts'),
      requestVolume: count(outlier.failurePercentageRequestVolume, 50, 'failure_percentage_request_volume'),
      enforcing: percent(outlier.enforcingFailurePercentage, 0, 'enforcing_failure_percentage'),
      enforcingLocalOrigin: percent(
        outlier.enforcingFailurePercentageLocalOrigin,
        0,
        'enforcing_failure_percentage_local_origin',
      ),
    },
    successfulActiveHealthCheckUnejectsHost: outlier.successfulActiveHealthCheckUnejectHost?.value ?? true,
  };
}
