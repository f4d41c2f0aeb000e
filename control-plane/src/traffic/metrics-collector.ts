import { Agent, get } from 'node:http';
import { describeError, type Clock, type Logger, type Timer } from '@heddle/common';
import { METRICS_FILTER, ProxyMetrics, type ClusterFigures } from './proxy-metrics.js';
import type { TrafficStore } from './traffic-store.js';

/** A proxy whose admin server can be asked. */
export interface ScrapeTarget {
  readonly nodeId: string;
  readonly host: string;
  readonly port: number;
}

export interface MetricsCollectorOptions {
  readonly store: TrafficStore;
  /** The proxies that there are now. */
  readonly targets: () => readonly ScrapeTarget[];
  readonly fetchText: (target: ScrapeTarget) => Promise<string>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after each round, when everybody was asked once. */
  readonly onRound?: () => void;
  /** Units: ms. Asked after each round. It is longer where reading would take more than a fiftieth of the time. */
  readonly intervalMs: () => number;
}

interface KnownProxy {
  readonly metrics: ProxyMetrics;
  lastSeenMs: number;
  /** Why it was not read, if it was not. */
  failure: string | undefined;
}

const AT_ONCE = 8;
/** Reading takes at most this share of a core. */
const COST_RATIO = 0.02;
/** So long what a proxy had counted is remembered while it is away. */
const AWAY_MS = 600_000;
const MAX_PROXIES = 10_000;
const METRICS_PATH = `/stats/prometheus?usedonly&filter=${encodeURIComponent(METRICS_FILTER)}`;
const TIMEOUT_MS = 3_000;
const MAX_BYTES = 16 * 1024 * 1024;

/** Asks every proxy in turn what it counted, and adds it to the store. */
export class MetricsCollector {
  readonly #options: MetricsCollectorOptions;
  readonly #proxies = new Map<string, KnownProxy>();
  #timer: Timer | undefined;
  #closed = false;
  #roundBeganMs = 0;
  #rounds = 0;
  #failures = 0;

  constructor(options: MetricsCollectorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#plan(0);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Monotonic ms: when the last round that is complete began. Everything that was counted before is in the store. */
  get completeSinceMs(): number {
    return this.#roundBeganMs;
  }

  /** Proxies that could not be read in the last round, with why. */
  get unread(): ReadonlyMap<string, string> {
    const unread = new Map<string, string>();
    for (const [id, { failure }] of this.#proxies) if (failure !== undefined) unread.set(id, failure);
    return unread;
  }

  get rounds(): number {
    return this.#rounds;
  }

  get failures(): number {
    return this.#failures;
  }

  /** What a proxy says about its clusters. */
  clustersOf(nodeId: string): ReadonlyMap<string, ClusterFigures> {
    return this.#proxies.get(nodeId)?.metrics.clusters ?? new Map<string, ClusterFigures>();
  }

  #plan(delayMs: number): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      void this.round().then((costMs) => {
        this.#plan(Math.max(this.#options.intervalMs(), costMs / COST_RATIO));
      });
    });
  }

  /** Asks everybody once. Resolves with the time that reading took. Units: ms. */
  async round(): Promise<number> {
    const { clock, targets, onRound, log } = this.#options;
    const beganMs = clock.monotonicMs();
    const waiting = targets().slice(0, MAX_PROXIES);
    const present = new Set(waiting.map(({ nodeId }) => nodeId));
    for (const [id, { lastSeenMs }] of this.#proxies) {
      if (!present.has(id) && beganMs - lastSeenMs > AWAY_MS) this.#proxies.delete(id);
      else if (!present.has(id)) (this.#proxies.get(id) as KnownProxy).failure = undefined;
    }
    let costMs = 0;
    const work = async (): Promise<void> => {
      for (let target = waiting.pop(); target !== undefined && !this.#closed; target = waiting.pop()) {
        costMs += await this.#read(target);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    this.#roundBeganMs = beganMs;
    this.#rounds++;
    try {
      if (!this.#closed) onRound?.();
    } catch (cause) {
      log.error('what follows a round of metrics failed', { error: describeError(cause) });
    }
    return costMs;
  }

  async #read(target: ScrapeTarget): Promise<number> {
    const { clock, store, fetchText, log } = this.#options;
    let proxy = this.#proxies.get(target.nodeId);
    if (proxy === undefined) {
      proxy = { metrics: new ProxyMetrics(store), lastSeenMs: 0, failure: undefined };
      this.#proxies.set(target.nodeId, proxy);
    }
    proxy.lastSeenMs = clock.monotonicMs();
    try {
      const text = await fetchText(target);
      const beganMs = clock.monotonicMs();
      proxy.metrics.read(text, clock.nowMs());
      proxy.failure = undefined;
      return clock.monotonicMs() - beganMs;
    } catch (cause) {
      this.#failures++;
      proxy.failure = describeError(cause);
      log.debug('metrics of a proxy could not be read', { node: target.nodeId, error: proxy.failure });
      return 0;
    }
  }
}

/** Reads the metrics page of a proxy's admin server. Errors: it does not answer with 200 within 3 s, or with more than 16 MiB. */
export function createMetricsFetch(): { fetchText(target: ScrapeTarget): Promise<string>; close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 2, maxTotalSockets: 64, timeout: 30_000 });
  return {
    fetchText: ({ host, port }) =>
      new Promise((resolve, reject) => {
        const request = get(
          { host, port, path: METRICS_PATH, agent, signal: AbortSignal.timeout(TIMEOUT_MS) },
          (response) => {
            const chunks: Buffer[] = [];
            let bytes = 0;
            response.on('data', (chunk: Buffer) => {
              bytes += chunk.length;
              if (bytes > MAX_BYTES) request.destroy(new Error(`more than ${MAX_BYTES} bytes`));
              else chunks.push(chunk);
            });
            response.on('error', reject);
            response.on('end', () => {
              if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
              else reject(new Error(`its admin server answered ${response.statusCode ?? 0}`));
            });
          },
        );
        request.on('error', reject);
      }),
    close: () => agent.destroy(),
  };
}
