import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RbacCondition, RbacConfig } from '../config/rbac-config.js';
import type { HeaderMatchConfig, StringMatchConfig } from '../config/route-config.js';
import { HeaderMap } from '../http/header-map.js';
import { LinearRegex } from '../route/linear-regex.js';
import { compileRbac, decide } from './decide.js';
import { explainRbac } from './explain-rbac.js';
import type { RbacFacts } from './rbac-facts.js';
import { requestFacts, tlsOf } from './rbac-facts.test-support.js';

describe('decisions of policies', () => {
  it('are what a naive evaluation says, for requests that can be read in one way only', () => {
    fc.assert(
      fc.property(configs, plainFacts, (config, facts) => {
        const decision = decide(compileRbac(config), facts);
        const name = naiveMatch(config, facts);
        assert.equal(decision.policyName, name ?? '');
        assert.equal(
          decision.allowed,
          config.action === 'log' || (name !== undefined) === (config.action === 'allow'),
        );
      }),
      { numRuns: 5000 },
    );
  });

  it('allow a request that can be read in several ways only if every reading is allowed', () => {
    fc.assert(
      fc.property(configs, ambiguousFacts, (config, { facts, readings }) => {
        const { allowed } = decide(compileRbac(config), facts);
        if (!allowed) return;
        for (const reading of readings) {
          const matched = naiveMatch(config, reading) !== undefined;
          assert.ok(config.action === 'log' || matched === (config.action === 'allow'));
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('are explained as they are made', () => {
    fc.assert(
      fc.property(configs, ambiguousFacts, (config, { facts }) => {
        const decision = decide(compileRbac(config), facts);
        const explained = explainRbac(config, facts);
        assert.equal(explained.allowed, decision.allowed);
        assert.equal(explained.policies.find(({ matched }) => matched)?.name ?? '', decision.policyName);
      }),
      { numRuns: 1000 },
    );
  });
});

/** The first policy that matches, each condition by its plain meaning. */
function naiveMatch({ policies }: RbacConfig, facts: RbacFacts): string | undefined {
  return policies.find(
    ({ permissions, principals }) =>
      permissions.some((one) => naive(one, facts)) && principals.some((one) => naive(one, facts)),
  )?.name;
}

function naive(condition: RbacCondition, facts: RbacFacts): boolean {
  switch (condition.kind) {
    case 'any':
      return true;
    case 'and':
      return condition.conditions.every((one) => naive(one, facts));
    case 'or':
      return condition.conditions.some((one) => naive(one, facts));
    case 'not':
      return !naive(condition.condition, facts);
    case 'header':
      return naiveHeader(condition.header, facts);
    case 'path':
      return naiveText(condition.matcher, facts.path);
    case 'server-name':
      return naiveText(condition.matcher, facts.serverName);
    case 'peer-principal':
      return (facts.tls?.peer?.uriSans ?? []).some((name) => naiveText(condition.matcher, name));
    case 'authenticated': {
      const { matcher } = condition;
      const peer = facts.tls?.peer;
      const names = peer === undefined ? [] : [...peer.uriSans, ...peer.dnsSans, peer.subject];
      return matcher === undefined ? names.length > 0 : names.some((name) => naiveText(matcher, name));
    }
    case 'destination-port':
      return facts.destinationPort >= condition.first && facts.destinationPort < condition.end;
    case 'remote-ip':
    case 'direct-remote-ip':
    case 'destination-ip': {
      const fact = {
        'remote-ip': facts.remoteIp,
        'direct-remote-ip': facts.directRemoteIp,
        'destination-ip': facts.destinationIp,
      };
      const bits = (text: string): string =>
        text
          .split('.')
          .map((part) => Number(part).toString(2).padStart(8, '0'))
          .join('');
      const { address, prefixLength } = condition.range;
      return bits(fact[condition.kind]).startsWith(bits(address).slice(0, prefixLength));
    }
    case 'metadata':
      throw new Error('not made here');
  }
}

function naiveHeader(
  { name, match, invert, treatMissingAsEmpty }: HeaderMatchConfig,
  facts: RbacFacts,
): boolean {
  const request = facts.request;
  const value =
    name === ':method'
      ? request?.method
      : name === ':authority'
        ? request?.authority
        : request?.headers.get(name);
  if (match.kind === 'present')
    return ((value !== undefined || treatMissingAsEmpty) === match.present) !== invert;
  if (value === undefined && !treatMissingAsEmpty) return false;
  if (match.kind !== 'string') throw new Error('not made here');
  return naiveText(match.matcher, value ?? '') !== invert;
}

function naiveText(matcher: StringMatchConfig, value: string): boolean {
  if (matcher.kind === 'regex') return new RegExp(`^(?:${matcher.regex.source})$`).test(value);
  const [wanted, given] = matcher.ignoreCase
    ? [matcher.value.toLowerCase(), value.toLowerCase()]
    : [matcher.value, value];
  return {
    exact: given === wanted,
    prefix: given.startsWith(wanted),
    suffix: given.endsWith(wanted),
    contains: given.includes(wanted),
  }[matcher.kind];
}

const text = fc.stringMatching(/^[abA/]{0,3}$/);
const regexes = ['.+', '.*/ns/a/.*', '(a|b)+', 'a.*', '[ab]/.*'].map((source) => new LinearRegex(source));
const matchers: fc.Arbitrary<StringMatchConfig> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('exact', 'prefix', 'suffix', 'contains'),
      value: text,
      ignoreCase: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom(...regexes).map((regex) => ({ kind: 'regex' as const, regex })) },
);
const headers: fc.Arbitrary<HeaderMatchConfig> = fc.record({
  name: fc.constantFrom('x-user', 'x-user', 'role', ':method', ':authority'),
  match: fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('string' as const), matcher: matchers }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('present' as const), present: fc.boolean() }) },
  ),
  invert: fc.boolean(),
  treatMissingAsEmpty: fc.boolean(),
});
const address = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.1.0.1', '192.168.0.1');
const leaves: fc.Arbitrary<RbacCondition> = fc.oneof(
  fc.constant({ kind: 'any' as const }),
  { weight: 4, arbitrary: headers.map((header) => ({ kind: 'header' as const, header })) },
  fc.record({
    kind: fc.constantFrom('path', 'server-name', 'peer-principal', 'authenticated'),
    matcher: matchers,
  }) as fc.Arbitrary<RbacCondition>,
  fc.constant({ kind: 'authenticated' as const, matcher: undefined }),
  fc.record({
    kind: fc.constantFrom('remote-ip', 'direct-remote-ip', 'destination-ip'),
    range: fc.record({ address, prefixLength: fc.integer({ min: 0, max: 32 }) }),
  }),
  fc
    .record({ first: fc.integer({ min: 79, max: 81 }), size: fc.integer({ min: 1, max: 2 }) })
    .map(({ first, size }) => ({
      kind: 'destination-port' as const,
      first,
      end: first + size,
    })),
);
const conditions: fc.Arbitrary<RbacCondition> = fc.letrec<{ node: RbacCondition }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    { weight: 3, arbitrary: leaves },
    fc.record({ kind: fc.constant('not' as const), condition: tie('node') }),
    fc.record({
      kind: fc.constantFrom('and', 'or'),
      conditions: fc.array(tie('node'), { minLength: 1, maxLength: 4 }),
    }),
  ),
})).node;
const configs: fc.Arbitrary<RbacConfig> = fc
  .record({
    action: fc.constantFrom('allow' as const, 'deny' as const, 'log' as const),
    policies: fc.array(
      fc.record({
        permissions: fc.array(conditions, { minLength: 1, maxLength: 3 }),
        principals: fc.array(conditions, { minLength: 1, maxLength: 3 }),
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ action, policies }) => ({
    action,
    policies: policies.map((policy, i) => ({ name: `p${i}`, ...policy })),
  }));

const principal = fc.option(fc.constantFrom('a', 'a/ns/a/b', 'b/a'), { nil: undefined });
const known = fc.record({
  method: fc.constantFrom('a', 'b', 'A'),
  authority: fc.stringMatching(/^[abA]{1,3}$/),
  path: fc.stringMatching(/^\/[ab/]{0,4}$/),
  serverName: text,
  remoteIp: address,
  directRemoteIp: address,
  destinationIp: address,
  destinationPort: fc.integer({ min: 79, max: 82 }),
  tls: principal.map((name) => (name === undefined ? undefined : tlsOf(name))),
});
const value = fc.stringMatching(/^[abA/]{1,3}$/);
const plainFacts: fc.Arbitrary<RbacFacts> = fc
  .record({ known, user: fc.option(value, { nil: undefined }), role: fc.option(value, { nil: undefined }) })
  .map(({ known: facts, user, role }) => factsOf(facts, { 'x-user': user, role }));

/** `x-user` in several fields and under other names, and what services may read of it. */
const ambiguousFacts = fc
  .record({
    known,
    role: fc.option(value, { nil: undefined }),
    fields: fc.array(fc.tuple(fc.constantFrom('x-user', 'x_user', 'x.user'), value), {
      minLength: 1,
      maxLength: 3,
    }),
  })
  .map(({ known: facts, role, fields }) => {
    const head = new HeaderMap();
    for (const [name, one] of fields) head.append(name, one);
    if (role !== undefined) head.append('role', role);
    const users: (string | undefined)[] = fields.map(([, one]) => one);
    if (fields.every(([name]) => name !== 'x-user')) users.push(undefined);
    return {
      facts: requestFacts({ ...facts, headers: head }),
      readings: users.map((user) => factsOf(facts, { 'x-user': user, role })),
    };
  });

function factsOf(
  facts: Parameters<typeof requestFacts>[0],
  fields: Record<string, string | undefined>,
): RbacFacts {
  const head = new HeaderMap();
  for (const [name, one] of Object.entries(fields)) if (one !== undefined) head.append(name, one);
  return requestFacts({ ...facts, headers: head });
}
