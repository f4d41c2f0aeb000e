import type { envoy } from '@heddle/xds-protos';
import type { RetryConfig } from '../config/route-config.js';
import { parseRetryOn } from '../retry/retry-condition.js';
import { DEFAULT_BACK_OFF_MS } from '../retry/retry-overrides.js';
import { typeNameOfUrl } from './any-config.js';
import type { Findings } from './findings.js';
import { checkHeaderName, translateHeaderMatcher } from './matchers.js';
import { durationMs, enumName, positiveDurationMs, wrappedNumber } from './proto-values.js';

const PREVIOUS_HOSTS = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';

type Policy = envoy.config.route.v3.RetryPolicy;

/** Envoy's default for the longest wait that a rate limiter may ask for. */
const DEFAULT_RESET_MAX_MS = 300_000;

/** Source: envoy.config.route.v3.RetryPolicy; unknown conditions have no effect, as in Envoy. */
export function translateRetryPolicy(policy: Policy, path: string, findings: Findings): RetryConfig {
  findings.unsupported(`${path}.retry_priority`, policy.retryPriority !== null, 'warning');
  findings.unsupported(
    `${path}.retry_options_predicates`,
    policy.retryOptionsPredicates.length > 0,
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
  return {
    conditions: parseRetryOn(policy.retryOn, (word) =>
      findings.warn(`${path}.retry_on`, `unknown condition ${JSON.stringify(word)}`),
    ),
    numRetries: wrappedNumber(policy.numRetries, 1, `${path}.num_retries`, findings),
    perTryTimeoutMs: durationMs(policy.perTryTimeout, 0, `${path}.per_try_timeout`, findings),
    perTryIdleTimeoutMs: durationMs(policy.perTryIdleTimeout, 0, `${path}.per_try_idle_timeout`, findings),
    retriableStatusCodes: [...policy.retriableStatusCodes],
    retriableHeaders: policy.retriableHeaders.map((matcher, i) =>
      translateHeaderMatcher(matcher, `${path}.retriable_headers[${i}]`, findings),
    ),
    retriableRequestHeaders: policy.retriableRequestHeaders.map((matcher, i) =>
      translateHeaderMatcher(matcher, `${path}.retriable_request_headers[${i}]`, findings),
    ),
    ...translateBackOff(policy.retryBackOff, `${path}.retry_back_off`, findings),
    rateLimitedBackOff: translateRateLimitedBackOff(
      policy.rateLimitedRetryBackOff,
      `${path}.rate_limited_retry_back_off`,
      findings,
    ),
    hostSelectionRetryMaxAttempts:
      policy.hostSelectionRetryMaxAttempts === 0 ? 1 : policy.hostSelectionRetryMaxAttempts,
    avoidPreviousHosts,
  };
}

function translateBackOff(
  backOff: Policy['retryBackOff'],
  path: string,
  findings: Findings,
): Pick<RetryConfig, 'backOffBaseMs' | 'backOffMaxMs'> {
  if (backOff === null) return { backOffBaseMs: DEFAULT_BACK_OFF_MS, backOffMaxMs: 10 * DEFAULT_BACK_OFF_MS };
  const at = `${path}.base_interval`;
  if (backOff.baseInterval === null) findings.problem(at, 'must be set');
  const backOffBaseMs = positiveDurationMs(backOff.baseInterval, DEFAULT_BACK_OFF_MS, at, findings);
  const backOffMaxMs = positiveDurationMs(
    backOff.maxInterval,
    10 * backOffBaseMs,
    `${path}.max_interval`,
    findings,
  );
  if (backOffMaxMs < backOffBaseMs) {
    findings.problem(`${path}.max_interval`, 'must not be less than base_interval');
  }
  return { backOffBaseMs, backOffMaxMs };
}

function translateRateLimitedBackOff(
  backOff: Policy['rateLimitedRetryBackOff'],
  path: string,
  findings: Findings,
): RetryConfig['rateLimitedBackOff'] {
  if (backOff === null) return undefined;
  if (backOff.resetHeaders.length === 0) {
    findings.problem(`${path}.reset_headers`, 'must have at least one entry');
  }
  return {
    resetHeaders: backOff.resetHeaders.map(({ name, format }, i) => {
      const at = `${path}.reset_headers[${i}]`;
      checkHeaderName(name, `${at}.name`, findings);
      return {
        name: name.toLowerCase(),
        format: enumName(['seconds', 'unix-timestamp'] as const, format, `${at}.format`, findings),
      };
    }),
    maxMs: positiveDurationMs(backOff.maxInterval, DEFAULT_RESET_MAX_MS, `${path}.max_interval`, findings),
  };
}
