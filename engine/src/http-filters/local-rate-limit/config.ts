import { envoy } from '@heddle/xds-protos';
import type { Translated } from '../../config/problem.js';
import type { LocalDescriptorConfig, LocalRateLimitConfig } from '../../config/rate-limit-config.js';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import { translateHeaderOptions } from '../../translate/header-changes.js';
import { deepFreeze, enumName, fractionRatio, requiredText } from '../../translate/proto-values.js';
import { translateRateLimits, translateTokenBucket } from '../../translate/rate-limits.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { LocalRateLimit } = envoy.extensions.filters.http.local_ratelimit.v3;
type LocalRateLimit = envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit;

const TOO_MANY_REQUESTS = 429;
const MOST_HEADERS = 10;
const MOST_STAGE = 10;

export const localRateLimitFilter: HttpFilterFactoryConfig = {
  name: 'envoy.filters.http.local_ratelimit',
  typeUrl: `type.googleapis.com/${LocalRateLimit.typeName}`,
  perRouteTypeUrl: `type.googleapis.com/${LocalRateLimit.typeName}`,
  terminal: false,
  parse: (bytes, path) => parse(bytes, path, false),
  parsePerRoute: (bytes, path) => parse(bytes, path, true),
};

function parse(bytes: Uint8Array, path: string, isOfRoute: boolean): Translated<LocalRateLimitConfig> {
  const findings = new Findings();
  const limit = decodeAs(bytes, LocalRateLimit, path, findings) ?? LocalRateLimit.create();
  if (isOfRoute && limit.tokenBucket === null) {
    findings.problem(`${path}.token_bucket`, 'must be set on routes');
  }
  const config = translate(limit, path, findings);
  return findings.finish(deepFreeze(isOfRoute ? { ...config, place: path } : config));
}

function translate(limit: LocalRateLimit, path: string, findings: Findings): LocalRateLimitConfig {
  findings.unsupported(`${path}.local_cluster_rate_limit`, limit.localClusterRateLimit !== null, 'warning');
  findings.unsupported(`${path}.max_dynamic_descriptors`, limit.maxDynamicDescriptors !== null, 'warning');
  if (limit.stage > MOST_STAGE) findings.problem(`${path}.stage`, `must be at most ${MOST_STAGE}`);
  const headers = (
    field: 'requestHeadersToAddWhenNotEnforced' | 'responseHeadersToAdd',
    name: string,
  ): LocalRateLimitConfig['requestHeaders'] => {
    const at = `${path}.${name}`;
    if (limit[field].length > MOST_HEADERS) {
      findings.problem(at, `must have at most ${MOST_HEADERS} entries`);
    }
    return { remove: [], set: translateHeaderOptions(limit[field], at, findings) };
  };
  const code = limit.status?.code ?? TOO_MANY_REQUESTS;
  return {
    statPrefix: requiredText(limit.statPrefix, `${path}.stat_prefix`, findings),
    // Source: Envoy: less than an error is not taken.
    status: code < 400 ? TOO_MANY_REQUESTS : code,
    bucket:
      limit.tokenBucket === null
        ? undefined
        : translateTokenBucket(limit.tokenBucket, `${path}.token_bucket`, findings),
    enabledRatio: fractionRatio(
      limit.filterEnabled?.defaultValue ?? null,
      0,
      `${path}.filter_enabled.default_value`,
      findings,
    ),
    enforcedRatio: fractionRatio(
      limit.filterEnforced?.defaultValue ?? null,
      0,
      `${path}.filter_enforced.default_value`,
      findings,
    ),
    ...keyOf('enabledKey', limit.filterEnabled),
    ...keyOf('enforcedKey', limit.filterEnforced),
    requestHeaders: headers('requestHeadersToAddWhenNotEnforced', 'request_headers_to_add_when_not_enforced'),
    responseHeaders: headers('responseHeadersToAdd', 'response_headers_to_add'),
    descriptors: translateDescriptors(limit, `${path}.descriptors`, findings),
    rateLimits: translateRateLimits(limit.rateLimits, `${path}.rate_limits`, findings),
    stage: limit.stage,
    virtualHostLimits: enumName(
      ['override', 'include', 'ignore'] as const,
      limit.vhRateLimits,
      `${path}.vh_rate_limits`,
      findings,
    ),
    perConnection: limit.localRateLimitPerDownstreamConnection,
    alwaysConsumeDefault: limit.alwaysConsumeDefaultTokenBucket?.value ?? true,
    tellsLimits:
      enumName(
        ['off', 'draft-03'] as const,
        limit.enableXRatelimitHeaders,
        `${path}.enable_x_ratelimit_headers`,
        findings,
      ) === 'draft-03',
    grpcResourceExhausted: limit.rateLimitedAsResourceExhausted,
  };
}

function translateDescriptors(
  { descriptors }: LocalRateLimit,
  path: string,
  findings: Findings,
): readonly LocalDescriptorConfig[] {
  const seen = new Set<string>();
  return descriptors.flatMap((descriptor, i): LocalDescriptorConfig[] => {
    const at = `${path}[${i}]`;
    if (descriptor.entries.length === 0) findings.problem(`${at}.entries`, 'must have at least one entry');
    const entries = descriptor.entries.map(({ key, value }, j) => {
      requiredText(key, `${at}.entries[${j}].key`, findings);
      if (value === '') {
        findings.warn(`${at}.entries[${j}].value`, 'a bucket for each value is not supported: none is made');
      }
      return [key, value] as const;
    });
    const text = JSON.stringify(entries);
    if (seen.has(text)) findings.problem(`${at}.entries`, 'stand twice');
    seen.add(text);
    if (descriptor.tokenBucket === null) {
      findings.problem(`${at}.token_bucket`, 'must be set');
      return [];
    }
    const bucket = translateTokenBucket(descriptor.tokenBucket, `${at}.token_bucket`, findings);
    return entries.some(([, value]) => value === '') ? [] : [{ entries, bucket }];
  });
}

function keyOf<Name extends string>(
  name: Name,
  fraction: envoy.config.core.v3.RuntimeFractionalPercent | null,
): Partial<Record<Name, string>> {
  const key = fraction?.runtimeKey ?? '';
  return key === '' ? {} : ({ [name]: key } as Record<Name, string>);
}
