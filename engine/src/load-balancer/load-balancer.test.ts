import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSeededRandom } from '@heddle/common';
import fc from 'fast-check';
import type { LbPolicyConfig } from '../config/cluster-config.js';
import { xxHash64 } from '../hash/xx-hash64.js';
import { startedRatio } from './host-picker.js';
import type { HostHealth, LbLocality } from './lb-host.js';
import { createLoadBalancer, type LoadBalancer, type LoadBalancerOptions } from './load-balancer.js';
import { computePriorityLoad } from './priority-load.js';

const LEAST_REQUEST: LbPolicyConfig = { kind: 'least-request', choiceCount: 2, activeRequestBias: 1 };

describe('round robin', () => {
  it('gives each of n equal hosts one of n consecutive picks', () => {
    const balancer = balancerOf({ kind: 'round-robin' }, [locality([1, 1, 1].map((weight) => host(weight)))]);
    for (let round = 0; round < 5; round++) {
      const picked = new Set([balancer.pick(), balancer.pick(), balancer.pick()]);
      assert.equal(picked.size, 3);
    }
  });

  it('gives every host its exact share of a whole round, whatever the weights', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }),
        fc.integer(),
        (weights, seed) => {
          const hosts = weights.map((weight) => host(weight));
          const balancer = balancerOf({ kind: 'round-robin' }, [locality(hosts)], {}, seed);
          const counts = count(balancer, 100 * weights.reduce((a, b) => a + b, 0));
          for (const one of hosts) {
            assert.ok(Math.abs((counts.get(one) ?? 0) - 100 * one.weight) <= weights.length + 1);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('random', () => {
  it('spreads evenly', () => {
    const hosts = [host(), host(), host(), host()];
    const counts = count(balancerOf({ kind: 'random' }, [locality(hosts)]), 40_000);
    for (const one of hosts) assert.ok(Math.abs((counts.get(one) ?? 0) - 10_000) < 450);
  });
});

describe('least request', () => {
  it('takes the less loaded of two choices', () => {
    const hosts = [host(), host()];
    hosts[0]!.activeRequests = 5;
    const counts = count(balancerOf(LEAST_REQUEST, [locality(hosts)]), 4000);
    // The loaded host is taken only when both draws fall on it.
    assert.ok(Math.abs((counts.get(hosts[0]!) ?? 0) - 1000) < 150);
  });

  it('lowers the weight of a loaded host when the weights differ', () => {
    const hosts = [host(2), host(1)];
    hosts[0]!.activeRequests = 3;
    const counts = count(balancerOf(LEAST_REQUEST, [locality(hosts)]), 3000);
    assert.ok(Math.abs((counts.get(hosts[0]!) ?? 0) - 1000) <= 2);
  });
});

describe('priorities and health', () => {
  it('never picks an unhealthy host while enough are healthy', () => {
    const hosts = [host(1, 'unhealthy'), host(), host()];
    const counts = count(balancerOf({ kind: 'random' }, [locality(hosts)]), 1000);
    assert.equal(counts.get(hosts[0]!), undefined);
  });

  it('panics below the threshold and not when it is 0', () => {
    const hosts = [host(1, 'unhealthy'), host(1, 'unhealthy'), host()];
    const panicking = balancerOf({ kind: 'round-robin' }, [locality(hosts)]);
    assert.equal(count(panicking, 300).size, 3);
    assert.equal(panicking.inPanic, true);
    const calm = balancerOf({ kind: 'round-robin' }, [locality(hosts)], { panicThresholdPercent: 0 });
    assert.equal(count(calm, 300).size, 1);
    const none = [locality([host(1, 'unhealthy')])];
    assert.equal(balancerOf({ kind: 'random' }, none, { panicThresholdPercent: 0 }).pick(), undefined);
    assert.notEqual(balancerOf({ kind: 'random' }, none).pick(), undefined);
    assert.equal(balancerOf({ kind: 'random' }, []).pick(), undefined);
  });

  it('spills over to the next priority as the first loses health, and follows changes', () => {
    const first = [host(), host(), host(), host()];
    const second = [host()];
    const balancer = balancerOf({ kind: 'random' }, [locality(second, 1), locality(first, 0)]);
    assert.equal(count(balancer, 1000).get(second[0]!), undefined);
    first[0]!.health = 'unhealthy';
    first[1]!.health = 'unhealthy';
    balancer.hostsChanged();
    const spilled = count(balancer, 10_000).get(second[0]!) ?? 0;
    assert.ok(Math.abs(spilled - 3000) < 300, String(spilled)); // 2 of 4 × 1.4 = 70 %
  });

  it('gives Envoy’s documented shares', () => {
    const load = (...healthy: [number, number][]): readonly number[] =>
      computePriorityLoad(
        healthy.map(([good, total]) => ({ healthy: good, total, degraded: 0 })),
        140,
        50,
      ).healthy;
    assert.deepEqual(load([100, 100], [100, 100]), [100, 0]);
    assert.deepEqual(load([72, 100], [72, 100]), [100, 0]);
    assert.deepEqual(load([71, 100], [71, 100]), [99, 1]);
    assert.deepEqual(load([50, 100], [50, 100]), [70, 30]);
    assert.deepEqual(load([25, 100], [100, 100]), [35, 65]);
    assert.deepEqual(load([25, 100], [25, 100]), [50, 50]);
  });

  it('always hands out exactly 100 percent while there is a host', () => {
    const level = fc
      .record({ healthy: fc.nat(50), degraded: fc.nat(50), rest: fc.nat(50) })
      .map(({ healthy, degraded, rest }) => ({ healthy, degraded, total: healthy + degraded + rest }));
    fc.assert(
      fc.property(fc.array(level, { minLength: 1, maxLength: 5 }), (levels) => {
        const { healthy, degraded } = computePriorityLoad(levels, 140, 50);
        const sum = [...healthy, ...degraded].reduce((a, b) => a + b, 0);
        assert.equal(sum, levels.some((one) => one.total > 0) ? 100 : 0);
        assert.ok([...healthy, ...degraded].every((share) => share >= 0));
      }),
    );
  });
});

describe('weighted localities', () => {
  it('share by weight and availability', () => {
    const near = [host(), host()];
    const far = [host()];
    const balancer = balancerOf({ kind: 'round-robin' }, [locality(near, 0, 3), locality(far, 0, 1)], {
      localityWeighted: true,
    });
    const counts = count(balancer, 4000);
    assert.ok(Math.abs((counts.get(far[0]!) ?? 0) - 1000) <= 2);
  });
});

describe('slow start', () => {
  const STARTING: LbPolicyConfig = {
    kind: 'round-robin',
    slowStart: { windowMs: 10_000, aggression: 1, minWeightRatio: 0.1 },
  };

  it('gives a new host its share bit by bit, and all of it after the window', () => {
    const pair = [host(), host()];
    let nowMs = 1000;
    pair[1]!.healthySinceMs = 1000;
    const balancer = balancerOf(STARTING, [locality(pair)], { nowMs: () => nowMs });
    const share = (): number => (count(balancer, 1000).get(pair[1]!) ?? 0) / 1000;
    assert.ok(Math.abs(share() - 0.1 / 1.1) < 0.02);
    nowMs = 6000;
    assert.ok(Math.abs(share() - 0.5 / 1.5) < 0.02);
    nowMs = 11_000;
    assert.ok(Math.abs(share() - 0.5) < 0.02);
  });

  it('follows its curve', () => {
    const slowStart = { windowMs: 100, aggression: 2, minWeightRatio: 0.1 };
    const one = { ...host(), healthySinceMs: 50 };
    assert.equal(startedRatio(slowStart, one, 50), 0.1);
    assert.equal(startedRatio(slowStart, one, 75), 0.5);
    assert.equal(startedRatio(slowStart, one, 150), 1);
    assert.equal(startedRatio(slowStart, host(), 0), 1);
  });
});

describe('hashing policies', () => {
  const POLICIES: readonly LbPolicyConfig[] = [
    { kind: 'ring-hash', minimumRingSize: 1024, maximumRingSize: 8192, byHostname: false },
    { kind: 'maglev', tableSize: 65_537, byHostname: false },
  ];
  const keys = Array.from({ length: 2000 }, (_, i) => xxHash64(`key-${i}`));
  const chosen = (balancer: LoadBalancer<TestHost>): readonly (TestHost | undefined)[] =>
    keys.map((key) => balancer.pick(key));

  for (const policy of POLICIES) {
    it(`of ${policy.kind} keep a key at its host when others leave, and share by weight`, () => {
      const all = [host(1), host(2), host(1), host(4)];
      const before = chosen(balancerOf(policy, [locality(all)]));
      const after = chosen(balancerOf(policy, [locality(all.slice(1))], {}, 2));
      const moved = before.filter((one, i) => one !== all[0] && one !== after[i]).length;
      assert.ok(moved < 200, String(moved));
      const share = before.filter((one) => one === all[3]).length / keys.length;
      assert.ok(Math.abs(share - 0.5) < 0.1, String(share));
    });

    it(`of ${policy.kind} find another host for a retry, any without a hash, and none among none`, () => {
      const balancer = balancerOf(policy, [locality([host(), host(), host()])]);
      const key = keys[0]!;
      const others = Array.from({ length: 20 }, (_, attempt) => balancer.pick(key, attempt));
      assert.ok(new Set(others).size > 1);
      assert.equal(count(balancer, 300).size, 3);
      assert.equal(balancerOf(policy, []).pick(key), undefined);
    });
  }

  it('send what they send to other priorities by hash too', () => {
    const first = [host(1, 'unhealthy'), host()];
    const balancer = balancerOf(POLICIES[0]!, [locality(first, 0), locality([host()], 1)]);
    assert.deepEqual(chosen(balancer), chosen(balancer));
    const share = chosen(balancer).filter((one) => one === first[1]).length / keys.length;
    assert.ok(Math.abs(share - 0.7) < 0.05, String(share));
  });
});

interface TestHost {
  weight: number;
  activeRequests: number;
  health: HostHealth;
  healthySinceMs: number;
  name: string;
  hashKey(byHostname: boolean): string;
}

let hosts = 0;

const host = (weight = 1, health: HostHealth = 'healthy'): TestHost => {
  const name = `host-${++hosts}`;
  return {
    weight,
    activeRequests: 0,
    health,
    healthySinceMs: 0,
    name,
    hashKey: (byHostname) => (byHostname ? name : `10.0.0.${name.slice(5)}:80`),
  };
};

const locality = (hosts: TestHost[], priority = 0, weight = 1): LbLocality<TestHost> => ({
  priority,
  weight,
  hosts,
});

function balancerOf(
  policy: LbPolicyConfig,
  localities: LbLocality<TestHost>[],
  options: Partial<LoadBalancerOptions> = {},
  seed = 1,
): ReturnType<typeof createLoadBalancer<TestHost>> {
  const balancer = createLoadBalancer<TestHost>({ policy, random: createSeededRandom(seed), ...options });
  balancer.update(localities);
  return balancer;
}

function count(balancer: { pick(): TestHost | undefined }, picks: number): Map<TestHost, number> {
  const counts = new Map<TestHost, number>();
  for (let i = 0; i < picks; i++) {
    const picked = balancer.pick();
    if (picked !== undefined) counts.set(picked, (counts.get(picked) ?? 0) + 1);
  }
  return counts;
}
