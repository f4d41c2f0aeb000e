import type { Random } from '@heddle/common';
import type { LbPolicyConfig } from '../config/cluster-config.js';
import { hashModulo, type Hash64 } from '../hash/xx-hash64.js';
import { EdfScheduler } from './edf-scheduler.js';
import { MaglevPicker, RingHashPicker, type SharedHost } from './hash-picker.js';
import { createHostPicker, type HostPicker } from './host-picker.js';
import type { LbHost, LbLocality } from './lb-host.js';
import { computePriorityLoad } from './priority-load.js';

/** Chooses a host of a cluster for each request. */
export interface LoadBalancer<H extends LbHost> {
  /** Replaces all hosts. */
  update(localities: readonly LbLocality<H>[]): void;
  /** To be called when the health of hosts changed: the next pick counts them anew. */
  hostsChanged(): void;
  /**
   * The host for the next request; undefined when there is none that may be used (answer: 503, `UH`). `hash` is what hashing
   * policies choose by, `attempt` how many hosts were drawn for this attempt of the request before.
   */
  pick(hash?: Hash64, attempt?: number): H | undefined;
  /** Whether some priority sends to unhealthy hosts because too few are healthy. */
  readonly inPanic: boolean;
}

export interface LoadBalancerOptions {
  readonly policy: LbPolicyConfig;
  readonly random: Random;
  /** Monotonic; for policies with slow start. */
  readonly nowMs?: () => number;
  /** Envoy's default is 140. */
  readonly overprovisioningFactorPercent?: number;
  /** Envoy's default is 50; 0 turns panic off. */
  readonly panicThresholdPercent?: number;
  /** Called for every pick in a priority that is in panic. */
  readonly onPanic?: () => void;
  /** Whether localities share by weight. Source: locality_weighted_lb_config, or the wrr_locality policy. */
  readonly localityWeighted?: boolean;
}

/** Creates the load balancer of a cluster. It holds no timer and reads no clock. */
export function createLoadBalancer<H extends LbHost>(options: LoadBalancerOptions): LoadBalancer<H> {
  return new PriorityLoadBalancer<H>(options);
}

/** Ends of the ranges of [0, 100) that pickers take, in order. */
interface Share<H extends LbHost> {
  readonly end: number;
  readonly picker: HostPicker<H>;
  readonly inPanic: boolean;
}

class PriorityLoadBalancer<H extends LbHost> implements LoadBalancer<H> {
  readonly #options: LoadBalancerOptions;
  #localities: readonly LbLocality<H>[] = [];
  #shares: readonly Share<H>[] | undefined;
  #inPanic = false;

  constructor(options: LoadBalancerOptions) {
    this.#options = options;
  }

  get inPanic(): boolean {
    this.#shares ??= this.#build();
    return this.#inPanic;
  }

  update(localities: readonly LbLocality<H>[]): void {
    this.#localities = localities;
    this.#shares = undefined;
  }

  hostsChanged(): void {
    this.#shares = undefined;
  }

  pick(hash?: Hash64, attempt?: number): H | undefined {
    const shares = (this.#shares ??= this.#build());
    const { random } = this.#options;
    const share =
      shares.length === 1
        ? shares[0]
        : shareAt(shares, hash === undefined ? random() * 100 : hashModulo(hash, 100));
    if (share === undefined) return undefined;
    if (share.inPanic) this.#options.onPanic?.();
    return share.picker.pick(random, hash, attempt);
  }

  #build(): readonly Share<H>[] {
    const byPriority = groupByPriority(this.#localities);
    const levels = byPriority.map((localities) => countHealth(localities));
    const load = computePriorityLoad(
      levels,
      this.#options.overprovisioningFactorPercent ?? 140,
      this.#options.panicThresholdPercent ?? 50,
    );
    this.#inPanic = load.panic.includes(true);
    const shares: Share<H>[] = [];
    let end = 0;
    const add = (
      percent: number,
      localities: readonly LbLocality<H>[],
      usable: (host: H) => boolean,
      inPanic: boolean,
    ): void => {
      if (percent === 0) return;
      end += percent;
      shares.push({ end, picker: this.#pickerOf(localities, usable), inPanic });
    };
    byPriority.forEach((localities, level) => {
      const panic = load.panic[level] === true;
      add(load.healthy[level] as number, localities, panic ? everyHost : isHealthy, panic);
      add(load.degraded[level] as number, localities, panic ? everyHost : isDegraded, panic);
    });
    return shares;
  }

  #pickerOf(localities: readonly LbLocality<H>[], usable: (host: H) => boolean): HostPicker<H> {
    const { policy, random, nowMs = () => 0 } = this.#options;
    if (policy.kind === 'ring-hash') return new RingHashPicker(this.#sharesOf(localities, usable), policy);
    if (policy.kind === 'maglev') return new MaglevPicker(this.#sharesOf(localities, usable), policy);
    if (this.#options.localityWeighted !== true) {
      const hosts = localities.flatMap((locality) => locality.hosts.filter(usable));
      return createHostPicker(policy, hosts, random, nowMs);
    }
    const weighted = localities.flatMap((locality) => {
      const hosts = locality.hosts.filter(usable);
      const weight = this.#localityWeight(locality, hosts.length);
      return weight > 0 ? [{ weight, picker: createHostPicker(policy, hosts, random, nowMs) }] : [];
    });
    return new LocalityPicker(weighted, random);
  }

  /** A locality's weight as far as enough of its hosts are usable. */
  #localityWeight(locality: LbLocality<H>, usable: number): number {
    const overprovisioning = (this.#options.overprovisioningFactorPercent ?? 140) / 100;
    return locality.weight * Math.min(1, (overprovisioning * usable) / Math.max(1, locality.hosts.length));
  }

  /** The hosts with their shares of all requests: by their weights, or by those of their localities first. */
  #sharesOf(localities: readonly LbLocality<H>[], usable: (host: H) => boolean): readonly SharedHost<H>[] {
    const groups = localities.map((locality) => locality.hosts.filter(usable));
    if (this.#options.localityWeighted !== true) return sharedByWeight(groups.flat(), 1);
    // Source: Envoy: here hosts that are missing take nothing from the weight of their locality while one is left.
    const weights = localities.map(({ weight }, i) => (groups[i]?.length === 0 ? 0 : weight));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return groups.flatMap((hosts, i) => {
      const weight = weights[i] as number;
      return weight > 0 ? sharedByWeight(hosts, weight / total) : [];
    });
  }
}

function sharedByWeight<H extends LbHost>(hosts: readonly H[], share: number): readonly SharedHost<H>[] {
  const total = hosts.reduce((sum, host) => sum + host.weight, 0);
  return hosts.map((host) => ({ host, share: (share * host.weight) / total }));
}

function shareAt<H extends LbHost>(shares: readonly Share<H>[], point: number): Share<H> | undefined {
  for (const share of shares) if (point < share.end) return share;
  return shares.at(-1);
}

/** Picks a locality by weight, then a host in it. */
class LocalityPicker<H extends LbHost> implements HostPicker<H> {
  readonly #localities: readonly { readonly weight: number; readonly picker: HostPicker<H> }[];
  readonly #scheduler: EdfScheduler;

  constructor(
    localities: readonly { readonly weight: number; readonly picker: HostPicker<H> }[],
    random: Random,
  ) {
    this.#localities = localities;
    this.#scheduler = new EdfScheduler(
      localities.map((locality) => locality.weight),
      random,
    );
  }

  pick(random: Random): H | undefined {
    const locality = this.#localities[this.#scheduler.peek()];
    if (locality === undefined) return undefined;
    this.#scheduler.reschedule(locality.weight);
    return locality.picker.pick(random);
  }
}

const everyHost = (): boolean => true;
const isHealthy = (host: LbHost): boolean => host.health === 'healthy';
const isDegraded = (host: LbHost): boolean => host.health === 'degraded';

function groupByPriority<H extends LbHost>(localities: readonly LbLocality<H>[]): LbLocality<H>[][] {
  const priorities = [...new Set(localities.map((locality) => locality.priority))].sort((a, b) => a - b);
  return priorities.map((priority) => localities.filter((locality) => locality.priority === priority));
}

function countHealth(localities: readonly LbLocality<LbHost>[]): {
  total: number;
  healthy: number;
  degraded: number;
} {
  const count = { total: 0, healthy: 0, degraded: 0 };
  for (const { hosts } of localities) {
    for (const host of hosts) {
      count.total++;
      if (host.health === 'healthy') count.healthy++;
      else if (host.health === 'degraded') count.degraded++;
    }
  }
  return count;
}
