import type { envoy } from '@heddle/xds-protos';
import type { ConnectionRateLimitConfig } from '../config/rate-limit-config.js';
import type { Findings } from './findings.js';
import { requiredText } from './proto-values.js';
import { translateTokenBucket } from './rate-limits.js';

/** Source: envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit; undefined: it has no bucket. */
export function translateNetworkLocalRateLimit(
  filter: envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit,
  path: string,
  findings: Findings,
): ConnectionRateLimitConfig | undefined {
  findings.unsupported(`${path}.share_key`, filter.shareKey !== '', 'warning');
  const statPrefix = requiredText(filter.statPrefix, `${path}.stat_prefix`, findings);
  if (filter.tokenBucket === null) {
    findings.problem(`${path}.token_bucket`, 'must be set');
    return undefined;
  }
  return {
    statPrefix,
    bucket: translateTokenBucket(filter.tokenBucket, `${path}.token_bucket`, findings),
    enabled: filter.runtimeEnabled?.defaultValue?.value ?? true,
  };
}
