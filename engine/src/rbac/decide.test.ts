import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RbacCondition, RbacConfig } from '../config/rbac-config.js';
import type { HeaderMatchConfig, StringMatchConfig } from '../config/route-config.js';
import { HeaderMap } from '../http/header-map.js';
import { LinearRegex } from '../route/linear-regex.js';
import { compileRbac, decide } from './decide.js';
import { explainRbac } from './explain-rbac.js';
import { connectionFacts, requestFacts, tlsOf, type KnownFacts } from './rbac-facts.test-support.js';
import type { RbacFacts } from './rbac-facts.js';

describe('policies', () => {
  it('that allow refuse what none of them matches, and name the one that matched', () => {
    const config = rbac('allow', { admins: header('x-role', exact('admin')), readers: method('GET') });
    assert.deepEqual(decide(compileRbac(config), requestFacts({ method: 'GET' })), {
      allowed: true,
      matched: true,
      policyName: 'readers',
      index: 1,
      reason: 'the policy readers allows this',
    });
    assert.deepEqual(decide(compileRbac(config), requestFacts({ method: 'PUT' })), {
      allowed: false,
      matched: false,
      policyName: '',
      index: -1,
      reason: 'no rule of the policies that allow matches',
    });
  });

  it('that are none allow nothing, refuse nothing, and log nothing', () => {
    const allowed = (action: RbacConfig['action']): boolean =>
      decide(compileRbac({ action, policies: [] }), requestFacts()).allowed;
    assert.deepEqual([allowed('allow'), allowed('deny'), allowed('log')], [false, true, true]);
  });

  it('in the names that Istio gives are told apart by rule', () => {
    const config = rbac('deny', { 'ns[shop]-policy[no-writes]-rule[2]': { kind: 'any' } });
    const { reason } = decide(compileRbac(config), requestFacts());
    assert.equal(reason, 'rule 2 of the AuthorizationPolicy shop/no-writes denies this');
    const invalid = rbac('deny', { 'ns[shop]-policy[no-writes]-invalid': { kind: 'any' } });
    assert.equal(
      decide(compileRbac(invalid), requestFacts()).reason,
      'the security policy shop/no-writes, which is not valid and never was, denies this',
    );
  });

  it('need both a permission and a principal', () => {
    const config: RbacConfig = {
      action: 'allow',
      policies: [{ name: 'p', permissions: [method('GET')], principals: [peer(exact('spiffe://td/a'))] }],
    };
    const allows = (facts: KnownFacts): boolean => decide(compileRbac(config), requestFacts(facts)).allowed;
    assert.equal(allows({ method: 'GET', tls: tlsOf('spiffe://td/a') }), true);
    assert.equal(allows({ method: 'PUT', tls: tlsOf('spiffe://td/a') }), false);
    assert.equal(allows({ method: 'GET', tls: tlsOf('spiffe://td/b') }), false);
    assert.equal(allows({ method: 'GET' }), false);
  });
});

describe('a repeated header (CVE-2020-25017, CVE-2026-26308)', () => {
  const admin = header('x-role', exact('admin'));

  it('is denied when any of its values is denied, in any order, alone and joined', () => {
    const deny = rbac('deny', { p: admin });
    assert.equal(allows(deny, withHeaders(['x-role', 'user'])), true);
    assert.equal(allows(deny, withHeaders(['x-role', 'user'], ['x-role', 'admin'])), false);
    assert.equal(allows(deny, withHeaders(['x-role', 'admin'], ['x-role', 'user'])), false);
    const joined = rbac('deny', { p: header('x-role', exact('user,admin')) });
    assert.equal(allows(joined, withHeaders(['x-role', 'user'], ['x-role', 'admin'])), false);
  });

  it('is allowed only when each of its values is', () => {
    const allow = rbac('allow', { p: admin });
    assert.equal(allows(allow, withHeaders(['x-role', 'admin'], ['x-role', 'admin'])), true);
    assert.equal(allows(allow, withHeaders(['x-role', 'admin'], ['x-role', 'root'])), false);
  });

  it('does not get past a condition that is negated', () => {
    const allow = rbac('allow', { p: { kind: 'not', condition: admin } });
    assert.equal(allows(allow, withHeaders(['x-role', 'user'], ['x-role', 'admin'])), false);
    const inverted = rbac('allow', { p: header('x-role', exact('admin'), { invert: true }) });
    assert.equal(allows(inverted, withHeaders(['x-role', 'user'], ['x-role', 'admin'])), false);
    const deny = rbac('deny', { p: { kind: 'not', condition: admin } });
    assert.equal(allows(deny, withHeaders(['x-role', 'admin'], ['x-role', 'user'])), false);
  });
});

describe('names that services take for the header that a policy means (CVE-2026-88011)', () => {
  it('are denied as the header is, and allow nothing', () => {
    for (const alias of ['x_role', 'x.role']) {
      const facts = withHeaders([alias, 'admin']);
      assert.equal(allows(rbac('deny', { p: header('x-role', exact('admin')) }), facts), false, alias);
      assert.equal(allows(rbac('allow', { p: header('x-role', exact('admin')) }), facts), false, alias);
      const both = withHeaders(['x-role', 'admin'], [alias, 'root']);
      assert.equal(allows(rbac('allow', { p: header('x-role', exact('admin')) }), both), false, alias);
      const present: HeaderMatchConfig['match'] = { kind: 'present', present: true };
      assert.equal(allows(rbac('deny', { p: header('x-role', present) }), facts), false, alias);
      assert.equal(allows(rbac('allow', { p: header('x-role', present) }), facts), false, alias);
      const absent: HeaderMatchConfig['match'] = { kind: 'present', present: false };
      assert.equal(allows(rbac('allow', { p: header('x-role', absent) }), facts), false, alias);
    }
    assert.equal(
      allows(rbac('deny', { p: header('x-role', exact('admin')) }), withHeaders(['xrole', 'admin'])),
      true,
    );
  });
});

describe('bytes that are no text (CVE-2026-73552)', () => {
  const notUtf8 = 'x\xff';
  const letters = header('x-tag', regex('[a-z]+'));

  it('get past no regular expression, negated or not', () => {
    const facts = withHeaders(['x-tag', notUtf8]);
    const not = (condition: RbacCondition): RbacCondition => ({ kind: 'not', condition });
    assert.equal(allows(rbac('deny', { p: letters }), facts), false);
    assert.equal(allows(rbac('deny', { p: not(letters) }), facts), false);
    assert.equal(allows(rbac('allow', { p: letters }), facts), false);
    assert.equal(allows(rbac('allow', { p: not(letters) }), facts), false);
    assert.equal(
      allows(rbac('allow', { p: header('x-tag', regex('[a-z]+'), { invert: true }) }), facts),
      false,
    );
    assert.equal(
      allows(
        rbac('allow', { p: not({ kind: 'path', matcher: text(regex('/x+')) }) }),
        requestFacts({ path: `/${notUtf8}` }),
      ),
      false,
    );
  });

  it('are held against an expression as bytes and as text where they are both', () => {
    const facts = withHeaders(['x-tag', Buffer.from('grün', 'utf8').toString('latin1')]);
    for (const source of ['gr.n', 'gr..n', 'grün', '[a-zü]+', '.*']) {
      assert.equal(allows(rbac('deny', { p: header('x-tag', regex(source)) }), facts), false, source);
      const not: RbacCondition = { kind: 'not', condition: header('x-tag', regex(source)) };
      assert.equal(allows(rbac('allow', { p: not }), facts), false, source);
    }
    const allowed = ['gr.n', 'gr..n', 'grün', '.*'].filter((source) =>
      allows(rbac('allow', { p: header('x-tag', regex(source)) }), facts),
    );
    assert.deepEqual(allowed, ['grün', '.*']);
  });

  it('are compared as bytes where they are text', () => {
    const wire = Buffer.from('grün', 'utf8').toString('latin1');
    const facts = withHeaders(['x-tag', wire]);
    for (const match of [
      exact('grün'),
      part('prefix', 'grü'),
      part('suffix', 'ün'),
      part('contains', 'ü'),
      regex('gr.n'),
    ]) {
      assert.equal(allows(rbac('deny', { p: header('x-tag', match) }), facts), false, JSON.stringify(match));
    }
    assert.equal(allows(rbac('allow', { p: header('x-tag', exact('GRüN', true)) }), facts), true);
  });
});

describe('conditions', () => {
  const holds = (condition: RbacCondition, facts: RbacFacts): boolean =>
    allows(rbac('allow', { p: condition }), facts);

  it('on the host ignore its case where they are told to', () => {
    const condition = header(':authority', exact('Shop.Example', true));
    assert.equal(holds(condition, requestFacts({ authority: 'sHOP.example' })), true);
    assert.equal(
      holds(
        { ...condition, ...header('host', exact('Shop.Example', true)) },
        requestFacts({ authority: 'SHOP.EXAMPLE' }),
      ),
      true,
    );
    assert.equal(holds(condition, requestFacts({ authority: 'shop.example.evil' })), false);
  });

  it('on the path do not see the query', () => {
    const condition: RbacCondition = { kind: 'path', matcher: text(exact('/admin')) };
    assert.equal(holds(condition, requestFacts({ path: '/admin?x=/y' })), true);
    assert.equal(holds(condition, requestFacts({ path: '/x?/admin' })), false);
  });

  it('on certificates take one without name, or none, for nobody', () => {
    const anybody: RbacCondition = { kind: 'authenticated', matcher: undefined };
    assert.equal(holds(anybody, requestFacts()), false);
    assert.equal(holds(anybody, requestFacts({ tls: tlsOf(undefined) })), false);
    assert.equal(holds(anybody, requestFacts({ tls: tlsOf('spiffe://td/a') })), true);
    const named: RbacCondition = { kind: 'authenticated', matcher: text(part('suffix', '.example')) };
    assert.equal(holds(named, requestFacts({ tls: tlsOf(undefined, { dnsSans: ['a.example'] }) })), true);
    assert.equal(holds(named, requestFacts({ tls: tlsOf(undefined, { subject: 'CN=b.example' }) })), true);
    assert.equal(holds(named, requestFacts({ tls: tlsOf('spiffe://td/a') })), false);
    const id: RbacCondition = { kind: 'peer-principal', matcher: text(regex('.*')) };
    assert.equal(holds(id, requestFacts({ tls: tlsOf(undefined, { dnsSans: ['a.example'] }) })), false);
  });

  it('on addresses that are not known refuse', () => {
    const range: RbacCondition = {
      kind: 'direct-remote-ip',
      range: { address: '10.0.0.0', prefixLength: 8 },
    };
    const unknown = connectionFacts({ directRemoteIp: '' });
    assert.equal(holds(range, unknown), false);
    assert.equal(holds({ kind: 'not', condition: range }, unknown), false);
    assert.equal(allows(rbac('deny', { p: range }), unknown), false);
  });

  it('on suffixes of server names hold for connections (CVE-2020-16844)', () => {
    const deny = rbac('deny', { p: { kind: 'server-name', matcher: text(part('suffix', '.evil.example')) } });
    assert.equal(allows(deny, connectionFacts({ serverName: 'a.evil.example' })), false);
    assert.equal(allows(deny, connectionFacts({ serverName: 'good.example' })), true);
  });

  it('on claims look into lists and objects, and take what is not there for nothing', () => {
    const claim = (value: object, invert = false): RbacCondition =>
      ({
        kind: 'metadata',
        metadata: { filter: 'jwt', path: ['payload', 'groups'], value, invert },
      }) as RbacCondition;
    const facts = (groups: unknown): RbacFacts =>
      requestFacts({ dynamicMetadata: new Map([['jwt', { payload: { groups } }]]) });
    const inList = claim({ kind: 'list', entry: { kind: 'string', matcher: text(exact('ops')) } });
    assert.equal(holds(inList, facts(['dev', 'ops'])), true);
    assert.equal(holds(inList, facts('ops')), false);
    assert.equal(holds(inList, requestFacts()), false);
    assert.equal(holds(claim({ kind: 'bool', value: true }), facts(true)), true);
    assert.equal(holds(claim({ kind: 'number', value: 3 }), facts(3)), true);
    assert.equal(holds(claim({ kind: 'range', start: 1, end: 3 }), facts(3)), false);
    assert.equal(holds(claim({ kind: 'null' }), facts(null)), true);
    assert.equal(holds(claim({ kind: 'present', present: true }), facts(0)), true);
    assert.equal(holds(claim({ kind: 'present', present: true }, true), requestFacts()), true);
    const inherited = {
      kind: 'metadata',
      metadata: {
        filter: 'jwt',
        path: ['constructor'],
        value: { kind: 'present', present: true },
        invert: false,
      },
    };
    assert.equal(holds(inherited as RbacCondition, facts('')), false);
  });
});

describe('explaining a decision', () => {
  it('says of every condition whether it holds', () => {
    const config = rbac('deny', {
      'ns[a]-policy[b]-rule[0]': {
        kind: 'and',
        conditions: [method('GET'), { kind: 'not', condition: peer(exact('spiffe://td/a')) }],
      },
    });
    const explained = explainRbac(config, requestFacts({ method: 'GET', tls: tlsOf('spiffe://td/a') }));
    assert.equal(explained.allowed, true);
    assert.deepEqual(explained.policies[0]?.permissions, [
      {
        text: 'all of',
        matched: false,
        conditions: [
          { text: 'header :method: exact "GET"', matched: true, conditions: [] },
          {
            text: 'not',
            matched: false,
            conditions: [
              {
                text: 'name in the certificate of the peer: exact "spiffe://td/a"',
                matched: true,
                conditions: [],
              },
            ],
          },
        ],
      },
    ]);
  });
});

function allows(config: RbacConfig, facts: RbacFacts): boolean {
  return decide(compileRbac(config), facts).allowed;
}

function rbac(action: RbacConfig['action'], policies: Readonly<Record<string, RbacCondition>>): RbacConfig {
  return {
    action,
    policies: Object.entries(policies).map(([name, condition]) => ({
      name,
      permissions: [condition],
      principals: [{ kind: 'any' }],
    })),
  };
}

type StringMatch = Extract<HeaderMatchConfig['match'], { kind: 'string' }>;

function exact(value: string, ignoreCase = false): StringMatch {
  return { kind: 'string', matcher: { kind: 'exact', value, ignoreCase } };
}

function part(kind: 'prefix' | 'suffix' | 'contains', value: string): StringMatch {
  return { kind: 'string', matcher: { kind, value, ignoreCase: false } };
}

function regex(source: string): StringMatch {
  return { kind: 'string', matcher: { kind: 'regex', regex: new LinearRegex(source) } };
}

function text({ matcher }: StringMatch): StringMatchConfig {
  return matcher;
}

function header(
  name: string,
  match: HeaderMatchConfig['match'],
  more: Partial<HeaderMatchConfig> = {},
): Extract<RbacCondition, { kind: 'header' }> {
  return { kind: 'header', header: { name, match, invert: false, treatMissingAsEmpty: false, ...more } };
}

const method = (name: string): RbacCondition => header(':method', exact(name));

const peer = (match: StringMatch): RbacCondition => ({ kind: 'authenticated', matcher: text(match) });

function withHeaders(...fields: readonly [string, string][]): RbacFacts {
  const headers = new HeaderMap();
  for (const [name, value] of fields) headers.append(name, value);
  return requestFacts({ headers });
}
