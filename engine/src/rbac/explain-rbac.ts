import { formatCidr } from '../address/ip-address.js';
import type {
  MetadataMatchConfig,
  RbacCondition,
  RbacConfig,
  ValueMatchConfig,
} from '../config/rbac-config.js';
import { describeHeaderMatch } from '../route/header-match.js';
import { describeStringMatch } from '../route/string-match.js';
import { compileCondition } from './compile-condition.js';
import { closedAnswer, compileRbac, decide, type RbacDecision } from './decide.js';
import type { RbacFacts } from './rbac-facts.js';

/** Why policies decide as they do. */
export interface RbacExplanation extends RbacDecision {
  /** All of them, in order, also those behind the one that decided. */
  readonly policies: readonly ExplainedPolicy[];
}

export interface ExplainedPolicy {
  readonly name: string;
  readonly matched: boolean;
  /** One of these has to hold, */
  readonly permissions: readonly ExplainedCondition[];
  /** and one of these. */
  readonly principals: readonly ExplainedCondition[];
}

/** A condition in words, with what it is made of. */
export interface ExplainedCondition {
  readonly text: string;
  readonly matched: boolean;
  readonly conditions: readonly ExplainedCondition[];
}

/** Decides as `decide` does, and says of every condition whether it holds. */
export function explainRbac(config: RbacConfig, facts: RbacFacts): RbacExplanation {
  const closed = closedAnswer(config.action);
  const policies = config.policies.map(({ name, permissions, principals }): ExplainedPolicy => {
    const explained = [permissions, principals].map((list) =>
      list.map((condition) => explainCondition(condition, closed, facts)),
    );
    return {
      name,
      matched: explained.every((list) => list.some(({ matched }) => matched)),
      permissions: explained[0] ?? [],
      principals: explained[1] ?? [],
    };
  });
  return { ...decide(compileRbac(config), facts), policies };
}

function explainCondition(condition: RbacCondition, closed: boolean, facts: RbacFacts): ExplainedCondition {
  const inner = (): ExplainedCondition[] => {
    if (condition.kind === 'and' || condition.kind === 'or') {
      return condition.conditions.map((one) => explainCondition(one, closed, facts));
    }
    return condition.kind === 'not' ? [explainCondition(condition.condition, !closed, facts)] : [];
  };
  return {
    text: describeCondition(condition),
    matched: compileCondition(condition, closed).matches(facts),
    conditions: inner(),
  };
}

function describeCondition(condition: RbacCondition): string {
  switch (condition.kind) {
    case 'any':
      return 'anything';
    case 'and':
      return 'all of';
    case 'or':
      return 'one of';
    case 'not':
      return 'not';
    case 'header':
      return `header ${condition.header.name}: ${describeHeaderMatch(condition.header)}`;
    case 'path':
      return `path: ${describeStringMatch(condition.matcher)}`;
    case 'server-name':
      return `server name: ${describeStringMatch(condition.matcher)}`;
    case 'destination-ip':
      return `destination address in ${formatCidr(condition.range)}`;
    case 'direct-remote-ip':
      return `address of the peer in ${formatCidr(condition.range)}`;
    case 'remote-ip':
      return `address of the client in ${formatCidr(condition.range)}`;
    case 'destination-port':
      return condition.end === condition.first + 1
        ? `destination port ${condition.first}`
        : `destination port from ${condition.first} to ${condition.end - 1}`;
    case 'authenticated':
      return condition.matcher === undefined
        ? 'a peer with a certificate'
        : `name in the certificate of the peer: ${describeStringMatch(condition.matcher)}`;
    case 'peer-principal':
      return `SPIFFE ID of the peer: ${describeStringMatch(condition.matcher)}`;
    case 'metadata':
      return describeMetadata(condition.metadata);
  }
}

function describeMetadata({ filter, path, value, invert }: MetadataMatchConfig): string {
  return `metadata ${[filter, ...path].join('.')}: ${invert ? 'not ' : ''}${describeValue(value)}`;
}

function describeValue(value: ValueMatchConfig): string {
  switch (value.kind) {
    case 'null':
      return 'null';
    case 'bool':
    case 'number':
      return String(value.value);
    case 'present':
      return value.present ? 'present' : 'nothing';
    case 'string':
      return describeStringMatch(value.matcher);
    case 'range':
      return `a number in [${value.start}, ${value.end})`;
    case 'list':
      return `a list with ${describeValue(value.entry)}`;
    case 'or':
      return value.matchers.map(describeValue).join(' or ');
  }
}
