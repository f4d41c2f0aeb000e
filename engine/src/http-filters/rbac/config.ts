import { envoy } from '@heddle/xds-protos';
import type { Translated } from '../../config/problem.js';
import type { RbacFilterConfig } from '../../config/rbac-config.js';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import { deepFreeze } from '../../translate/proto-values.js';
import { translateRbac } from '../../translate/rbac.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { RBAC, RBACPerRoute } = envoy.extensions.filters.http.rbac.v3;

/** What a route says that switches the rules off for itself. */
const NO_RULES: RbacFilterConfig = Object.freeze({
  rules: undefined,
  shadowRules: undefined,
  rulesStatPrefix: '',
  shadowRulesStatPrefix: '',
  trackPerRuleStats: false,
});

export const rbacFilter: HttpFilterFactoryConfig = {
  name: 'envoy.filters.http.rbac',
  typeUrl: `type.googleapis.com/${RBAC.typeName}`,
  perRouteTypeUrl: `type.googleapis.com/${RBACPerRoute.typeName}`,
  terminal: false,
  parse(bytes, path): Translated<RbacFilterConfig> {
    const findings = new Findings();
    const rbac = decodeAs(bytes, RBAC, path, findings, true) ?? RBAC.create();
    return findings.finish(deepFreeze(translateFilter(rbac, path, findings)));
  },
  parsePerRoute(bytes, path): Translated<RbacFilterConfig> {
    const findings = new Findings();
    const { rbac } = decodeAs(bytes, RBACPerRoute, path, findings, true) ?? RBACPerRoute.create();
    if (rbac === null) return findings.finish(NO_RULES);
    return findings.finish(deepFreeze(translateFilter(rbac, `${path}.rbac`, findings)));
  },
};

function translateFilter(
  filter: envoy.extensions.filters.http.rbac.v3.RBAC,
  path: string,
  findings: Findings,
): RbacFilterConfig {
  findings.unsupported(`${path}.matcher`, filter.matcher !== null, 'problem');
  findings.unsupported(`${path}.shadow_matcher`, filter.shadowMatcher !== null, 'problem');
  return {
    rules: translateRbac(filter.rules, 'request', `${path}.rules`, findings),
    shadowRules: translateRbac(filter.shadowRules, 'request', `${path}.shadow_rules`, findings),
    rulesStatPrefix: filter.rulesStatPrefix,
    shadowRulesStatPrefix: filter.shadowRulesStatPrefix,
    trackPerRuleStats: filter.trackPerRuleStats,
  };
}
