import type { RbacCondition } from '../config/rbac-config.js';
import type { StringMatchConfig } from '../config/route-config.js';
import {
  allOf,
  ALWAYS,
  anyOf,
  AuthenticatedCondition,
  IpCondition,
  notOf,
  PathCondition,
  PeerPrincipalCondition,
  PortCondition,
  ServerNameCondition,
  type Condition,
  type IpFact,
} from './condition.js';
import { headerCondition, headerValues, isSingleHeader } from './header-condition.js';
import { IpRanges } from './ip-ranges.js';
import { MetadataCondition } from './metadata-condition.js';
import { compileTexts } from './text-test.js';

/**
 * Makes a condition ready for requests.
 *
 * `closed` is its answer that leads towards a refusal: whether it matches in a policy that denies, the opposite in one that
 * allows, and turned round below each `not`. It is what is answered where a request leaves two answers possible.
 */
export function compileCondition(condition: RbacCondition, closed: boolean): Condition {
  switch (condition.kind) {
    case 'any':
      return ALWAYS;
    case 'and':
      return allOf(condition.conditions.map((one) => compileCondition(one, closed)));
    case 'or':
      return compileAnyOf(condition.conditions, closed);
    case 'not':
      return notOf(compileCondition(condition.condition, !closed));
    case 'header':
      return headerCondition(condition.header, closed);
    case 'authenticated':
      return new AuthenticatedCondition(
        condition.matcher && compileTexts([condition.matcher], { bytes: false, closed }),
        closed,
      );
    case 'metadata':
      return new MetadataCondition(condition.metadata, closed);
    default:
      return compileGroup([condition], closed);
  }
}

/** Lists are what is long in policies: what asks the same fact of a request is joined to one look-up. */
export function compileAnyOf(conditions: readonly RbacCondition[], closed: boolean): Condition {
  const groups = new Map<string, RbacCondition[]>();
  const alone: Condition[] = [];
  for (const condition of conditions) {
    const key = groupOf(condition);
    if (key === undefined) alone.push(compileCondition(condition, closed));
    else groups.set(key, [...(groups.get(key) ?? []), condition]);
  }
  return anyOf([...alone, ...[...groups.values()].map((group) => compileGroup(group, closed))]);
}

/** Equal for conditions on the same fact that can be joined; undefined for those that cannot. */
function groupOf(condition: RbacCondition): string | undefined {
  switch (condition.kind) {
    case 'path':
    case 'server-name':
    case 'destination-ip':
    case 'direct-remote-ip':
    case 'remote-ip':
    case 'destination-port':
    case 'peer-principal':
      return condition.kind;
    case 'authenticated':
      return condition.matcher === undefined ? undefined : condition.kind;
    case 'header': {
      const { name, match, invert, treatMissingAsEmpty } = condition.header;
      // Of a repeated field each value has to be held against each matcher alone.
      if (match.kind !== 'string' || invert || !isSingleHeader(name)) return undefined;
      return `header ${name} ${treatMissingAsEmpty}`;
    }
    default:
      return undefined;
  }
}

const IP_FACTS: Readonly<Record<'destination-ip' | 'direct-remote-ip' | 'remote-ip', IpFact>> = {
  'destination-ip': 'destinationIp',
  'direct-remote-ip': 'directRemoteIp',
  'remote-ip': 'remoteIp',
};

/** Conditions of one kind, of which one has to hold. */
function compileGroup(group: readonly RbacCondition[], closed: boolean): Condition {
  const first = group[0] as RbacCondition;
  const texts = (bytes: boolean): ReturnType<typeof compileTexts> =>
    compileTexts(group.map(matcherOf), { bytes, closed });
  switch (first.kind) {
    case 'path':
      return new PathCondition(texts(true), closed);
    case 'server-name':
      return new ServerNameCondition(texts(false));
    case 'peer-principal':
      return new PeerPrincipalCondition(texts(false));
    case 'authenticated':
      return new AuthenticatedCondition(texts(false), closed);
    case 'header':
      return headerValues(first.header, texts(true), closed);
    case 'destination-port':
      return new PortCondition(
        group.flatMap((one) => (one.kind === 'destination-port' ? [one.first, one.end] : [])),
        closed,
      );
    case 'destination-ip':
    case 'direct-remote-ip':
    case 'remote-ip': {
      const ranges = group.flatMap((one) => ('range' in one ? [one.range] : []));
      return new IpCondition(IP_FACTS[first.kind], new IpRanges(ranges), closed);
    }
    default:
      return anyOf(group.map((one) => compileCondition(one, closed)));
  }
}

function matcherOf(condition: RbacCondition): StringMatchConfig {
  if (condition.kind === 'header' && condition.header.match.kind === 'string') {
    return condition.header.match.matcher;
  }
  return (condition as { readonly matcher: StringMatchConfig }).matcher;
}
