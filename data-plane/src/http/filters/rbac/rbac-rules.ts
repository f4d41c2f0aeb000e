import {
  compileRbac,
  rbacDenied,
  type CompiledRbac,
  type DynamicMetadata,
  type LocalReply,
  type RbacConfig,
  type RbacDecision,
  type RbacFilterConfig,
} from '@heddle/engine';
import type { Counter, StatsStore, Tags } from '../../../stats/stats-store.js';

/** What follows from one decision, made ready when the configuration came. */
export interface RbacOutcome {
  readonly allowed: boolean;
  /** undefined where the request goes on. */
  readonly reply: LocalReply | undefined;
  /** Under the filter's name, for logs and later filters. */
  readonly metadata: DynamicMetadata;
  readonly counter: Counter;
  /** Of the policy that decided; undefined where policies are not counted one by one, or none matched. */
  readonly policyCounter: Counter | undefined;
  /** What policies that log leave for access logs. */
  readonly logHint: DynamicMetadata | undefined;
}

/** The policies of one configuration, with what follows from each decision. */
export interface RbacRules {
  readonly compiled: CompiledRbac;
  /** By the index of the policy, plus one: the first is for when none matched. */
  readonly outcomes: readonly RbacOutcome[];
}

/** What one configuration of the filter, of its own or of a route, makes of requests. */
export interface PreparedRbac {
  readonly rules: RbacRules | undefined;
  readonly shadowRules: RbacRules | undefined;
}

/** Whose statistics and metadata names are used. */
interface RbacNames {
  /** Of the filter itself, also where a route has rules of its own. */
  readonly base: RbacFilterConfig;
  readonly tags: Tags;
  readonly stats: StatsStore;
}

/**
 * Makes a configuration ready.
 *
 * Source: Envoy's RBAC filter: counters keep the filter's own prefixes, metadata takes those of the route where it has some.
 */
export function prepareRbac(config: RbacFilterConfig, names: RbacNames): PreparedRbac {
  const { base } = names;
  const rulesPrefix = config.rulesStatPrefix === '' ? base.rulesStatPrefix : config.rulesStatPrefix;
  const shadowPrefix =
    config.shadowRulesStatPrefix === '' ? base.shadowRulesStatPrefix : config.shadowRulesStatPrefix;
  const perPolicy = config.trackPerRuleStats;
  const enforced = statPrefix('http.rbac', base.rulesStatPrefix);
  const shadow = statPrefix('http.rbac', base.shadowRulesStatPrefix);
  return {
    rules: prepareRules(config.rules, names, {
      statPrefix: enforced,
      statName: '',
      metadataPrefix: `${rulesPrefix}enforced_`,
      enforced: true,
      perPolicy,
    }),
    shadowRules: prepareRules(config.shadowRules, names, {
      statPrefix: shadow,
      statName: 'shadow_',
      metadataPrefix: `${shadowPrefix}shadow_`,
      enforced: false,
      perPolicy,
    }),
  };
}

interface RulesNames {
  readonly statPrefix: string;
  readonly statName: string;
  readonly metadataPrefix: string;
  readonly enforced: boolean;
  readonly perPolicy: boolean;
}

function prepareRules(
  config: RbacConfig | undefined,
  { stats, tags }: RbacNames,
  names: RulesNames,
): RbacRules | undefined {
  if (config === undefined) return undefined;
  const compiled = compileRbac(config);
  const decisions = [compiled.otherwise, ...compiled.policies.map(({ decision }) => decision)];
  const outcomeOf = (decision: RbacDecision): RbacOutcome => {
    const name = `${names.statName}${decision.allowed ? 'allowed' : 'denied'}`;
    const policyTags: Tags = [...tags, ['envoy_rbac_policy', decision.policyName]];
    return Object.freeze({
      allowed: decision.allowed,
      reply: decision.allowed || !names.enforced ? undefined : rbacDenied(decision),
      metadata: metadataOf(decision, names.metadataPrefix),
      counter: stats.counter(`${names.statPrefix}.${name}`, tags),
      policyCounter:
        names.perPolicy && decision.matched
          ? stats.counter(`${names.statPrefix}.policy.${name}`, policyTags)
          : undefined,
      logHint:
        config.action === 'log' && names.enforced
          ? Object.freeze({ access_log_hint: decision.matched })
          : undefined,
    });
  };
  return { compiled, outcomes: decisions.map(outcomeOf) };
}

function metadataOf({ allowed, policyName }: RbacDecision, prefix: string): DynamicMetadata {
  return Object.freeze({
    ...(policyName === '' ? {} : { [`${prefix}effective_policy_id`]: policyName }),
    [`${prefix}engine_result`]: allowed ? 'allowed' : 'denied',
  });
}

function statPrefix(before: string, prefix: string): string {
  return prefix === '' ? before : `${before}.${prefix}`;
}
