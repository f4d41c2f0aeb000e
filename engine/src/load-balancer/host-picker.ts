import type { Random } from '@heddle/common';
import type { LbPolicyConfig } from '../config/cluster-config.js';
import { EdfScheduler } from './edf-scheduler.js';
import type { LbHost } from './lb-host.js';

/** Picks among a fixed list of hosts; undefined when the list is empty. */
export interface HostPicker<H extends LbHost> {
  pick(random: Random): H | undefined;
}

/** The picker of a policy over hosts that are all usable. Made anew when the list changes. */
export function createHostPicker<H extends LbHost>(
  policy: LbPolicyConfig,
  hosts: readonly H[],
  random: Random,
): HostPicker<H> {
  switch (policy.kind) {
    case 'round-robin':
      return equalWeights(hosts) ? new RotatingPicker(hosts, random) : new WeightedPicker(hosts, 0, random);
    case 'least-request':
      return equalWeights(hosts)
        ? new LeastRequestPicker(hosts, policy.choiceCount)
        : new WeightedPicker(hosts, policy.activeRequestBias, random);
    case 'random':
    case 'cluster-provided':
      return new RandomPicker(hosts);
  }
}

function equalWeights(hosts: readonly LbHost[]): boolean {
  return hosts.every((host) => host.weight === hosts[0]?.weight);
}

/** Takes the hosts in turn, from a random start. */
class RotatingPicker<H extends LbHost> implements HostPicker<H> {
  readonly #hosts: readonly H[];
  #next: number;

  constructor(hosts: readonly H[], random: Random) {
    this.#hosts = hosts;
    this.#next = Math.floor(random() * hosts.length);
  }

  pick(): H | undefined {
    if (this.#next >= this.#hosts.length) this.#next = 0;
    return this.#hosts[this.#next++];
  }
}

/** Source: Envoy's random policy, which looks at no host's weight. */
class RandomPicker<H extends LbHost> implements HostPicker<H> {
  readonly #hosts: readonly H[];

  constructor(hosts: readonly H[]) {
    this.#hosts = hosts;
  }

  pick(random: Random): H | undefined {
    return this.#hosts[Math.floor(random() * this.#hosts.length)];
  }
}

/** The least loaded of a few hosts drawn at random ("power of two choices"); the first drawn wins a tie. */
class LeastRequestPicker<H extends LbHost> implements HostPicker<H> {
  readonly #hosts: readonly H[];
  readonly #choiceCount: number;

  constructor(hosts: readonly H[], choiceCount: number) {
    this.#hosts = hosts;
    this.#choiceCount = choiceCount;
  }

  pick(random: Random): H | undefined {
    const hosts = this.#hosts;
    if (hosts.length < 2) return hosts[0];
    let best: H | undefined;
    for (let i = 0; i < this.#choiceCount; i++) {
      const host = hosts[Math.floor(random() * hosts.length)] as H;
      if (best === undefined || host.activeRequests < best.activeRequests) best = host;
    }
    return best;
  }
}

/** In proportion to weight, which active requests lower when `bias` is above 0: weight / (active + 1)^bias. */
class WeightedPicker<H extends LbHost> implements HostPicker<H> {
  readonly #hosts: readonly H[];
  readonly #bias: number;
  readonly #scheduler: EdfScheduler;

  constructor(hosts: readonly H[], bias: number, random: Random) {
    this.#hosts = hosts;
    this.#bias = bias;
    this.#scheduler = new EdfScheduler(
      hosts.map((host) => effectiveWeight(host, bias)),
      random,
    );
  }

  pick(): H | undefined {
    const host = this.#hosts[this.#scheduler.peek()];
    if (host === undefined) return undefined;
    this.#scheduler.reschedule(effectiveWeight(host, this.#bias));
    return host;
  }
}

function effectiveWeight(host: LbHost, bias: number): number {
  const weight = Math.max(1, host.weight);
  if (bias === 0) return weight;
  const load = host.activeRequests + 1;
  return weight / (bias === 1 ? load : load ** bias);
}
