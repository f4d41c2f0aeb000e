/** The entries that were used last, up to a bound. */
export class RecentMap<K, V> {
  readonly #most: number;
  readonly #entries = new Map<K, V>();
  readonly #onEvicted: (() => void) | undefined;

  /** `onEvicted` hears of each entry that had to make room. */
  constructor(most: number, onEvicted?: () => void) {
    this.#most = most;
    this.#onEvicted = onEvicted;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#most) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      this.#onEvicted?.();
      return;
    }
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }
}
