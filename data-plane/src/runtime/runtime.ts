import {
  runtimeValueOf,
  type RuntimeLayerConfig,
  type RuntimeSettings,
  type RuntimeValue,
  type RuntimeValues,
} from '@heddle/engine';
import type { ConfigSource, ResourceSubscription } from '../config-source.js';
import type { Counter, Gauge, StatsStore } from '../stats/stats-store.js';

const NOTHING: RuntimeValues = new Map();
/** Of settings made through the admin pages. */
const MAX_OVERRIDES = 1000;

/**
 * Settings that change while the proxy runs: the layers of the bootstrap, of which later ones win.
 *
 * Cost: a look-up in one map, and none where nothing is set.
 */
export class Runtime implements RuntimeSettings {
  readonly #layers: readonly RuntimeLayerConfig[];
  readonly #values: RuntimeValues[];
  readonly #listeners = new Set<() => void>();
  readonly #subscriptions: ResourceSubscription[] = [];
  readonly #keys: Gauge | undefined;
  readonly #overrides: Gauge | undefined;
  readonly #loads: Counter | undefined;
  #merged: RuntimeValues = NOTHING;

  constructor(layers: readonly RuntimeLayerConfig[] = [], stats?: StatsStore) {
    this.#layers = layers;
    this.#values = layers.map((layer) => (layer.kind === 'static' ? layer.values : NOTHING));
    stats?.gauge('runtime.num_layers').set(layers.length);
    this.#keys = stats?.gauge('runtime.num_keys');
    this.#overrides = stats?.gauge('runtime.admin_overrides_active');
    this.#loads = stats?.counter('runtime.load_success');
    this.#merge();
  }

  get isEmpty(): boolean {
    return this.#merged.size === 0;
  }

  ratio(key: string | undefined, otherwise: number): number {
    if (key === undefined || this.#merged.size === 0) return otherwise;
    return this.#merged.get(key)?.ratio ?? otherwise;
  }

  integer(key: string | undefined, otherwise: number): number {
    if (key === undefined || this.#merged.size === 0) return otherwise;
    const number = this.#merged.get(key)?.number;
    return number !== undefined && Number.isInteger(number) && number >= 0 ? number : otherwise;
  }

  /** Fetches what is fetched. */
  start(source: ConfigSource | undefined): void {
    this.#layers.forEach((layer, index) => {
      if (layer.kind !== 'rtds' || source === undefined) return;
      const subscription = source.watchRuntime(
        layer.resource,
        {
          onUpdate: ({ values }) => this.#set(index, values),
          onAbsent: (reason) => {
            if (reason === 'removed') this.#set(index, NOTHING);
          },
        },
        layer.initialFetchTimeoutMs,
      );
      this.#subscriptions.push(subscription);
    });
  }

  close(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.close();
    this.#listeners.clear();
  }

  /** Calls back after each change, until what is returned is called. */
  onChange(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => void this.#listeners.delete(callback);
  }

  /** Sets keys of the admin layer; an empty text takes one back. Returns why that cannot be, or undefined. */
  modify(changes: ReadonlyMap<string, string>): string | undefined {
    const index = this.#layers.findLastIndex((layer) => layer.kind === 'admin');
    if (index === -1) return 'no admin layer is specified';
    const values = new Map<string, RuntimeValue>(this.#values[index]);
    for (const [key, text] of changes) {
      const value = text === '' ? undefined : runtimeValueOf(text);
      if (value === undefined) values.delete(key);
      else values.set(key, value);
    }
    if (values.size > MAX_OVERRIDES) return `more than ${MAX_OVERRIDES} keys cannot be set here`;
    this.#overrides?.set(values.size);
    this.#set(index, values);
    return undefined;
  }

  /** What is set in which layer, in order of the keys. */
  view(): {
    readonly layers: readonly string[];
    readonly entries: readonly (readonly [string, readonly string[]])[];
  } {
    return {
      layers: this.#layers.map(({ name }) => name),
      entries: [...this.#merged.keys()]
        .sort()
        .map((key) => [key, this.#values.map((values) => values.get(key)?.text ?? '')] as const),
    };
  }

  #set(index: number, values: RuntimeValues): void {
    this.#values[index] = values;
    this.#merge();
    for (const listener of [...this.#listeners]) listener();
  }

  #merge(): void {
    this.#merged = new Map(this.#values.flatMap((values) => [...values]));
    this.#keys?.set(this.#merged.size);
    this.#loads?.inc();
  }
}
