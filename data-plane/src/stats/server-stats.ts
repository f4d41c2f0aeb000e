import type { Gauge, StatsStore } from './stats-store.js';

/** Envoy's numbers for its states. */
const STATES: Readonly<Record<string, number>> = {
  LIVE: 0,
  DRAINING: 1,
  PRE_INITIALIZING: 2,
  INITIALIZING: 3,
};

/** Metrics of the process itself, brought up to date when somebody looks. */
export class ServerStats {
  readonly #live: Gauge;
  readonly #state: Gauge;
  readonly #uptime: Gauge;
  readonly #memoryAllocated: Gauge;
  readonly #memoryHeapSize: Gauge;
  readonly #memoryPhysicalSize: Gauge;
  readonly #concurrency: Gauge;
  readonly #overflowed: Gauge;
  readonly #store: StatsStore;
  readonly #workers: number;

  /** `workers`: how many threads serve. */
  constructor(store: StatsStore, workers = 1) {
    this.#store = store;
    this.#workers = workers;
    this.#live = store.gauge('server.live');
    this.#state = store.gauge('server.state');
    this.#uptime = store.gauge('server.uptime');
    this.#memoryAllocated = store.gauge('server.memory_allocated');
    this.#memoryHeapSize = store.gauge('server.memory_heap_size');
    this.#memoryPhysicalSize = store.gauge('server.memory_physical_size');
    this.#concurrency = store.gauge('server.concurrency');
    this.#overflowed = store.gauge('server.stats_overflowed');
  }

  refresh(uptimeMs: number, state: string): void {
    const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
    this.#live.set(state === 'LIVE' ? 1 : 0);
    this.#state.set(STATES[state] ?? 0);
    this.#uptime.set(Math.floor(uptimeMs / 1000));
    this.#memoryAllocated.set(heapUsed + external);
    this.#memoryHeapSize.set(heapTotal);
    this.#memoryPhysicalSize.set(rss);
    this.#concurrency.set(this.#workers);
    this.#overflowed.set(this.#store.overflowed);
  }
}
