import type { envoy } from '@heddle/xds-protos';
import type { RetryConfig } from '../config/route-config.js';
import { typeNameOfUrl } from './any-config.js';
import type { Findings } from './findings.js';
import { durationMs, positiveDurationMs, wrappedNumber } from './proto-values.js';

const CONDITIONS: ReadonlySet<string> = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

const PREVIOUS_HOSTS = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';

/** Source: envoy.config.route.v3.RetryPolicy; unknown conditions have no effect, as in Envoy. */
export function translateRetryPolicy(
  policy: envoy.config.route.v3.RetryPolicy,
  path: string,
  findings: Findings,
): RetryConfig {
  const retryOn = policy.retryOn
    .split(',')
    .map((condition) => condition.trim())
    .filter((condition) => condition !== '');
  for (const condition of retryOn) {
    if (!CONDITIONS.has(condition))
      findings.warn(`${path}.retry_on`, `unknown condition ${JSON.stringify(condition)}`);
  }
  findings.unsupported(`${path}.retry_priority`, policy.retryPriority !== null, 'warning');
  findings.unsupported(
    `${path}.retry_options_predicates`,
    policy.retryOptionsPredicates.length > 0,
    'warning',
  );
  findings.unsupported(
    `${path}.rate_limited_retry_back_off`,
    policy.rateLimitedRetryBackOff !== null,
    'warning',
  );
  findings.unsupported(`${path}.retriable_headers`, policy.retriableHeaders.length > 0, 'warning');
  findings.unsupported(
    `${path}.retriable_request_headers`,
    policy.retriableRequestHeaders.length > 0,
    'warning',
  );
  let avoidPreviousHosts = false;
  policy.retryHostPredicate.forEach((predicate, i) => {
    const isPreviousHosts =
      predicate.typedConfig === null
        ? predicate.name === 'envoy.retry_host_predicates.previous_hosts'
        : typeNameOfUrl(predicate.typedConfig.typeUrl) === PREVIOUS_HOSTS;
    if (isPreviousHosts) avoidPreviousHosts = true;
    else findings.warn(`${path}.retry_host_predicate[${i}]`, 'is not supported and has no effect');
  });
  const backOffBaseMs = positiveDurationMs(
    policy.retryBackOff?.baseInterval ?? null,
    25,
    `${path}.retry_back_off.base_interval`,
    findings,
  );
  if (policy.retryBackOff !== null && policy.retryBackOff.baseInterval === null) {
    findings.problem(`${path}.retry_back_off.base_interval`, 'must be set');
  }
  const backOffMaxMs = positiveDurationMs(
    policy.retryBackOff?.maxInterval ?? null,
    backOffBaseMs * 10,
    `${path}.retry_back_off.max_interval`,
    findings,
  );
  if (backOffMaxMs < backOffBaseMs) {
    findings.problem(`${path}.retry_back_off.max_interval`, 'must not be less than base_interval');
  }
  return {
    retryOn,
    numRetries: wrappedNumber(policy.numRetries, 1, `${path}.num_retries`, findings),
    perTryTimeoutMs: durationMs(policy.perTryTimeout, 0, `${path}.per_try_timeout`, findings),
    perTryIdleTimeoutMs: durationMs(policy.perTryIdleTimeout, 0, `${path}.per_try_idle_timeout`, findings),
    retriableStatusCodes: [...policy.retriableStatusCodes],
    backOffBaseMs,
    backOffMaxMs,
    hostSelectionRetryMaxAttempts:
      policy.hostSelectionRetryMaxAttempts === 0 ? 1 : policy.hostSelectionRetryMaxAttempts,
    avoidPreviousHosts,
  };
}
