import type { Random } from '@heddle/common';
import type { LbPolicyConfig, SlowStartConfig } from '../config/cluster-config.js';
import type { Hash64 } from '../hash/xx-hash64.js';
import { EdfScheduler } from './edf-scheduler.js';
import type { LbHost } from './lb-host.js';

/** Picks among a fixed list of hosts; undefined when the list is empty. */
export interface HostPicker<H extends LbHost> {
  /** `hash` and `attempt` (0: the first draw for this attempt of a request) matter to hashing policies alone. */
  pick(random: Random, hash?: Hash64, attempt?: number): H | undefined;
}

/** Policies that look at no hash. */
export type PlainPolicy = Exclude<LbPolicyConfig, { kind: 'ring-hash' | 'maglev' }>;

/** The picker of a policy over hosts that are all usable. Made anew when the list changes. */
export function createHostPicker<H extends LbHost>(
  policy: PlainPolicy,
  hosts: readonly H[],
  random: Random,
  nowMs: () => number,
): HostPicker<H> {
  switch (policy.kind) {
    case 'round-robin':
      return weighing(policy, 0, hosts, random, nowMs, () => new RotatingPicker(hosts, random));
    case 'least-request': {
      const { choiceCount, activeRequestBias } = policy;
      const plain = (): HostPicker<H> => new LeastRequestPicker(hosts, choiceCount);
      return weighing(policy, activeRequestBias, hosts, random, nowMs, plain);
    }
    case 'random':
    case 'cluster-provided':
      return new RandomPicker(hosts);
  }
}

/** The plain picker where all weights are equal and no host starts slowly; else one that weighs. */
function weighing<H extends LbHost>(
  { slowStart }: { readonly slowStart?: SlowStartConfig | undefined },
  bias: number,
  hosts: readonly H[],
  random: Random,
  nowMs: () => number,
  plain: () => HostPicker<H>,
): HostPicker<H> {
  const usual = equalWeights(hosts) ? plain() : new WeightedPicker(hosts, random, weightBy(bias));
  if (slowStart === undefined) return usual;
  const latestMs = hosts.reduce((latest, { healthySinceMs }) => Math.max(latest, healthySinceMs), 0);
  const isOverMs = latestMs + slowStart.windowMs;
  if (latestMs === 0 || nowMs() >= isOverMs) return usual;
  const usualWeight = weightBy(bias);
  const slow = new WeightedPicker(
    hosts,
    random,
    (host: H) => usualWeight(host) * startedRatio(slowStart, host, nowMs()),
  );
  return new StartingPicker(slow, usual, isOverMs, nowMs);
}

function equalWeights(hosts: readonly LbHost[]): boolean {
  return hosts.every((host) => host.weight === hosts[0]?.weight);
}

/**
 * How much of its weight a host has that became healthy a while ago.
 *
 * Source: Envoy, "Slow start mode".
 */
export function startedRatio(slowStart: SlowStartConfig, host: LbHost, nowMs: number): number {
  const { windowMs, aggression, minWeightRatio } = slowStart;
  if (host.healthySinceMs === 0) return 1;
  const passedMs = Math.max(1, nowMs - host.healthySinceMs);
  if (passedMs >= windowMs) return 1;
  const ratio = passedMs / windowMs;
  return Math.max(minWeightRatio, aggression === 1 ? ratio : ratio ** (1 / aggression));
}

/** One picker until a moment, another after it. */
class StartingPicker<H extends LbHost> implements HostPicker<H> {
  readonly #slow: HostPicker<H>;
  readonly #usual: HostPicker<H>;
  readonly #isOverMs: number;
  readonly #nowMs: () => number;
  #isOver = false;

  constructor(slow: HostPicker<H>, usual: HostPicker<H>, isOverMs: number, nowMs: () => number) {
    this.#slow = slow;
    this.#usual = usual;
    this.#isOverMs = isOverMs;
    this.#nowMs = nowMs;
  }

  pick(random: Random): H | undefined {
    if (!this.#isOver) this.#isOver = this.#nowMs() >= this.#isOverMs;
    return (this.#isOver ? this.#usual : this.#slow).pick(random);
  }
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

/** In proportion to weights that may change from pick to pick. */
class WeightedPicker<H extends LbHost> implements HostPicker<H> {
  readonly #hosts: readonly H[];
  readonly #weightOf: (host: H) => number;
  readonly #scheduler: EdfScheduler;

  constructor(hosts: readonly H[], random: Random, weightOf: (host: H) => number) {
    this.#hosts = hosts;
    this.#weightOf = weightOf;
    this.#scheduler = new EdfScheduler(hosts.map(weightOf), random);
  }

  pick(): H | undefined {
    const host = this.#hosts[this.#scheduler.peek()];
    if (host === undefined) return undefined;
    this.#scheduler.reschedule(this.#weightOf(host));
    return host;
  }
}

/** A host's weight, which active requests lower when `bias` is above 0: weight / (active + 1)^bias. */
function weightBy(bias: number): (host: LbHost) => number {
  if (bias === 0) return (host) => Math.max(1, host.weight);
  return (host) => {
    const load = host.activeRequests + 1;
    return Math.max(1, host.weight) / (bias === 1 ? load : load ** bias);
  };
}
