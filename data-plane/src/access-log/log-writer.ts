import { close, open, write } from 'node:fs';

interface LogFile {
  /** Of a file that was opened; undefined: the next write opens it. */
  descriptor: number | undefined;
  /** Resolves when everything before has been written. */
  tail: Promise<void>;
}

/**
 * The one writer of the files that several threads log to: what each of them gathered is written whole, one after the other.
 *
 * Bounds: a thread has one write under way for a file, and keeps what comes meanwhile.
 * Errors: a promise rejects where its own write, or the opening before it, failed.
 */
export class LogWriter {
  readonly #files = new Map<string, LogFile>();

  /** Finds out whether it can be opened. */
  open(path: string): Promise<void> {
    return this.#then(path, () => Promise.resolve());
  }

  write(path: string, bytes: Uint8Array): Promise<void> {
    return this.#then(path, (descriptor) => writeAll(descriptor, bytes));
  }

  /** Lets go of the file, which something may have renamed: the next write opens it anew. */
  release(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    file.tail = file.tail.then(() => releaseFile(file));
  }

  /** Resolves when everything is written. */
  async close(): Promise<void> {
    for (const path of this.#files.keys()) this.release(path);
    await Promise.all([...this.#files.values()].map(({ tail }) => tail));
    this.#files.clear();
  }

  #then(path: string, work: (descriptor: number) => Promise<void>): Promise<void> {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = { descriptor: STANDARD.get(path), tail: Promise.resolve() };
      this.#files.set(path, file);
    }
    const own = file;
    const done = own.tail.then(async () => {
      own.descriptor ??= await openFile(path);
      await work(own.descriptor);
    });
    own.tail = done.catch(() => undefined);
    return done;
  }
}

/** This process's own, which stay open. */
const STANDARD: ReadonlyMap<string, number> = new Map([
  ['/dev/stdout', 1],
  ['/dev/stderr', 2],
]);

function releaseFile(file: LogFile): Promise<void> {
  const { descriptor } = file;
  if (descriptor === undefined || descriptor <= 2) return Promise.resolve();
  file.descriptor = undefined;
  return new Promise((resolve) => close(descriptor, () => resolve()));
}

function openFile(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, 'a', 0o644, (error, descriptor) => {
      if (error === null) resolve(descriptor);
      else reject(error);
    });
  });
}

function writeAll(descriptor: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, 0, bytes.length, null, (error, written) => {
      if (error !== null) reject(error);
      else if (written < bytes.length) resolve(writeAll(descriptor, bytes.subarray(written)));
      else resolve();
    });
  });
}
