import type { RbacConfig, RbacPolicyConfig } from '../config/rbac-config.js';
import { compileAnyOf } from './compile-condition.js';
import { allOf, type Condition } from './condition.js';
import type { RbacFacts } from './rbac-facts.js';

/** What policies come to for one request or connection. */
export interface RbacDecision {
  readonly allowed: boolean;
  /** Whether a policy matched. */
  readonly matched: boolean;
  /** The policy that decided; empty when none matched. */
  readonly policyName: string;
  /** Its place among the policies; -1 when none matched. */
  readonly index: number;
  /** Why, in plain English. */
  readonly reason: string;
}

/** Policies made ready for requests. Made once for each configuration. */
export interface CompiledRbac {
  readonly action: RbacConfig['action'];
  readonly policies: readonly { readonly condition: Condition; readonly decision: RbacDecision }[];
  /** When no policy matches. */
  readonly otherwise: RbacDecision;
}

const compiled = new WeakMap<RbacConfig, CompiledRbac>();

/** The same for the same configuration. */
export function compileRbac(config: RbacConfig): CompiledRbac {
  let made = compiled.get(config);
  if (made === undefined) {
    made = {
      action: config.action,
      policies: config.policies.map((policy, index) => ({
        condition: compilePolicy(policy, config.action),
        decision: decisionOf(config.action, policy.name, index),
      })),
      otherwise: decisionOf(config.action, '', -1),
    };
    compiled.set(config, made);
  }
  return made;
}

/** The answer of a condition that leads towards a refusal, in policies of an action. */
export function closedAnswer(action: RbacConfig['action']): boolean {
  return action === 'deny';
}

function compilePolicy(
  { permissions, principals }: RbacPolicyConfig,
  action: RbacConfig['action'],
): Condition {
  const closed = closedAnswer(action);
  return allOf([compileAnyOf(permissions, closed), compileAnyOf(principals, closed)]);
}

/**
 * Decides on a request or connection: the first policy that matches gives the decision its name.
 *
 * Source: Envoy's RoleBasedAccessControlEngine. `log` allows everything.
 * Cost: allocates nothing.
 */
export function decide(rbac: CompiledRbac, facts: RbacFacts): RbacDecision {
  const { policies } = rbac;
  for (let i = 0; i < policies.length; i++) {
    const policy = policies[i] as CompiledRbac['policies'][number];
    if (policy.condition.matches(facts)) return policy.decision;
  }
  return rbac.otherwise;
}

function decisionOf(action: RbacConfig['action'], policyName: string, index: number): RbacDecision {
  const matched = index !== -1;
  return Object.freeze({
    allowed: action === 'log' || matched === (action === 'allow'),
    matched,
    policyName,
    index,
    reason: reasonOf(action, policyName),
  });
}

function reasonOf(action: RbacConfig['action'], policyName: string): string {
  if (policyName === '') {
    if (action === 'allow') return 'no rule of the policies that allow matches';
    return action === 'deny' ? 'no rule of the policies that deny matches' : 'no rule that logs matches';
  }
  const verb = action === 'allow' ? 'allows' : action === 'deny' ? 'denies' : 'logs';
  return `${describePolicy(policyName)} ${verb} this`;
}

/** `ns[default]-policy[only-admins]-rule[0]`, as Istio names them; `invalid` is ours, of what stands in for a policy. */
const ISTIO_NAME = /^ns\[(.*)\]-policy\[(.*)\]-(?:rule\[(\d+)\]|invalid)$/;

function describePolicy(name: string): string {
  const [, namespace, policy, rule] = ISTIO_NAME.exec(name) ?? [];
  if (namespace === undefined || policy === undefined) return `the policy ${name}`;
  if (rule !== undefined) return `rule ${rule} of the AuthorizationPolicy ${namespace}/${policy}`;
  return `the security policy ${namespace}/${policy}, which is not valid and never was,`;
}
