/**
 * Counters, gauges and histograms, stored in typed arrays and named only when scraped.
 *
 * Shape: every metric owns a slot of a `Float64Array` page; incrementing touches no map and no string. Pages are cut from
 * an injected allocator, so that workers can place theirs in shared memory and the main thread can add them up.
 * Bounds: at most `maxMetrics` metrics; above it, everything further shares one overflow slot and is counted.
 */

/** Label name and value pairs, already in Prometheus form, in a stable order. */
export type Tags = readonly (readonly [name: string, value: string])[];

const PAGE_SLOTS = 1024;

export interface StatsOptions {
  /** Cuts the memory of one page. Default: a plain ArrayBuffer. */
  readonly allocate?: (bytes: number) => ArrayBuffer | SharedArrayBuffer;
  /** Default 200,000. */
  readonly maxMetrics?: number;
  /** Told of every metric that gets slots of its own, in the page that was allocated last. */
  readonly onAdded?: (entry: StatEntry, first: number) => void;
  readonly onForgotten?: (entry: StatEntry) => void;
}

/** A number that only grows. */
export class Counter {
  readonly #page: Float64Array;
  readonly #slot: number;

  constructor(page: Float64Array, slot: number) {
    this.#page = page;
    this.#slot = slot;
  }

  inc(): void {
    (this.#page[this.#slot] as number)++;
  }

  add(amount: number): void {
    (this.#page[this.#slot] as number) += amount;
  }

  get value(): number {
    return this.#page[this.#slot] as number;
  }
}

/** A number that goes up and down. */
export class Gauge {
  readonly #page: Float64Array;
  readonly #slot: number;

  constructor(page: Float64Array, slot: number) {
    this.#page = page;
    this.#slot = slot;
  }

  inc(): void {
    (this.#page[this.#slot] as number)++;
  }

  dec(): void {
    (this.#page[this.#slot] as number)--;
  }

  set(value: number): void {
    this.#page[this.#slot] = value;
  }

  get value(): number {
    return this.#page[this.#slot] as number;
  }
}

/** Upper bounds, in ms, as Envoy's Prometheus output has them. */
export const HISTOGRAM_BOUNDS_MS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** Counts of values by bucket, with their sum. */
export class Histogram {
  readonly #page: Float64Array;
  readonly #first: number;

  /** Needs `HISTOGRAM_BOUNDS_MS.length + 2` slots from `first` on: the buckets, the rest, the sum. */
  constructor(page: Float64Array, first: number) {
    this.#page = page;
    this.#first = first;
  }

  record(value: number): void {
    let bucket = 0;
    while (bucket < HISTOGRAM_BOUNDS_MS.length && value > (HISTOGRAM_BOUNDS_MS[bucket] as number)) bucket++;
    (this.#page[this.#first + bucket] as number)++;
    (this.#page[this.#first + HISTOGRAM_BOUNDS_MS.length + 1] as number) += value;
  }

  /** Values in each bucket alone (not cumulated); the last is above every bound. */
  get counts(): readonly number[] {
    return Array.from(this.#page.subarray(this.#first, this.#first + HISTOGRAM_BOUNDS_MS.length + 1));
  }

  get sum(): number {
    return this.#page[this.#first + HISTOGRAM_BOUNDS_MS.length + 1] as number;
  }

  /** Counts what another one has counted, too: its buckets, the rest, and its sum. */
  addSlots(slots: readonly number[]): void {
    for (const [i, count] of slots.entries()) (this.#page[this.#first + i] as number) += count;
  }
}

/** One metric as a scrape sees it. */
export type StatEntry = { readonly name: string; readonly tags: Tags } & (
  | { readonly kind: 'counter'; readonly metric: Counter }
  | { readonly kind: 'gauge'; readonly metric: Gauge }
  | { readonly kind: 'histogram'; readonly metric: Histogram }
);

/**
 * Gives out metrics. The same name and tags give the same metric, so that a cluster which is updated keeps its counts.
 *
 * Shape: `name` is Envoy's dotted name without the tagged parts (`cluster.upstream_rq_total`), `tags` carry those
 * (`[['envoy_cluster_name', 'reviews']]`). The stats pages put the two together in either of Envoy's forms.
 */
export class StatsStore {
  readonly #allocate: (bytes: number) => ArrayBuffer | SharedArrayBuffer;
  readonly #maxMetrics: number;
  readonly #onAdded: StatsOptions['onAdded'];
  readonly #onForgotten: StatsOptions['onForgotten'];
  readonly #entries = new Map<string, StatEntry>();
  #page: Float64Array;
  #next = 0;
  #overflowed = 0;

  constructor(options: StatsOptions = {}) {
    this.#allocate = options.allocate ?? ((bytes) => new ArrayBuffer(bytes));
    this.#maxMetrics = options.maxMetrics ?? 200_000;
    this.#onAdded = options.onAdded;
    this.#onForgotten = options.onForgotten;
    this.#page = this.#newPage();
  }

  counter(name: string, tags: Tags = []): Counter {
    const entry = this.#find('counter', name, tags);
    if (entry?.kind === 'counter') return entry.metric;
    const [page, first] = this.#take(1);
    const metric = new Counter(page, first);
    this.#keep({ kind: 'counter', name, tags, metric }, first);
    return metric;
  }

  gauge(name: string, tags: Tags = []): Gauge {
    const entry = this.#find('gauge', name, tags);
    if (entry?.kind === 'gauge') return entry.metric;
    const [page, first] = this.#take(1);
    const metric = new Gauge(page, first);
    this.#keep({ kind: 'gauge', name, tags, metric }, first);
    return metric;
  }

  histogram(name: string, tags: Tags = []): Histogram {
    const entry = this.#find('histogram', name, tags);
    if (entry?.kind === 'histogram') return entry.metric;
    const [page, first] = this.#take(HISTOGRAM_BOUNDS_MS.length + 2);
    const metric = new Histogram(page, first);
    this.#keep({ kind: 'histogram', name, tags, metric }, first);
    return metric;
  }

  /** Every metric, in the order of creation. */
  entries(): IterableIterator<StatEntry> {
    return this.#entries.values();
  }

  /** How many metrics were refused a slot of their own. */
  get overflowed(): number {
    return this.#overflowed;
  }

  /** Sets every counter back to zero; gauges and histograms stay. */
  resetCounters(): void {
    for (const entry of this.#entries.values()) {
      if (entry.kind === 'counter') entry.metric.add(-entry.metric.value);
    }
  }

  /** Forgets the metrics that `remove` chooses (a cluster that is gone); their slots are not given out again. */
  forget(remove: (entry: StatEntry) => boolean): void {
    for (const [key, entry] of this.#entries) {
      if (!remove(entry)) continue;
      this.#entries.delete(key);
      this.#onForgotten?.(entry);
    }
  }

  #find(kind: StatEntry['kind'], name: string, tags: Tags): StatEntry | undefined {
    return this.#entries.get(metricKey(kind, name, tags));
  }

  #keep(entry: StatEntry, first: number): void {
    if (this.#entries.size >= this.#maxMetrics) {
      this.#overflowed++;
      return;
    }
    this.#entries.set(metricKey(entry.kind, entry.name, entry.tags), entry);
    this.#onAdded?.(entry, first);
  }

  #take(slots: number): [page: Float64Array, first: number] {
    if (this.#entries.size >= this.#maxMetrics) return [this.#page, 0];
    if (this.#next + slots > PAGE_SLOTS) this.#page = this.#newPage();
    const first = this.#next;
    this.#next += slots;
    return [this.#page, first];
  }

  /** The first slots of each page are the overflow slots. */
  #newPage(): Float64Array {
    this.#next = HISTOGRAM_BOUNDS_MS.length + 2;
    return new Float64Array(this.#allocate(PAGE_SLOTS * Float64Array.BYTES_PER_ELEMENT));
  }
}

/** The same for the same metric, whoever has it. */
export function metricKey(kind: string, name: string, tags: Tags): string {
  let key = `${kind} ${name}`;
  for (const [tag, value] of tags) key += `\u0000${tag}\u0000${value}`;
  return key;
}
