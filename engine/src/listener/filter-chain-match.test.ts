import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { CidrConfig, FilterChainMatchConfig } from '../config/listener-config.js';
import { cidrContains } from './cidr-map.js';
import { FilterChainMatcher, isSameIpOrLoopback, type ConnectionFacts } from './filter-chain-match.js';

const ANYTHING: FilterChainMatchConfig = {
  destinationPort: undefined,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
  directSourcePrefixRanges: [],
  sourceType: 'any',
  sourcePrefixRanges: [],
  sourcePorts: [],
};

const FACTS: ConnectionFacts = {
  destinationIp: '10.0.0.1',
  destinationPort: 80,
  serverName: '',
  transportProtocol: 'raw_buffer',
  applicationProtocols: [],
  directSourceIp: '10.0.0.2',
  sourceIp: '10.0.0.2',
  sourcePort: 1234,
};

describe('FilterChainMatcher', () => {
  it('looks at the destination port before everything else, with no way back', () => {
    const matcher = matcherOf([
      { ...ANYTHING, destinationPort: 80, serverNames: ['other'] },
      { ...ANYTHING, prefixRanges: [{ address: '10.0.0.0', prefixLength: 8 }] },
    ]);
    assert.equal(matcher.find(FACTS), undefined);
    assert.equal(matcher.find({ ...FACTS, destinationPort: 81 }), 1);
  });

  it('takes the longest range of the destination', () => {
    const matcher = matcherOf([
      { ...ANYTHING, prefixRanges: [{ address: '10.0.0.0', prefixLength: 8 }] },
      { ...ANYTHING, prefixRanges: [{ address: '10.0.0.1', prefixLength: 32 }] },
      ANYTHING,
    ]);
    assert.equal(matcher.find(FACTS), 1);
    assert.equal(matcher.find({ ...FACTS, destinationIp: '10.9.9.9' }), 0);
    assert.equal(matcher.find({ ...FACTS, destinationIp: '11.0.0.1' }), 2);
    assert.equal(matcher.find({ ...FACTS, destinationIp: 'fd00::1' }), 2);
  });

  it('takes an exact server name before the longest wildcard', () => {
    const matcher = matcherOf([
      { ...ANYTHING, serverNames: ['*.example.com'] },
      { ...ANYTHING, serverNames: ['*.b.example.com', 'exact.example.com'] },
    ]);
    assert.equal(matcher.find({ ...FACTS, serverName: 'exact.example.com' }), 1);
    assert.equal(matcher.find({ ...FACTS, serverName: 'a.b.example.com' }), 1);
    assert.equal(matcher.find({ ...FACTS, serverName: 'a.example.com' }), 0);
    assert.equal(matcher.find({ ...FACTS, serverName: 'example.com' }), undefined);
  });

  it('takes the one loopback address for local, and no other, as Envoy does', () => {
    const from = (sourceIp: string): boolean => isSameIpOrLoopback({ ...FACTS, sourceIp });
    assert.deepEqual(['127.0.0.1', '127.0.0.9', '::1', '10.0.0.1', '10.0.0.2', ''].map(from), [
      true,
      false,
      true,
      true,
      false,
      true,
    ]);
  });

  it('refuses two chains that match the same connections', () => {
    const matcher = new FilterChainMatcher<number>(undefined);
    assert.equal(matcher.add({ ...ANYTHING, sourcePorts: [1, 2] }, 0), true);
    assert.equal(matcher.add({ ...ANYTHING, sourcePorts: [2] }, 1), false);
  });

  it('falls back on the default chain', () => {
    const matcher = new FilterChainMatcher<string>('default');
    matcher.add({ ...ANYTHING, destinationPort: 443 }, 'tls');
    assert.equal(matcher.find(FACTS), 'default');
  });

  it('agrees with weighing every chain step by step', () => {
    const subsetOf = <T>(...values: T[]) => fc.subarray(values);
    const cidrs = subsetOf<CidrConfig>(
      { address: '10.0.0.0', prefixLength: 8 },
      { address: '10.1.0.0', prefixLength: 16 },
      { address: '10.1.2.3', prefixLength: 32 },
      { address: '0.0.0.0', prefixLength: 0 },
      { address: 'fd00::', prefixLength: 8 },
      { address: 'fd00::1', prefixLength: 128 },
    );
    const match: fc.Arbitrary<FilterChainMatchConfig> = fc.record({
      destinationPort: fc.constantFrom(undefined, 80, 443),
      prefixRanges: cidrs,
      serverNames: subsetOf('a.com', '*.a.com', '*.com', 'x.a.com'),
      transportProtocol: fc.constantFrom('', 'tls', 'raw_buffer'),
      applicationProtocols: subsetOf('h2', 'http/1.1'),
      directSourcePrefixRanges: cidrs,
      sourceType: fc.constantFrom('any', 'same-ip-or-loopback', 'external'),
      sourcePrefixRanges: cidrs,
      sourcePorts: subsetOf(1000, 2000),
    });
    const ip = fc.constantFrom(
      '10.0.0.1',
      '10.1.9.9',
      '10.1.2.3',
      '127.0.0.1',
      '192.168.0.1',
      'fd00::1',
      'fd00::2',
    );
    const facts: fc.Arbitrary<ConnectionFacts> = fc.record({
      destinationIp: ip,
      destinationPort: fc.constantFrom(80, 443, 8080),
      serverName: fc.constantFrom('', 'a.com', 'x.a.com', 'y.x.a.com', 'b.com', 'org'),
      transportProtocol: fc.constantFrom('', 'tls', 'raw_buffer'),
      applicationProtocols: fc.constantFrom<readonly string[]>([], ['h2'], ['h2', 'http/1.1'], ['spdy']),
      directSourceIp: ip,
      sourceIp: ip,
      sourcePort: fc.constantFrom(1000, 2000, 3000),
    });
    fc.assert(
      fc.property(fc.array(match, { maxLength: 5 }), facts, (matches, connection) => {
        const matcher = new FilterChainMatcher<number>(undefined);
        const areUnique = matches.map((one, index) => matcher.add(one, index));
        // Chains with the same criteria are refused when a listener is applied.
        fc.pre(areUnique.every(Boolean));
        assert.equal(matcher.find(connection), weigh(matches, connection));
      }),
      { numRuns: 2000 },
    );
  });
});

/** How well one value of a criterion fits: -1 not at all, 0 because it is not set, more when more specific. */
type Fit = number;

const STEPS: readonly ((match: FilterChainMatchConfig, facts: ConnectionFacts) => Fit)[] = [
  (match, facts) =>
    match.destinationPort === undefined ? 0 : match.destinationPort === facts.destinationPort ? 1 : -1,
  (match, facts) => cidrFit(match.prefixRanges, facts.destinationIp),
  (match, facts) =>
    best(match.serverNames, (name) => {
      if (!name.startsWith('*')) return name === facts.serverName ? 10_000 : -1;
      return facts.serverName.endsWith(name.slice(1)) && facts.serverName.length > name.length - 1
        ? name.length
        : -1;
    }),
  (match, facts) =>
    match.transportProtocol === '' ? 0 : match.transportProtocol === facts.transportProtocol ? 1 : -1,
  (match, facts) =>
    best(match.applicationProtocols, (protocol) => {
      const place = facts.applicationProtocols.indexOf(protocol);
      return place === -1 ? -1 : 100 - place;
    }),
  (match, facts) => cidrFit(match.directSourcePrefixRanges, facts.directSourceIp),
  (match, facts) =>
    match.sourceType === 'any'
      ? 0
      : (match.sourceType === 'same-ip-or-loopback') === isSameIpOrLoopback(facts)
        ? 1
        : -1,
  (match, facts) => cidrFit(match.sourcePrefixRanges, facts.sourceIp),
  (match, facts) => best(match.sourcePorts, (port) => (port === facts.sourcePort ? 1 : -1)),
];

function best<T>(values: readonly T[], fit: (value: T) => Fit): Fit {
  return values.length === 0 ? 0 : Math.max(...values.map(fit));
}

function cidrFit(ranges: readonly CidrConfig[], ip: string): Fit {
  return best(ranges, (range) => (cidrContains(range, ip) ? range.prefixLength + 1 : -1));
}

/** Step by step, only the chains with the best fit stay. */
function weigh(matches: readonly FilterChainMatchConfig[], facts: ConnectionFacts): number | undefined {
  let left = matches.map((match, index) => ({ match, index }));
  for (const step of STEPS) {
    const most = Math.max(-1, ...left.map(({ match }) => step(match, facts)));
    left = most === -1 ? [] : left.filter(({ match }) => step(match, facts) === most);
  }
  return left[0]?.index;
}

function matcherOf(matches: readonly FilterChainMatchConfig[]): FilterChainMatcher<number> {
  const matcher = new FilterChainMatcher<number>(undefined);
  matches.forEach((match, index) => assert.equal(matcher.add(match, index), true));
  return matcher;
}
