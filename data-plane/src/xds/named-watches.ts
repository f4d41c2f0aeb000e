import type { Clock, Timer } from '@heddle/common';
import type { ResourceSubscription, ResourceWatcher } from '../config-source.js';

interface Entry<T> {
  readonly watcher: ResourceWatcher<T>;
  timer: Timer | undefined;
  /** It was told something. */
  told: boolean;
}

interface Watched<T> {
  readonly watchers: Set<Entry<T>>;
}

export interface NamedWatchesOptions<T> {
  readonly clock: Clock;
  readonly defaultTimeoutMs: number;
  /** What is known of a name at this moment. */
  readonly current: (name: string) => T | undefined;
  /** The set of names changed, or somebody has waited long enough. */
  readonly onNamesChanged: () => void;
}

/** Who waits for which resource: names are subscribed as long as somebody watches them. */
export class NamedWatches<T> {
  readonly #options: NamedWatchesOptions<T>;
  readonly #watched = new Map<string, Watched<T>>();

  constructor(options: NamedWatchesOptions<T>) {
    this.#options = options;
  }

  names(): readonly string[] {
    return [...this.#watched.keys()];
  }

  has(name: string): boolean {
    return this.#watched.has(name);
  }

  watch(
    name: string,
    watcher: ResourceWatcher<T>,
    timeoutMs: number = this.#options.defaultTimeoutMs,
  ): ResourceSubscription {
    let watched = this.#watched.get(name);
    if (watched === undefined) {
      watched = { watchers: new Set() };
      this.#watched.set(name, watched);
      this.#options.onNamesChanged();
    }
    const { watchers } = watched;
    const entry: Entry<T> = { watcher, timer: undefined, told: false };
    watchers.add(entry);
    const current = this.#options.current(name);
    if (current !== undefined && watcher.whyNot?.(current) === undefined) {
      entry.told = true;
      watcher.onUpdate(current);
    } else if (timeoutMs > 0) {
      entry.timer = this.#options.clock.setTimer(timeoutMs, () => {
        entry.timer = undefined;
        entry.told = true;
        watcher.onAbsent('timeout');
        this.#options.onNamesChanged();
      });
    }
    return {
      close: () => {
        if (!watchers.delete(entry)) return;
        entry.timer?.cancel();
        if (watchers.size > 0 || this.#watched.get(name)?.watchers !== watchers) return;
        this.#watched.delete(name);
        this.#options.onNamesChanged();
      },
    };
  }

  /** Whether somebody waits who was told nothing yet. */
  get isAwaited(): boolean {
    for (const { watchers } of this.#watched.values()) {
      for (const { told } of watchers) if (!told) return true;
    }
    return false;
  }

  /** Why one of those who watch this name cannot use it, or undefined. */
  whyNot(name: string, value: T): string | undefined {
    for (const { watcher } of this.#watched.get(name)?.watchers ?? []) {
      const why = watcher.whyNot?.(value);
      if (why !== undefined) return why;
    }
    return undefined;
  }

  update(name: string, value: T): void {
    for (const entry of [...(this.#watched.get(name)?.watchers ?? [])]) {
      entry.timer?.cancel();
      entry.timer = undefined;
      entry.told = true;
      entry.watcher.onUpdate(value);
    }
  }

  remove(name: string): void {
    for (const entry of [...(this.#watched.get(name)?.watchers ?? [])]) {
      entry.timer?.cancel();
      entry.timer = undefined;
      entry.told = true;
      entry.watcher.onAbsent('removed');
    }
  }

  /** Stops every timer. */
  close(): void {
    for (const { watchers } of this.#watched.values()) for (const entry of watchers) entry.timer?.cancel();
    this.#watched.clear();
  }
}
