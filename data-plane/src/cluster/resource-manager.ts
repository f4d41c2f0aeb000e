import type { CircuitBreakerThresholds } from '@heddle/engine';
import type { SharedSlot } from '../shared/shared-cells.js';

/** Moved by a resource as it is used; a gauge of the statistics. */
export interface ResourceGauge {
  set(value: number): void;
  inc(): void;
  dec(): void;
}

/** One limited resource. */
export class Resource {
  readonly max: number;
  readonly #open: ResourceGauge | undefined;
  readonly #remaining: ResourceGauge | undefined;
  #count = 0;

  /** `open` shows 1 while the limit is reached, `remaining` how much is left. */
  constructor(max: number, open?: ResourceGauge, remaining?: ResourceGauge) {
    this.max = max;
    this.#open = open;
    this.#remaining = remaining;
    remaining?.set(max);
  }

  get count(): number {
    return this.#count;
  }

  canCreate(): boolean {
    return this.#count < this.max;
  }

  inc(): void {
    this.#count++;
    if (this.#count === this.max) this.#open?.set(1);
    this.#remaining?.set(Math.max(0, this.max - this.#count));
  }

  dec(): void {
    if (this.#count === 0) return;
    if (this.#count === this.max) this.#open?.set(0);
    this.#count--;
    this.#remaining?.set(Math.max(0, this.max - this.#count));
  }
}

/**
 * One limited resource of all threads of a process.
 *
 * Shape: one number in shared memory. `canCreate` takes what it says is there, and the `inc` that follows it in the same turn counts
 * nothing further: so the limit holds exactly, whoever asks at the same time. A gauge is what the threads moved theirs by, together.
 */
class SharedResource extends Resource {
  readonly #slot: SharedSlot;
  readonly #at: number;
  readonly #open: ResourceGauge | undefined;
  readonly #remaining: ResourceGauge | undefined;
  #isTaken = false;

  /** `at`: its place in the slot. */
  constructor(
    max: number,
    open: ResourceGauge | undefined,
    remaining: ResourceGauge | undefined,
    slot: SharedSlot,
    at: number,
  ) {
    super(max);
    this.#slot = slot;
    this.#at = at;
    this.#open = open;
    this.#remaining = remaining;
    if (slot.isFirst) remaining?.set(max);
  }

  override get count(): number {
    return Atomics.load(this.#slot.ints, this.#at);
  }

  override canCreate(): boolean {
    return this.take(this.max);
  }

  override inc(): void {
    if (this.#isTaken) this.#isTaken = false;
    else this.#onRaised(Atomics.add(this.#slot.ints, this.#at, 1));
  }

  override dec(): void {
    const before = Atomics.sub(this.#slot.ints, this.#at, 1);
    if (before === this.max) this.#open?.dec();
    if (before <= this.max) this.#remaining?.inc();
  }

  /** Takes one where there are fewer than `most`. */
  protected take(most: number): boolean {
    if (this.#isTaken) return true;
    const { ints } = this.#slot;
    for (let seen = this.count; seen < most;) {
      const before = Atomics.compareExchange(ints, this.#at, seen, seen + 1);
      if (before === seen) {
        this.#isTaken = true;
        this.#onRaised(before);
        return true;
      }
      seen = before;
    }
    return false;
  }

  #onRaised(before: number): void {
    if (before + 1 === this.max) this.#open?.inc();
    if (before < this.max) this.#remaining?.dec();
  }
}

/**
 * Retries under way as a share of the requests that are, which grows and shrinks with the traffic.
 *
 * Source: envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget. As in Envoy the gauges go on showing `maxRetries`.
 */
class RetryBudget extends Resource {
  readonly #share: BudgetShare;

  constructor(maxRetries: number, open: ResourceGauge | undefined, share: BudgetShare) {
    super(maxRetries, open);
    this.#share = share;
  }

  override canCreate(): boolean {
    return this.count < this.#share.most();
  }
}

/** The same of all threads of a process. */
class SharedRetryBudget extends SharedResource {
  readonly #share: BudgetShare;

  constructor(
    maxRetries: number,
    open: ResourceGauge | undefined,
    share: BudgetShare,
    slot: SharedSlot,
    at: number,
  ) {
    super(maxRetries, open, undefined, slot, at);
    this.#share = share;
  }

  override canCreate(): boolean {
    return this.take(this.#share.most());
  }
}

/** How many retries the requests of this moment allow. */
class BudgetShare {
  readonly #ratio: number;
  readonly #least: number;
  readonly #requests: Resource;
  readonly #pending: Resource;

  constructor(
    budget: NonNullable<CircuitBreakerThresholds['retryBudget']>,
    requests: Resource,
    pending: Resource,
  ) {
    this.#ratio = budget.percent / 100;
    this.#least = budget.minConcurrency;
    this.#requests = requests;
    this.#pending = pending;
  }

  most(): number {
    const active = this.#requests.count + this.#pending.count;
    return Math.max(Math.floor(this.#ratio * active), this.#least);
  }
}

/** Gauges of one priority, all optional. Source: Envoy's `cluster.<name>.circuit_breakers.<priority>.*`. */
export interface ResourceManagerGauges {
  readonly cxOpen?: ResourceGauge;
  readonly rqPendingOpen?: ResourceGauge;
  readonly rqOpen?: ResourceGauge;
  readonly rqRetryOpen?: ResourceGauge;
  readonly remainingCx?: ResourceGauge;
  readonly remainingPending?: ResourceGauge;
  readonly remainingRq?: ResourceGauge;
  readonly remainingRetries?: ResourceGauge;
}

/**
 * The circuit breakers of one cluster and priority, shared by the pools of all its hosts.
 *
 * Source: envoy.config.cluster.v3.CircuitBreakers.Thresholds.
 */
export class ResourceManager {
  readonly connections: Resource;
  readonly pendingRequests: Resource;
  readonly requests: Resource;
  readonly retries: Resource;

  /** `slot`: where the threads of a process count together; undefined: there is one. */
  constructor(thresholds: CircuitBreakerThresholds, gauges: ResourceManagerGauges = {}, slot?: SharedSlot) {
    const remaining = (gauge: ResourceGauge | undefined): ResourceGauge | undefined =>
      thresholds.trackRemaining ? gauge : undefined;
    const resource = (
      at: number,
      max: number,
      open: ResourceGauge | undefined,
      left: ResourceGauge | undefined,
    ): Resource =>
      slot === undefined
        ? new Resource(max, open, remaining(left))
        : new SharedResource(max, open, remaining(left), slot, at);
    this.connections = resource(0, thresholds.maxConnections, gauges.cxOpen, gauges.remainingCx);
    this.pendingRequests = resource(
      1,
      thresholds.maxPendingRequests,
      gauges.rqPendingOpen,
      gauges.remainingPending,
    );
    this.requests = resource(2, thresholds.maxRequests, gauges.rqOpen, gauges.remainingRq);
    const { maxRetries, retryBudget } = thresholds;
    if (retryBudget === undefined) {
      this.retries = resource(3, maxRetries, gauges.rqRetryOpen, gauges.remainingRetries);
      return;
    }
    const share = new BudgetShare(retryBudget, this.requests, this.pendingRequests);
    this.retries =
      slot === undefined
        ? new RetryBudget(maxRetries, gauges.rqRetryOpen, share)
        : new SharedRetryBudget(maxRetries, gauges.rqRetryOpen, share, slot, 3);
  }
}
