/** What is counted for each host; the numbers are places in its slot. Those of `WATCHED` all threads of a process may have together. */
export const HOST_COUNTER = Object.freeze({
  rqActive: 0,
  rqTotal: 1,
  rqSuccess: 2,
  rqError: 3,
  rqTimeout: 4,
  cxActive: 5,
  cxTotal: 6,
  cxConnectFail: 7,
  /** Bits of `HEALTH_FLAG`. */
  healthFlags: 8,
  // Outlier detection: failures in a row.
  consecutive5xx: 9,
  consecutiveGatewayFailure: 10,
  consecutiveLocalOriginFailure: 11,
  // Outlier detection: this interval's requests, and of them those that went well; answers and what is of our own making.
  externalTotal: 12,
  externalSuccess: 13,
  localTotal: 14,
  localSuccess: 15,
  /** Percent in the last interval with enough requests, plus one; 0: unknown. */
  externalSuccessRate: 16,
  localSuccessRate: 17,
  /** Monotonic ms. */
  ejectedAtMs: 18,
  /** By how much the base ejection time is multiplied. */
  ejectionMultiplier: 19,
  ejectionJitterMs: 20,
  // Active health checks: in a row.
  checksPassed: 21,
  checksFailed: 22,
  /** Monotonic ms since which it has been healthy, for slow start; 0: from the start. */
  healthySinceMs: 23,
} as const);

/** By what hosts are watched: from the one to the other, both included. */
export const WATCHED = Object.freeze({ from: HOST_COUNTER.healthFlags, to: HOST_COUNTER.checksFailed });

const COUNTERS_PER_HOST = 24;
const HOSTS_PER_PAGE = 128;

/** A host's place: `page[first + HOST_COUNTER.x]`. */
export interface HostCounters {
  readonly page: Float64Array;
  readonly first: number;
}

/**
 * Cuts the counters of hosts from typed arrays over injected memory, and gives a slot out again once its host is gone.
 *
 * Bounds: as many slots as there were hosts at the same time.
 */
export class HostCounterPages {
  readonly #allocate: (bytes: number) => ArrayBuffer | SharedArrayBuffer;
  readonly #free: HostCounters[] = [];

  constructor(
    allocate: (bytes: number) => ArrayBuffer | SharedArrayBuffer = (bytes) => new ArrayBuffer(bytes),
  ) {
    this.#allocate = allocate;
  }

  take(): HostCounters {
    if (this.#free.length === 0) {
      const page = new Float64Array(
        this.#allocate(HOSTS_PER_PAGE * COUNTERS_PER_HOST * Float64Array.BYTES_PER_ELEMENT),
      );
      for (let host = HOSTS_PER_PAGE - 1; host >= 0; host--) {
        this.#free.push({ page, first: host * COUNTERS_PER_HOST });
      }
    }
    return this.#free.pop() as HostCounters;
  }

  release(counters: HostCounters): void {
    counters.page.fill(0, counters.first, counters.first + COUNTERS_PER_HOST);
    this.#free.push(counters);
  }
}
