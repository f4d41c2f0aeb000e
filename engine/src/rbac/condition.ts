import { PEER_PRINCIPAL_KEY } from '../http/stream-info.js';
import { peerPrincipal } from '../http/tls-info.js';
import type { IpRanges } from './ip-ranges.js';
import type { RbacFacts } from './rbac-facts.js';
import type { TextTest } from './text-test.js';

/** A condition of a policy made ready for requests. `cost` is a guess, in no unit, by which cheap ones go first. */
export interface Condition {
  readonly cost: number;
  matches(facts: RbacFacts): boolean;
}

export const ALWAYS: Condition = Object.freeze({ cost: 0, matches: () => true });
export const NEVER: Condition = Object.freeze({ cost: 0, matches: () => false });

/** Holds when all do. */
export function allOf(conditions: readonly Condition[]): Condition {
  if (conditions.includes(NEVER)) return NEVER;
  const left = cheapestFirst(conditions.filter((condition) => condition !== ALWAYS));
  return left.length < 2 ? (left[0] ?? ALWAYS) : new AllOf(left);
}

/** Holds when one does. */
export function anyOf(conditions: readonly Condition[]): Condition {
  if (conditions.includes(ALWAYS)) return ALWAYS;
  const left = cheapestFirst(conditions.filter((condition) => condition !== NEVER));
  return left.length < 2 ? (left[0] ?? NEVER) : new AnyOf(left);
}

/** Holds when the other does not. */
export function notOf(condition: Condition): Condition {
  if (condition === ALWAYS) return NEVER;
  return condition === NEVER ? ALWAYS : new Not(condition);
}

function cheapestFirst(conditions: readonly Condition[]): Condition[] {
  return [...conditions].sort((a, b) => a.cost - b.cost);
}

function sumOf(conditions: readonly Condition[]): number {
  return conditions.reduce((sum, { cost }) => sum + cost, 0);
}

class AllOf implements Condition {
  readonly cost: number;
  readonly #conditions: readonly Condition[];

  constructor(conditions: readonly Condition[]) {
    this.#conditions = conditions;
    this.cost = sumOf(conditions);
  }

  matches(facts: RbacFacts): boolean {
    const conditions = this.#conditions;
    for (let i = 0; i < conditions.length; i++)
      if (!(conditions[i] as Condition).matches(facts)) return false;
    return true;
  }
}

class AnyOf implements Condition {
  readonly cost: number;
  readonly #conditions: readonly Condition[];

  constructor(conditions: readonly Condition[]) {
    this.#conditions = conditions;
    this.cost = sumOf(conditions);
  }

  matches(facts: RbacFacts): boolean {
    const conditions = this.#conditions;
    for (let i = 0; i < conditions.length; i++) if ((conditions[i] as Condition).matches(facts)) return true;
    return false;
  }
}

class Not implements Condition {
  readonly cost: number;
  readonly #condition: Condition;

  constructor(condition: Condition) {
    this.#condition = condition;
    this.cost = condition.cost;
  }

  matches(facts: RbacFacts): boolean {
    return !this.#condition.matches(facts);
  }
}

/** The path without its query. A request without one (CONNECT) has nothing to match. */
export class PathCondition implements Condition {
  readonly cost: number;
  readonly #test: TextTest;
  readonly #closed: boolean;

  constructor(test: TextTest, closed: boolean) {
    this.#test = test;
    this.#closed = closed;
    this.cost = 1 + test.cost;
  }

  matches({ path }: RbacFacts): boolean {
    return path === '' ? this.#closed : this.#test.matches(path);
  }
}

export class ServerNameCondition implements Condition {
  readonly cost: number;
  readonly #test: TextTest;

  constructor(test: TextTest) {
    this.#test = test;
    this.cost = 1 + test.cost;
  }

  matches({ serverName }: RbacFacts): boolean {
    return this.#test.matches(serverName);
  }
}

/** Where a condition on addresses looks. */
export type IpFact = 'destinationIp' | 'directRemoteIp' | 'remoteIp';

export class IpCondition implements Condition {
  readonly cost = 3;
  readonly #fact: IpFact;
  readonly #ranges: IpRanges;
  readonly #closed: boolean;

  constructor(fact: IpFact, ranges: IpRanges, closed: boolean) {
    this.#fact = fact;
    this.#ranges = ranges;
    this.#closed = closed;
  }

  matches(facts: RbacFacts): boolean {
    return this.#ranges.contains(facts[this.#fact]) ?? this.#closed;
  }
}

export class PortCondition implements Condition {
  readonly cost = 1;
  /** First port and end (not included) by turns. */
  readonly #ranges: readonly number[];
  readonly #closed: boolean;

  constructor(ranges: readonly number[], closed: boolean) {
    this.#ranges = ranges;
    this.#closed = closed;
  }

  matches({ destinationPort }: RbacFacts): boolean {
    if (destinationPort === 0) return this.#closed;
    for (let i = 0; i < this.#ranges.length; i += 2) {
      if (destinationPort >= (this.#ranges[i] as number) && destinationPort < (this.#ranges[i + 1] as number))
        return true;
    }
    return false;
  }
}

/**
 * A name in the certificate that the peer proved: one of its URIs, of its DNS names, or its subject.
 *
 * Source: envoy.config.rbac.v3.Principal.Authenticated. Without a test it asks for a certificate, where Envoy is content with TLS.
 */
export class AuthenticatedCondition implements Condition {
  readonly cost: number;
  readonly #test: TextTest | undefined;
  readonly #closed: boolean;

  constructor(test: TextTest | undefined, closed: boolean) {
    this.#test = test;
    this.#closed = closed;
    this.cost = 2 + (test?.cost ?? 0);
  }

  matches({ tls }: RbacFacts): boolean {
    if (tls === undefined) return false;
    const { peer } = tls;
    const test = this.#test;
    if (test === undefined) return peer !== undefined || this.#closed;
    if (peer === undefined) return this.#closed && test.matches('');
    for (const name of peer.uriSans) if (test.matches(name)) return true;
    for (const name of peer.dnsSans) if (test.matches(name)) return true;
    return test.matches(peer.subject);
  }
}

/** The SPIFFE ID that the peer proved. */
export class PeerPrincipalCondition implements Condition {
  readonly cost: number;
  readonly #test: TextTest;

  constructor(test: TextTest) {
    this.#test = test;
    this.cost = 2 + test.cost;
  }

  matches({ tls, filterState }: RbacFacts): boolean {
    const principal = filterState?.get(PEER_PRINCIPAL_KEY)?.value ?? peerPrincipal(tls);
    return principal !== '' && this.#test.matches(principal);
  }
}
