import type { CircuitBreakerThresholds } from '@heddle/engine';

/** Moved by a resource as it is used; a gauge of the statistics. */
export interface ResourceGauge {
  set(value: number): void;
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
 * Retries under way as a share of the requests that are, which grows and shrinks with the traffic.
 *
 * Source: envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget. As in Envoy the gauges go on showing `maxRetries`.
 */
class RetryBudget extends Resource {
  readonly #ratio: number;
  readonly #least: number;
  readonly #requests: Resource;
  readonly #pending: Resource;

  constructor(
    budget: NonNullable<CircuitBreakerThresholds['retryBudget']>,
    maxRetries: number,
    open: ResourceGauge | undefined,
    requests: Resource,
    pending: Resource,
  ) {
    super(maxRetries, open);
    this.#ratio = budget.percent / 100;
    this.#least = budget.minConcurrency;
    this.#requests = requests;
    this.#pending = pending;
  }

  override canCreate(): boolean {
    const active = this.#requests.count + this.#pending.count;
    return this.count < Math.max(Math.floor(this.#ratio * active), this.#least);
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

  constructor(thresholds: CircuitBreakerThresholds, gauges: ResourceManagerGauges = {}) {
    const remaining = (gauge: ResourceGauge | undefined): ResourceGauge | undefined =>
      thresholds.trackRemaining ? gauge : undefined;
    this.connections = new Resource(thresholds.maxConnections, gauges.cxOpen, remaining(gauges.remainingCx));
    this.pendingRequests = new Resource(
      thresholds.maxPendingRequests,
      gauges.rqPendingOpen,
      remaining(gauges.remainingPending),
    );
    this.requests = new Resource(thresholds.maxRequests, gauges.rqOpen, remaining(gauges.remainingRq));
    const { maxRetries, retryBudget } = thresholds;
    this.retries =
      retryBudget === undefined
        ? new Resource(maxRetries, gauges.rqRetryOpen, remaining(gauges.remainingRetries))
        : new RetryBudget(retryBudget, maxRetries, gauges.rqRetryOpen, this.requests, this.pendingRequests);
  }
}
