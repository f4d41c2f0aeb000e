import type { ResourceSubscription } from '../config-source.js';

/** Who waits for what has a name. Bounds: a name is kept only while somebody waits for it. */
export class CallbacksByName {
  readonly #byName = new Map<string, Set<() => void>>();

  /** Names that somebody waits for. */
  get size(): number {
    return this.#byName.size;
  }

  add(name: string, callback: () => void): ResourceSubscription {
    const waiting = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, waiting);
    waiting.add(callback);
    return {
      close: () => {
        waiting.delete(callback);
        if (waiting.size === 0 && this.#byName.get(name) === waiting) this.#byName.delete(name);
      },
    };
  }

  /** Calls back everybody who waits for a name, once. */
  tell(name: string): void {
    const waiting = this.#byName.get(name);
    this.#byName.delete(name);
    for (const callback of [...(waiting ?? [])]) if (waiting?.delete(callback) === true) callback();
  }

  clear(): void {
    this.#byName.clear();
  }
}
