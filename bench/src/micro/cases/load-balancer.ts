import { createSeededRandom } from '@heddle/common';
import { createLoadBalancer, type LbHost, type LoadBalancerOptions } from '@heddle/engine';
import type { MicroCase } from '../micro-case.js';

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
];

function loadBalancerCase(
  what: string,
  policy: LoadBalancerOptions['policy'],
  weightOf: (host: number) => number,
): MicroCase {
  return {
    name: `load balancer: ${what}`,
    create() {
      const balancer = createLoadBalancer<LbHost>({ policy, random: createSeededRandom(1) });
      const hosts = Array.from({ length: 10 }, (_, host): LbHost => {
        return { weight: weightOf(host), activeRequests: host % 3, health: 'healthy' };
      });
      balancer.update([{ priority: 0, weight: 1, hosts }]);
      return (count) => {
        let weight = 0;
        for (let i = 0; i < count; i++) weight += (balancer.pick() as LbHost).weight;
        return weight;
      };
    },
  };
}
