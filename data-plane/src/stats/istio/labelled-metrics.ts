import type { Clock } from '@heddle/common';
import { Counter, Histogram, HISTOGRAM_BOUNDS_MS, type StatsStore } from '../stats-store.js';

const PAGE_SERIES = 256;
const MOST_SERIES = 5_000;
/** What was not counted for so long makes room for others when there is none left. */
const IDLE_MS = 15 * 60_000;
/** Looking for idle series walks over all of them. */
const LOOK_EVERY_MS = 60_000;

export interface LabelledMetricsOptions {
  readonly clock: Clock;
  /** Where it is counted how this store itself fares. */
  readonly stats: StatsStore;
  /** Bound of the series of one metric. Default 5,000. */
  readonly maxSeries?: number | undefined;
  /** Cuts the memory of one page. Default: a plain ArrayBuffer. */
  readonly allocate?: (bytes: number) => ArrayBuffer | SharedArrayBuffer;
}

/** One metric with one set of labels. */
export interface Series<M extends Counter | Histogram = Counter | Histogram> {
  readonly metric: M;
  /** As Prometheus writes them, without braces. */
  readonly labels: string;
  /** Whoever counts over a longer time raises this meanwhile: then it is not idle. */
  holders: number;
}

interface Entry<M extends Counter | Histogram> extends Series<M> {
  readonly page: Float64Array;
  readonly first: number;
  seenTotal: number;
  seenAtMs: number;
}

/** What families need of the store they belong to. */
interface Store {
  readonly maxSeries: number;
  nowMs(): number;
  newPage(slots: number): Float64Array;
  makeRoom(): void;
  onOverflow(): void;
}

/** All series of one metric. */
export class MetricFamily<M extends Counter | Histogram = Counter | Histogram> {
  readonly name: string;
  readonly kind: 'counter' | 'histogram';
  readonly help: string;
  readonly #store: Store;
  readonly #width: number;
  readonly #create: (page: Float64Array, first: number) => M;
  readonly #series = new Map<string, Entry<M>>();
  readonly #overflow = new Map<string, Entry<M>>();
  readonly #free: { readonly page: Float64Array; readonly first: number }[] = [];

  constructor(
    name: string,
    kind: 'counter' | 'histogram',
    help: string,
    store: Store,
    create: (page: Float64Array, first: number) => M,
  ) {
    this.name = name;
    this.kind = kind;
    this.help = help;
    this.#store = store;
    this.#create = create;
    this.#width = kind === 'counter' ? 1 : HISTOGRAM_BOUNDS_MS.length + 2;
  }

  get size(): number {
    return this.#series.size;
  }

  /**
   * The series with those labels. The same labels give the same series, until it is evicted: what keeps series must look
   * at the store's generation.
   *
   * Bounds: when there is no room for another one it is the one of `overflowLabels`, of which callers have very few.
   */
  series(labels: string, overflowLabels: string): Series<M> {
    const existing = this.#series.get(labels);
    if (existing !== undefined) return existing;
    if (this.#series.size >= this.#store.maxSeries) this.#store.makeRoom();
    const isFull = this.#series.size >= this.#store.maxSeries;
    if (!isFull) return this.#add(this.#series, labels);
    this.#store.onOverflow();
    return this.#overflow.get(overflowLabels) ?? this.#add(this.#overflow, overflowLabels);
  }

  /** Forgets the series that were not counted since `IDLE_MS`, and returns how many. */
  evictIdle(nowMs: number): number {
    let evicted = 0;
    for (const [labels, entry] of this.#series) {
      const total = totalOf(entry.metric);
      if (total !== entry.seenTotal) {
        entry.seenTotal = total;
        entry.seenAtMs = nowMs;
      } else if (entry.holders === 0 && nowMs - entry.seenAtMs >= IDLE_MS) {
        this.#series.delete(labels);
        entry.page.fill(0, entry.first, entry.first + this.#width);
        this.#free.push(entry);
        evicted++;
      }
    }
    return evicted;
  }

  reset(): void {
    for (const series of [...this.#series.values(), ...this.#overflow.values()]) {
      if (series.metric instanceof Counter) series.metric.add(-series.metric.value);
    }
  }

  *entries(): Iterable<Series<M>> {
    yield* this.#series.values();
    yield* this.#overflow.values();
  }

  #add(to: Map<string, Entry<M>>, labels: string): Entry<M> {
    if (this.#free.length === 0) {
      const page = this.#store.newPage(PAGE_SERIES * this.#width);
      for (let i = PAGE_SERIES - 1; i >= 0; i--) this.#free.push({ page, first: i * this.#width });
    }
    const { page, first } = this.#free.pop() as { page: Float64Array; first: number };
    const metric = this.#create(page, first);
    const entry = { metric, labels, holders: 0, page, first, seenTotal: 0, seenAtMs: this.#store.nowMs() };
    to.set(labels, entry);
    return entry;
  }
}

/**
 * Counters and histograms whose labels come from traffic: who calls, what is called, how it ended.
 *
 * Shape: a series is made when it is first counted, from then on counting it touches typed arrays only.
 * Bounds: `maxSeries` of each metric. Beyond it, series that were idle make room; while none is, everything further is
 * counted together, and that is counted as well.
 */
export class LabelledMetrics {
  readonly #families = new Map<string, MetricFamily>();
  readonly #store: Store;
  readonly #overflowed: Counter;
  readonly #evicted: Counter;
  #generation = 0;
  #lookedAtMs = -Infinity;

  constructor(options: LabelledMetricsOptions) {
    const { clock, stats, maxSeries = MOST_SERIES } = options;
    const allocate = options.allocate ?? ((bytes: number) => new ArrayBuffer(bytes));
    this.#overflowed = stats.counter('istio_stats.overflowed');
    this.#evicted = stats.counter('istio_stats.evicted');
    this.#store = {
      maxSeries,
      nowMs: () => clock.monotonicMs(),
      newPage: (slots) => new Float64Array(allocate(slots * Float64Array.BYTES_PER_ELEMENT)),
      makeRoom: () => this.#makeRoom(),
      onOverflow: () => this.#overflowed.inc(),
    };
  }

  /** Changes when series were evicted: whoever kept one asks for it again. */
  get generation(): number {
    return this.#generation;
  }

  get maxSeries(): number {
    return this.#store.maxSeries;
  }

  counter(name: string, help: string): MetricFamily<Counter> {
    return this.#family(name, 'counter', help, (page, first) => new Counter(page, first));
  }

  histogram(name: string, help: string): MetricFamily<Histogram> {
    return this.#family(name, 'histogram', help, (page, first) => new Histogram(page, first));
  }

  /** In order of names. */
  families(): readonly MetricFamily[] {
    return [...this.#families.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Sets every counter back to zero; histograms stay. */
  resetCounters(): void {
    for (const family of this.#families.values()) family.reset();
  }

  #family<M extends Counter | Histogram>(
    name: string,
    kind: 'counter' | 'histogram',
    help: string,
    create: (page: Float64Array, first: number) => M,
  ): MetricFamily<M> {
    const existing = this.#families.get(name);
    if (existing !== undefined) return existing as MetricFamily<M>;
    const family = new MetricFamily(name, kind, help, this.#store, create);
    this.#families.set(name, family as unknown as MetricFamily);
    return family;
  }

  #makeRoom(): void {
    const nowMs = this.#store.nowMs();
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return;
    this.#lookedAtMs = nowMs;
    let evicted = 0;
    for (const family of this.#families.values()) evicted += family.evictIdle(nowMs);
    if (evicted === 0) return;
    this.#evicted.add(evicted);
    this.#generation++;
  }
}

function totalOf(metric: Counter | Histogram): number {
  return metric instanceof Counter ? metric.value : metric.counts.reduce((sum, count) => sum + count, 0);
}
