import type { envoy } from '@heddle/xds-protos';
import type { RbacConfig, RbacPolicyConfig } from '../config/rbac-config.js';
import type { Findings } from './findings.js';
import { enumName, requiredText } from './proto-values.js';
import { translatePermission, translatePrincipal, type RbacScope } from './rbac-conditions.js';

const ACTIONS = ['allow', 'deny', 'log'] as const;

/**
 * Source: envoy.config.rbac.v3.RBAC; undefined when it is not set.
 *
 * Errors: a problem for everything that is unknown or not understood. Nothing is passed over here: what a policy asks for
 * and we leave out would let somebody in.
 */
export function translateRbac(
  rbac: envoy.config.rbac.v3.RBAC | null,
  scope: RbacScope,
  path: string,
  findings: Findings,
): RbacConfig | undefined {
  if (rbac === null) return undefined;
  findings.unsupported(`${path}.audit_logging_options`, rbac.auditLoggingOptions !== null, 'warning');
  const policies = Object.entries(rbac.policies)
    .map(([name, policy]) => translatePolicy(name, policy, scope, path, findings))
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  return { action: enumName(ACTIONS, rbac.action, `${path}.action`, findings), policies };
}

function translatePolicy(
  name: string,
  policy: envoy.config.rbac.v3.Policy,
  scope: RbacScope,
  parent: string,
  findings: Findings,
): RbacPolicyConfig {
  const path = `${parent}.policies[${JSON.stringify(name)}]`;
  requiredText(name, `${parent}.policies`, findings);
  findings.unsupported(`${path}.condition`, policy.condition !== null, 'problem');
  findings.unsupported(`${path}.checked_condition`, policy.checkedCondition !== null, 'problem');
  for (const field of ['permissions', 'principals'] as const) {
    if (policy[field].length === 0) findings.problem(`${path}.${field}`, 'must have at least one entry');
  }
  return {
    name,
    permissions: policy.permissions.map((permission, i) =>
      translatePermission(permission, scope, `${path}.permissions[${i}]`, findings),
    ),
    principals: policy.principals.map((principal, i) =>
      translatePrincipal(principal, scope, `${path}.principals[${i}]`, findings),
    ),
  };
}
