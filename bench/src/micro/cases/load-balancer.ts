import { createSeededRandom } from '@heddle/common';
import {
  createLoadBalancer,
  requestHash,
  type HashPolicyConfig,
  type LbHost,
  type LoadBalancer,
  type LoadBalancerOptions,
  type RequestHead,
} from '@heddle/engine';
import type { MicroCase } from '../micro-case.js';
import { exampleHead } from './request-head.js';

/** Choosing the host of one request among ten. */
export const loadBalancer: readonly MicroCase[] = [
  loadBalancerCase('round robin', { kind: 'round-robin' }, () => 1),
  loadBalancerCase('round robin, unequal weights', { kind: 'round-robin' }, (host) => host + 1),
  loadBalancerCase('random', { kind: 'random' }, () => 1),
  loadBalancerCase(
    'least request of two',
    { kind: 'least-request', choiceCount: 2, activeRequestBias: 1 },
    () => 1,
  ),
  hashCase('ring of 1024', {
    kind: 'ring-hash',
    minimumRingSize: 1024,
    maximumRingSize: 8_388_608,
    byHostname: false,
  }),
  hashCase('table of 65537', { kind: 'maglev', tableSize: 65_537, byHostname: false }),
];

function loadBalancerCase(
  what: string,
  policy: LoadBalancerOptions['policy'],
  weightOf: (host: number) => number,
): MicroCase {
  return {
    name: `load balancer: ${what}`,
    create() {
      const balancer = balancerOfTen(policy, weightOf);
      return (count) => {
        let weight = 0;
        for (let i = 0; i < count; i++) weight += (balancer.pick() as LbHost).weight;
        return weight;
      };
    },
  };
}

/** With the hash of a header of the request, which is another one each time. */
function hashCase(what: string, policy: LoadBalancerOptions['policy']): MicroCase {
  return {
    name: `load balancer: ${what}, by a header`,
    create() {
      const balancer = balancerOfTen(policy, (host) => host + 1);
      const policies: HashPolicyConfig[] = [
        { kind: 'header', name: 'x-user', regexRewrite: undefined, terminal: false },
      ];
      const heads = Array.from({ length: 64 }, (_, user) => {
        const head = exampleHead('shop.example.org', '/cart');
        head.headers.set('x-user', `user-${user}@example.org`);
        return head;
      });
      const source = { clientIp: '10.0.0.1', connectionKey: '10.0.0.1:50000' };
      return (count) => {
        let weight = 0;
        for (let i = 0; i < count; i++) {
          const { hash } = requestHash(policies, heads[i & 63] as RequestHead, source);
          weight += (balancer.pick(hash) as LbHost).weight;
        }
        return weight;
      };
    },
  };
}

function balancerOfTen(
  policy: LoadBalancerOptions['policy'],
  weightOf: (host: number) => number,
): LoadBalancer<LbHost> {
  const balancer = createLoadBalancer<LbHost>({ policy, random: createSeededRandom(1) });
  const hosts = Array.from({ length: 10 }, (_, host): LbHost => {
    const hashKey = (): string => String(host);
    return {
      weight: weightOf(host),
      activeRequests: host % 3,
      health: 'healthy',
      healthySinceMs: 0,
      hashKey,
    };
  });
  balancer.update([{ priority: 0, weight: 1, hosts }]);
  return balancer;
}
