import { readFileSync, statSync, watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Timer } from '@heddle/common';
import type { DataSourceConfig } from '@heddle/engine';

/** Longer files are not read. */
const MOST_BYTES = 4 * 1024 * 1024;
/** How often files are looked at where nothing tells of a change. */
const POLL_MS = 5000;
/** Files of one change are written one after another: what is read earlier may be half of it. */
const SETTLE_MS = 100;

export interface DataSourcesOptions {
  readonly clock: Clock;
  readonly environment: (name: string) => string | undefined;
}

interface WatchedFiles {
  readonly paths: readonly string[];
  readonly onChange: () => void;
  seen: string;
}

/**
 * Reads what a configuration refers to, and tells when it has changed.
 *
 * Bounds: one timer for all files, and one watch of the system for each folder, where the system gives any.
 */
export class DataSources {
  readonly #options: DataSourcesOptions;
  readonly #watched = new Set<WatchedFiles>();
  readonly #folders = new Map<string, { watcher: FSWatcher | undefined; users: number }>();
  #timer: Timer | undefined;

  constructor(options: DataSourcesOptions) {
    this.#options = options;
  }

  /** The text of a source. Errors: throws, with words that hold nothing of the text, when it cannot be read. */
  read(source: DataSourceConfig): string {
    switch (source.kind) {
      case 'inline':
        return source.text.reveal();
      case 'environment': {
        const text = this.#options.environment(source.name);
        if (text === undefined)
          throw new Error(`the environment has no variable ${JSON.stringify(source.name)}`);
        return text;
      }
      case 'file': {
        const { size } = statSync(source.path);
        if (size > MOST_BYTES) throw new Error(`${source.path} is longer than ${MOST_BYTES} bytes`);
        return readFileSync(source.path, 'latin1');
      }
    }
  }

  /** Calls back after each change of a file among the sources. */
  watch(sources: readonly (DataSourceConfig | undefined)[], onChange: () => void): { close(): void } {
    const files = sources.filter((source) => source?.kind === 'file');
    if (files.length === 0) return { close: () => undefined };
    const paths = files.map(({ path }) => path);
    const entry: WatchedFiles = { paths, onChange, seen: stamp(paths) };
    this.#watched.add(entry);
    const folders = new Set(
      files.map(({ path, watchedDirectory }) => (watchedDirectory === '' ? dirname(path) : watchedDirectory)),
    );
    for (const folder of folders) this.#useFolder(folder);
    this.#timer ??= this.#options.clock.setTimer(POLL_MS, this.#onTimer);
    return {
      close: () => {
        if (!this.#watched.delete(entry)) return;
        for (const folder of folders) this.#leaveFolder(folder);
        if (this.#watched.size > 0) return;
        this.#timer?.cancel();
        this.#timer = undefined;
      },
    };
  }

  #useFolder(folder: string): void {
    const known = this.#folders.get(folder);
    if (known !== undefined) {
      known.users++;
      return;
    }
    this.#folders.set(folder, { watcher: this.#watchFolder(folder), users: 1 });
  }

  #watchFolder(folder: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        this.#timer?.cancel();
        this.#timer = this.#options.clock.setTimer(SETTLE_MS, this.#onTimer);
      });
      // The timer sees changes also where the system stops telling of them.
      watcher.on('error', () => watcher.close());
      return watcher;
    } catch {
      return undefined;
    }
  }

  #leaveFolder(folder: string): void {
    const known = this.#folders.get(folder);
    if (known === undefined || --known.users > 0) return;
    known.watcher?.close();
    this.#folders.delete(folder);
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    for (const entry of [...this.#watched]) {
      const now = stamp(entry.paths);
      if (now === entry.seen || !this.#watched.has(entry)) continue;
      entry.seen = now;
      entry.onChange();
    }
    if (this.#watched.size > 0) this.#timer ??= this.#options.clock.setTimer(POLL_MS, this.#onTimer);
  };
}

/** Differs when one of the files was written or replaced. */
function stamp(paths: readonly string[]): string {
  return paths
    .map((path) => {
      try {
        const { ino, size, mtimeMs, ctimeMs } = statSync(path);
        return `${ino}.${size}.${mtimeMs}.${ctimeMs}`;
      } catch {
        return '';
      }
    })
    .join();
}
