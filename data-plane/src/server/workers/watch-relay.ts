import type { NamedAddresses } from '../../cluster/shared-watch.js';
import type { ToMain, ToWorker } from './messages.js';

/** A worker, as far as watching goes. */
export interface WatchingWorker {
  tell<K extends 'health' | 'names'>(kind: K, body: ToWorker[K]['body']): void;
}

/** Hands what one worker finds out about hosts to the others, and keeps what names resolve to for those that ask later. */
export class WatchRelay {
  readonly #workers: readonly { readonly link: WatchingWorker }[];
  readonly #names = new Map<string, NamedAddresses>();

  constructor(workers: readonly { readonly link: WatchingWorker }[]) {
    this.#workers = workers;
  }

  health(from: number, clusters: ToMain['health']['body']): void {
    this.#workers.forEach(({ link }, worker) => {
      if (worker !== from) link.tell('health', clusters);
    });
  }

  names(from: number, { key, addresses }: ToMain['names']['body']): void {
    if (addresses === undefined) {
      this.#names.delete(key);
      return;
    }
    this.#names.set(key, addresses);
    this.#workers.forEach(({ link }, worker) => {
      if (worker !== from) link.tell('names', { key, addresses });
    });
  }

  follow(from: number, { key }: ToMain['follow']['body']): void {
    const addresses = this.#names.get(key);
    if (addresses !== undefined) this.#workers[from]?.link.tell('names', { key, addresses });
  }
}
