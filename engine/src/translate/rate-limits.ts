import type { envoy } from '@heddle/xds-protos';
import type {
  RateLimitActionConfig,
  RateLimitEntryConfig,
  TokenBucketConfig,
} from '../config/rate-limit-config.js';
import type { Findings } from './findings.js';
import { checkHeaderName, translateHeaderMatcher, translateQueryParameterMatcher } from './matchers.js';
import { positiveDurationMs, requiredText, wrappedNumber } from './proto-values.js';

type RateLimit = envoy.config.route.v3.RateLimit;
type Action = envoy.config.route.v3.RateLimit.Action;

/** Envoy's, so that nobody asks for what cannot be kept. */
const LEAST_INTERVAL_MS = 50;
const MOST_STAGE = 10;

/** Source: envoy.type.v3.TokenBucket. */
export function translateTokenBucket(
  bucket: envoy.type.v3.TokenBucket,
  path: string,
  findings: Findings,
): TokenBucketConfig {
  if (bucket.maxTokens === 0) findings.problem(`${path}.max_tokens`, 'must be more than zero');
  const perFill = wrappedNumber(bucket.tokensPerFill, 1, `${path}.tokens_per_fill`, findings, 1);
  const at = `${path}.fill_interval`;
  if (bucket.fillInterval === null) findings.problem(at, 'must be set');
  const intervalMs = positiveDurationMs(bucket.fillInterval, LEAST_INTERVAL_MS, at, findings);
  if (intervalMs > 0 && intervalMs < LEAST_INTERVAL_MS) {
    findings.problem(at, `must be at least ${LEAST_INTERVAL_MS} ms (is ${intervalMs} ms)`);
  }
  return { maxTokens: bucket.maxTokens, fillPerSecond: (perFill * 1000) / Math.max(1, intervalMs) };
}

/** Source: `rate_limits` of routes, virtual hosts and filters. Those that are disabled by a key are left out, as in Envoy. */
export function translateRateLimits(
  limits: readonly RateLimit[],
  path: string,
  findings: Findings,
): readonly RateLimitEntryConfig[] {
  return limits.flatMap((limit, i) => translateRateLimit(limit, `${path}[${i}]`, findings) ?? []);
}

function translateRateLimit(
  limit: RateLimit,
  path: string,
  findings: Findings,
): RateLimitEntryConfig | undefined {
  const stage = wrappedNumber(limit.stage, 0, `${path}.stage`, findings, 0, MOST_STAGE);
  findings.unsupported(`${path}.limit`, limit.limit !== null, 'warning');
  if (limit.actions.length === 0) findings.problem(`${path}.actions`, 'must have at least one entry');
  const actions = limit.actions.map((action, i) =>
    translateAction(action, `${path}.actions[${i}]`, findings),
  );
  if (limit.disableKey !== '') return undefined;
  const known = actions.filter((action) => action !== undefined);
  // Without one of its parts a descriptor would be another one.
  return known.length === actions.length ? { stage, actions: known } : undefined;
}

function translateAction(
  action: Action,
  path: string,
  findings: Findings,
): RateLimitActionConfig | undefined {
  switch (action.actionSpecifier) {
    case 'genericKey': {
      const value = action.genericKey?.descriptorValue ?? '';
      requiredText(value, `${path}.generic_key.descriptor_value`, findings);
      return { kind: 'generic-key', key: action.genericKey?.descriptorKey || 'generic_key', value };
    }
    case 'requestHeaders': {
      const { headerName = '', descriptorKey = '', skipIfAbsent = false } = action.requestHeaders ?? {};
      checkHeaderName(headerName, `${path}.request_headers.header_name`, findings);
      requiredText(descriptorKey, `${path}.request_headers.descriptor_key`, findings);
      return { kind: 'request-header', name: headerName.toLowerCase(), key: descriptorKey, skipIfAbsent };
    }
    case 'remoteAddress':
      return { kind: 'remote-address' };
    case 'destinationCluster':
      return { kind: 'destination-cluster' };
    case 'headerValueMatch': {
      const at = `${path}.header_value_match`;
      const { descriptorKey, descriptorValue, expectMatch, headers } = action.headerValueMatch ?? {};
      requiredText(descriptorValue ?? '', `${at}.descriptor_value`, findings);
      if (headers === undefined || headers.length === 0) {
        findings.problem(`${at}.headers`, 'must have at least one entry');
      }
      return {
        kind: 'header-match',
        key: descriptorKey || 'header_match',
        value: descriptorValue ?? '',
        expectMatch: expectMatch?.value ?? true,
        headers: (headers ?? []).map((header, i) =>
          translateHeaderMatcher(header, `${at}.headers[${i}]`, findings),
        ),
      };
    }
    case 'queryParameterValueMatch': {
      const at = `${path}.query_parameter_value_match`;
      const { descriptorKey, descriptorValue, expectMatch, queryParameters } =
        action.queryParameterValueMatch ?? {};
      requiredText(descriptorValue ?? '', `${at}.descriptor_value`, findings);
      return {
        kind: 'query-match',
        key: descriptorKey || 'query_match',
        value: descriptorValue ?? '',
        expectMatch: expectMatch?.value ?? true,
        parameters: (queryParameters ?? []).map((parameter, i) =>
          translateQueryParameterMatcher(parameter, `${at}.query_parameters[${i}]`, findings),
        ),
      };
    }
    case undefined:
      findings.problem(path, 'must say what it looks at');
      return undefined;
    default:
      findings.warn(path, 'is not supported: this limit does not count here');
      return undefined;
  }
}
