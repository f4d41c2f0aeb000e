import type { envoy } from '@heddle/xds-protos';
import type { NetworkRbacConfig } from '../config/rbac-config.js';
import type { Findings } from './findings.js';
import { durationMs, enumName, requiredText } from './proto-values.js';
import { translateRbac } from './rbac.js';

/**
 * Source: envoy.extensions.filters.network.rbac.v3.RBAC.
 *
 * `enforcement_type` makes no difference: what policies ask of a connection is known when it is made, and stays.
 */
export function translateNetworkRbac(
  filter: envoy.extensions.filters.network.rbac.v3.RBAC,
  path: string,
  findings: Findings,
): NetworkRbacConfig {
  findings.unsupported(`${path}.matcher`, filter.matcher !== null, 'problem');
  findings.unsupported(`${path}.shadow_matcher`, filter.shadowMatcher !== null, 'problem');
  enumName(['one-time', 'continuous'], filter.enforcementType, `${path}.enforcement_type`, findings);
  return {
    rules: translateRbac(filter.rules, 'connection', `${path}.rules`, findings),
    shadowRules: translateRbac(filter.shadowRules, 'connection', `${path}.shadow_rules`, findings),
    statPrefix: requiredText(filter.statPrefix, `${path}.stat_prefix`, findings),
    shadowRulesStatPrefix: filter.shadowRulesStatPrefix,
    delayDenyMs: durationMs(filter.delayDeny, 0, `${path}.delay_deny`, findings),
  };
}
