import { close, open, write } from 'node:fs';
import type { Clock, Logger, Timer } from '@heddle/common';
import type { LineBytes } from '@heddle/engine';
import type { Counter, StatsStore } from '../stats/stats-store.js';

export interface AccessLogFilesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly stats: StatsStore;
  /** Lines are written once there is this much. Default 64 KiB. */
  readonly flushBytes?: number;
  /** Lines are written after this at the latest. Default 1 s. */
  readonly flushIntervalMs?: number;
  /** Lines are dropped, and counted, while more than this waits to be written. Default 4 MiB. */
  readonly maxBufferedBytes?: number;
  /** Who opens and writes files. Default: the system. */
  readonly system?: LogFileSystem;
}

/** What is done with files, as `node:fs` has it. */
export interface LogFileSystem {
  open(path: string, callback: (error: Error | null, descriptor: number) => void): void;
  write(descriptor: number, bytes: Buffer, callback: (error: Error | null, written: number) => void): void;
  close(descriptor: number): void;
}

const NODE_FILES: LogFileSystem = {
  open: (path, callback) => open(path, 'a', 0o644, callback),
  write: (descriptor, bytes, callback) => write(descriptor, bytes, 0, bytes.length, null, callback),
  close: (descriptor) => close(descriptor, () => undefined),
};

/** Where lines go. */
export interface LineWriter {
  /** Takes the bytes of a line, which may be used for another one afterwards. */
  write(line: LineBytes): void;
}

/**
 * The files of all access logs: one writer for each path, shared by every log that names it.
 *
 * Bounds: `maxBufferedBytes` a file; what comes above it is dropped and counted in `access_log_file.write_dropped`.
 */
export class AccessLogFiles {
  readonly #options: AccessLogFilesOptions;
  readonly #files = new Map<string, AccessLogFile>();

  constructor(options: AccessLogFilesOptions) {
    this.#options = options;
  }

  /** The writer of a path; opens the file when it is first asked for. `/dev/stdout` and `/dev/stderr` are this process's own. */
  file(path: string): LineWriter {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = new AccessLogFile(path, this.#options);
      this.#files.set(path, file);
    }
    return file;
  }

  /** Opens every file anew, after something renamed them. */
  reopen(): void {
    for (const file of this.#files.values()) file.reopen();
  }

  /** Writes everything that waits. */
  async flush(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.drain()));
  }

  /** Writes everything that waits and closes the files. */
  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.close()));
    this.#files.clear();
  }
}

/** What may be flushed is usually one line more than is asked for. */
const ROOM_FOR_LAST_LINE_BYTES = 8 * 1024;

class AccessLogFile implements LineWriter {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #flushBytes: number;
  readonly #flushIntervalMs: number;
  readonly #maxBufferedBytes: number;
  readonly #system: LogFileSystem;
  readonly #dropped: Counter;
  readonly #written: Counter;
  readonly #failed: Counter;
  /** Undefined while the file is being opened, or when it cannot be. */
  #descriptor: number | undefined = undefined;
  /** Where lines are gathered; made with the first line. */
  #buffer: Buffer | undefined = undefined;
  #filled = 0;
  /** A buffer that was written, for the next lines. */
  #spare: Buffer | undefined = undefined;
  /** Full buffers that wait for the write under way, oldest first. */
  #full: Buffer[] = [];
  #fullBytes = 0;
  /** Bytes handed to the kernel and not yet written. */
  #writing = 0;
  #timer: Timer | undefined = undefined;
  #opening = false;
  #wantsReopen = false;
  #closed = false;
  #waiting: (() => void)[] = [];

  constructor(path: string, options: AccessLogFilesOptions) {
    this.#path = path;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#flushBytes = options.flushBytes ?? 64 * 1024;
    this.#flushIntervalMs = options.flushIntervalMs ?? 1000;
    this.#maxBufferedBytes = options.maxBufferedBytes ?? 4 * 1024 * 1024;
    this.#system = options.system ?? NODE_FILES;
    this.#dropped = options.stats.counter('access_log_file.write_dropped');
    this.#written = options.stats.counter('access_log_file.write_completed');
    this.#failed = options.stats.counter('access_log_file.write_failed');
    this.#open();
  }

  write(line: LineBytes): void {
    if (this.#closed || this.#waitingBytes + this.#writing > this.#maxBufferedBytes) {
      this.#dropped.inc();
      return;
    }
    this.#gather(line);
    if (this.#waitingBytes >= this.#flushBytes) this.#flush();
    else this.#timer ??= this.#clock.setTimer(this.#flushIntervalMs, this.#onTimer);
  }

  reopen(): void {
    if (standardDescriptor(this.#path) !== undefined) return;
    this.#wantsReopen = true;
    this.#flush();
    this.#reopenWhenIdle();
  }

  /** Resolves once everything that was written until now is with the kernel, or was given up. */
  drain(): Promise<void> {
    this.#flush();
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    await this.drain();
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#release();
  }

  get #isIdle(): boolean {
    return (
      this.#writing === 0 && !this.#opening && (this.#waitingBytes === 0 || this.#descriptor === undefined)
    );
  }

  /** Bytes that were logged and not handed to the kernel. */
  get #waitingBytes(): number {
    return this.#filled + this.#fullBytes;
  }

  #gather({ bytes, length }: LineBytes): void {
    if (this.#buffer !== undefined && this.#filled + length > this.#buffer.length) this.#setAside();
    if (length > this.#bufferBytes) {
      const own = Buffer.from(bytes.subarray(0, length));
      this.#full.push(own);
      this.#fullBytes += length;
      return;
    }
    if (this.#buffer === undefined) {
      this.#buffer = this.#spare ?? Buffer.allocUnsafeSlow(this.#bufferBytes);
      this.#spare = undefined;
    }
    bytes.copy(this.#buffer, this.#filled, 0, length);
    this.#filled += length;
  }

  #setAside(): void {
    if (this.#buffer === undefined || this.#filled === 0) return;
    this.#full.push(this.#buffer.subarray(0, this.#filled));
    this.#fullBytes += this.#filled;
    this.#buffer = undefined;
    this.#filled = 0;
  }

  get #bufferBytes(): number {
    return this.#flushBytes + ROOM_FOR_LAST_LINE_BYTES;
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#flush();
  };

  /** One write at a time, so that lines stay in order; what comes meanwhile waits. */
  #flush(): void {
    if (this.#writing > 0 || this.#descriptor === undefined) return;
    if (this.#full.length === 0) this.#setAside();
    const bytes = this.#takeFull();
    if (bytes !== undefined) this.#writeAll(this.#descriptor, bytes);
  }

  /** All of it: a write ends once in a turn of the event loop, in which many buffers fill where very many clients are served. */
  #takeFull(): Buffer | undefined {
    const full = this.#full;
    this.#full = [];
    this.#fullBytes = 0;
    return full.length < 2 ? full[0] : Buffer.concat(full);
  }

  #writeAll(descriptor: number, bytes: Buffer): void {
    this.#writing = bytes.length;
    this.#system.write(descriptor, bytes, (error, written) => {
      if (error === null && written < bytes.length) {
        this.#writeAll(descriptor, bytes.subarray(written));
        return;
      }
      this.#writing = 0;
      this.#keepSpare(bytes);
      if (error === null) this.#written.inc();
      else {
        this.#failed.inc();
        this.#log.warn('access log cannot be written', { path: this.#path, error: error.message });
      }
      this.#reopenWhenIdle();
      const mustGoOn = this.#full.length > 0 || this.#waiting.length > 0;
      if (mustGoOn || this.#waitingBytes >= this.#flushBytes) this.#flush();
      else if (this.#waitingBytes > 0) {
        this.#timer ??= this.#clock.setTimer(this.#flushIntervalMs, this.#onTimer);
      }
      this.#settle();
    });
  }

  /** Memory of the size that is gathered into is used again. */
  #keepSpare(written: Buffer): void {
    const { buffer } = written;
    if (buffer.byteLength === this.#bufferBytes) this.#spare = Buffer.from(buffer);
  }

  #open(): void {
    const standard = standardDescriptor(this.#path);
    if (standard !== undefined) {
      this.#descriptor = standard;
      return;
    }
    this.#opening = true;
    this.#system.open(this.#path, (error, descriptor) => {
      this.#opening = false;
      if (error !== null) {
        this.#failed.inc();
        this.#log.error('access log cannot be opened', { path: this.#path, error: error.message });
      } else if (this.#closed) this.#system.close(descriptor);
      else {
        this.#descriptor = descriptor;
        if (this.#waitingBytes >= this.#flushBytes || this.#waiting.length > 0) this.#flush();
      }
      this.#settle();
    });
  }

  #reopenWhenIdle(): void {
    if (!this.#wantsReopen || this.#writing > 0 || this.#opening || this.#closed) return;
    this.#wantsReopen = false;
    this.#release();
    this.#open();
  }

  #release(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined && standardDescriptor(this.#path) === undefined) {
      this.#system.close(descriptor);
    }
  }

  #settle(): void {
    if (!this.#isIdle) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function standardDescriptor(path: string): number | undefined {
  if (path === '/dev/stdout') return 1;
  return path === '/dev/stderr' ? 2 : undefined;
}
