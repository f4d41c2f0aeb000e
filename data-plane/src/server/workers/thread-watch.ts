import type { NamedAddresses, SharedWatch } from '../../cluster/shared-watch.js';
import type { SharedCells, SharedSlot } from '../../shared/shared-cells.js';
import type { ToMain, ToWorker } from './messages.js';

/** The main thread, as far as watching goes. */
export interface WatchLink {
  tell<K extends 'health' | 'names' | 'follow'>(kind: K, body: ToMain[K]['body']): void;
}

/** What a worker finds out about hosts for all, or is told of them: by memory that all share, and by way of the main thread. */
export class ThreadWatch implements SharedWatch {
  readonly isWatcher: boolean;
  onHealth: ((cluster: string) => void) | undefined = undefined;
  readonly #cells: SharedCells;
  readonly #link: WatchLink;
  /** Clusters of which the others are told at the end of this turn. */
  readonly #news = new Set<string>();
  /** How many resolve these names in this thread. */
  readonly #shared = new Map<string, number>();
  readonly #followed = new Map<string, Set<(addresses: NamedAddresses) => void>>();

  constructor(isWatcher: boolean, cells: SharedCells, link: WatchLink) {
    this.isWatcher = isWatcher;
    this.#cells = cells;
    this.#link = link;
  }

  slot(name: string): SharedSlot {
    return this.#cells.claim(name);
  }

  tellHealth(cluster: string): void {
    if (this.#news.size === 0) queueMicrotask(() => this.#tellNews());
    this.#news.add(cluster);
  }

  onTold(clusters: ToWorker['health']['body']): void {
    for (const cluster of clusters) this.onHealth?.(cluster);
  }

  shareNames(key: string): ReturnType<SharedWatch['shareNames']> {
    this.#shared.set(key, (this.#shared.get(key) ?? 0) + 1);
    return {
      tell: (addresses) => this.#link.tell('names', { key, addresses }),
      close: () => {
        const left = (this.#shared.get(key) ?? 1) - 1;
        if (left > 0) this.#shared.set(key, left);
        else {
          this.#shared.delete(key);
          this.#link.tell('names', { key, addresses: undefined });
        }
      },
    };
  }

  followNames(key: string, onAddresses: (addresses: NamedAddresses) => void): { close(): void } {
    let followers = this.#followed.get(key);
    if (followers === undefined) this.#followed.set(key, (followers = new Set()));
    followers.add(onAddresses);
    this.#link.tell('follow', { key });
    return {
      close: () => {
        followers.delete(onAddresses);
        if (followers.size === 0 && this.#followed.get(key) === followers) this.#followed.delete(key);
      },
    };
  }

  onNames({ key, addresses }: ToWorker['names']['body']): void {
    for (const onAddresses of this.#followed.get(key) ?? []) onAddresses(addresses);
  }

  #tellNews(): void {
    this.#link.tell('health', [...this.#news]);
    this.#news.clear();
  }
}
