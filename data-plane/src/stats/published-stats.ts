import {
  Counter,
  Gauge,
  Histogram,
  metricKey,
  StatsStore,
  type StatEntry,
  type StatsOptions,
  type Tags,
} from './stats-store.js';

/** What changed in the metrics of one thread: their values lie in the pages, which all threads see. */
export interface PublishedMetrics {
  /** New ones, after those that were published before. */
  readonly pages: readonly SharedArrayBuffer[];
  readonly added: readonly PublishedMetric[];
  readonly forgotten: readonly Omit<PublishedMetric, 'page' | 'first'>[];
}

export interface PublishedMetric {
  readonly kind: StatEntry['kind'];
  readonly name: string;
  readonly tags: Tags;
  /** Its number among all pages. */
  readonly page: number;
  readonly first: number;
}

/**
 * The metrics of a worker, in memory that the main thread reads: it is told once where each of them lies, and counting one costs what
 * it costs in a store of its own.
 */
export class StatsPublisher {
  readonly store: StatsStore;
  readonly #publish: (changes: PublishedMetrics) => void;
  #pageCount = 0;
  #pages: SharedArrayBuffer[] = [];
  #added: PublishedMetric[] = [];
  #forgotten: Omit<PublishedMetric, 'page' | 'first'>[] = [];
  #planned = false;

  /** `publish` is called at most once in a turn of the event loop. */
  constructor(publish: (changes: PublishedMetrics) => void, options: Pick<StatsOptions, 'maxMetrics'> = {}) {
    this.#publish = publish;
    this.store = new StatsStore({
      ...options,
      allocate: (bytes) => {
        const page = new SharedArrayBuffer(bytes);
        this.#pages.push(page);
        this.#pageCount++;
        this.#plan();
        return page;
      },
      onAdded: ({ kind, name, tags }, first) => {
        this.#added.push({ kind, name, tags, page: this.#pageCount - 1, first });
        this.#plan();
      },
      onForgotten: ({ kind, name, tags }) => {
        // What is forgotten may be added again: within one message that is the order.
        if (this.#added.length > 0) this.#flush();
        this.#forgotten.push({ kind, name, tags });
        this.#plan();
      },
    });
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#planned = false;
    const changes = { pages: this.#pages, added: this.#added, forgotten: this.#forgotten };
    if (changes.pages.length + changes.added.length + changes.forgotten.length === 0) return;
    this.#pages = [];
    this.#added = [];
    this.#forgotten = [];
    this.#publish(changes);
  }
}

/** The metrics of one worker, as the main thread sees them. */
export class ReceivedStats {
  readonly #pages: Float64Array[] = [];
  readonly #entries = new Map<string, StatEntry>();

  receive({ pages, added, forgotten }: PublishedMetrics): void {
    for (const page of pages) this.#pages.push(new Float64Array(page));
    for (const { kind, name, tags } of forgotten) this.#entries.delete(metricKey(kind, name, tags));
    for (const { kind, name, tags, page: number, first } of added) {
      const page = this.#pages[number] as Float64Array;
      const entry: StatEntry =
        kind === 'counter'
          ? { kind, name, tags, metric: new Counter(page, first) }
          : kind === 'gauge'
            ? { kind, name, tags, metric: new Gauge(page, first) }
            : { kind, name, tags, metric: new Histogram(page, first) };
      this.#entries.set(metricKey(kind, name, tags), entry);
    }
  }

  entries(): IterableIterator<StatEntry> {
    return this.#entries.values();
  }
}

/** Metrics of what every worker has alike, by how their names begin: they are shown as one of the workers has them, and not added up. */
const ALIKE = [
  'listener_manager.',
  'cluster_manager.',
  'cluster.membership_',
  'cluster.update_',
  'cluster.outlier_detection.ejections_active',
  'overload.',
  'sds.',
  'rds.',
] as const;

/** All metrics of the process: the main thread's own, and those of the workers added up. Cost: it makes all of them anew. */
export function mergedStats(own: StatsStore, workers: readonly ReceivedStats[]): StatsStore {
  const merged = new StatsStore({ maxMetrics: Infinity });
  for (const entry of own.entries()) add(merged, entry);
  const seen = new Set<string>();
  for (const worker of workers) {
    for (const entry of worker.entries()) {
      if (ALIKE.some((beginning) => entry.name.startsWith(beginning))) {
        const key = metricKey(entry.kind, entry.name, entry.tags);
        if (seen.has(key)) continue;
        seen.add(key);
      }
      add(merged, entry);
    }
  }
  return merged;
}

function add(to: StatsStore, { name, tags, ...entry }: StatEntry): void {
  if (entry.kind === 'counter') to.counter(name, tags).add(entry.metric.value);
  else if (entry.kind === 'histogram')
    to.histogram(name, tags).addSlots([...entry.metric.counts, entry.metric.sum]);
  else {
    const gauge = to.gauge(name, tags);
    gauge.set(gauge.value + entry.metric.value);
  }
}
