/** What is counted for each host; the numbers are places in its slot. */
export const HOST_COUNTER = Object.freeze({
  rqActive: 0,
  rqTotal: 1,
  rqSuccess: 2,
  rqError: 3,
  rqTimeout: 4,
  cxActive: 5,
  cxTotal: 6,
  cxConnectFail: 7,
} as const);

const COUNTERS_PER_HOST = 8;
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
