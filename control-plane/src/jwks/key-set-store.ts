import { createHash } from 'node:crypto';
import { Backoff, type Clock, type Logger, type Random, type Timer } from '@heddle/common';
import type { KeySets, KeySetState } from '../model/key-sets.js';
import type { KeySetFiles } from './key-set-files.js';
import { OpenBreakerError } from './origin-breakers.js';

export interface KeySetStoreOptions {
  /** Gets the keys of a source; rejects with an Error in plain words. */
  readonly load: (source: string, timeoutMs: number) => Promise<string>;
  /** Where the last good ones are kept; undefined: only in memory. */
  readonly files: KeySetFiles | undefined;
  /** Some source has other keys, or fails for another reason. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Source: Istio: every 20 minutes. Drawn ±10 %, so that many are not fetched at once. */
const REFRESH_MS = 20 * 60_000;
const REFRESH_JITTER = 0.1;
/** Source: Istio's default for a rule without `timeout`. */
const DEFAULT_TIMEOUT_MS = 5_000;
const MAX_AT_ONCE = 8;
/** More sources are not fetched, and say so. */
export const MAX_SOURCES = 1_000;
/** What comes together is told together. */
const TELL_AFTER_MS = 20;

interface Source {
  readonly name: string;
  timeoutMs: number;
  readonly backoff: Backoff;
  jwks: string | undefined;
  problem: string | undefined;
  /** Whether it had keys when it came, or a fetch ended since, well or not. */
  settled: boolean;
  timer: Timer | undefined;
}

/**
 * The key sets that policies refer to: fetched out of band, again and again, the last good ones kept for as long as they are wanted.
 *
 * Bounds: 1,000 sources, eight fetches at once.
 */
export class KeySetStore implements KeySets {
  readonly #options: KeySetStoreOptions;
  readonly #sources = new Map<string, Source>();
  /** Wanted, but more than there may be. */
  readonly #refused = new Set<string>();
  readonly #waiting = new Set<Source>();
  #running = 0;
  #revision = '';
  #tellTimer: Timer | undefined = undefined;
  #onSettled: (() => void)[] = [];
  #closed = false;
  /** Since the start, for metrics. */
  fetches = 0;
  failures = 0;

  constructor(options: KeySetStoreOptions) {
    this.#options = options;
  }

  get revision(): string {
    return this.#revision;
  }

  get size(): number {
    return this.#sources.size;
  }

  /** How many sources never had keys: every token of their issuers is refused. */
  get missing(): number {
    return count(this.#sources.values(), ({ jwks }) => jwks === undefined) + this.#refused.size;
  }

  /** How many could not be fetched the last time. */
  get failing(): number {
    return count(this.#sources.values(), ({ problem }) => problem !== undefined);
  }

  get(source: string): KeySetState | undefined {
    return this.#sources.get(source) ?? (this.#refused.has(source) ? TOO_MANY : undefined);
  }

  /** What policies refer to now, each with its own time limit. New ones are fetched at once; the others are forgotten. */
  want(sources: ReadonlyMap<string, number | undefined>): void {
    for (const [name, source] of this.#sources) {
      if (sources.has(name)) continue;
      source.timer?.cancel();
      this.#waiting.delete(source);
      this.#sources.delete(name);
      this.#options.files?.remove(name);
    }
    this.#refused.clear();
    for (const [name, timeoutMs = DEFAULT_TIMEOUT_MS] of sources) {
      const known = this.#sources.get(name);
      if (known !== undefined) known.timeoutMs = timeoutMs;
      else if (this.#sources.size >= MAX_SOURCES) this.#refused.add(name);
      else this.#add(name, timeoutMs);
    }
    this.#revise();
    this.#checkSettled();
  }

  /** Resolves when each source has keys or a reason why it has none, or after `maxMs`. */
  async settled(maxMs: number): Promise<void> {
    if (this.#isSettled()) return;
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(maxMs, resolve);
      this.#onSettled.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  close(): void {
    this.#closed = true;
    this.#tellTimer?.cancel();
    for (const source of this.#sources.values()) source.timer?.cancel();
    this.#waiting.clear();
    for (const settled of this.#onSettled.splice(0)) settled();
  }

  #add(name: string, timeoutMs: number): void {
    const { random, files } = this.#options;
    const jwks = files?.load(name);
    const source: Source = {
      name,
      timeoutMs,
      backoff: new Backoff({ minMs: 1_000, baseMs: 4_000, maxMs: 60_000, random }),
      jwks,
      problem: undefined,
      settled: jwks !== undefined,
      timer: undefined,
    };
    this.#sources.set(name, source);
    this.#enqueue(source);
  }

  #enqueue(source: Source): void {
    source.timer = undefined;
    this.#waiting.add(source);
    this.#startWaiting();
  }

  #startWaiting(): void {
    for (const source of this.#waiting) {
      if (this.#running >= MAX_AT_ONCE) return;
      this.#waiting.delete(source);
      this.#running++;
      void this.#fetch(source);
    }
  }

  async #fetch(source: Source): Promise<void> {
    const { load, clock, random } = this.#options;
    this.fetches++;
    let delayMs: number;
    try {
      const jwks = await load(source.name, source.timeoutMs);
      source.backoff.reset();
      this.#onKeys(source, jwks);
      delayMs = REFRESH_MS * (1 + REFRESH_JITTER * (2 * random() - 1));
    } catch (cause) {
      this.failures++;
      this.#onFailure(source, cause);
      delayMs = source.backoff.nextDelayMs();
    }
    this.#running--;
    source.settled = true;
    if (this.#closed) return;
    // It may have been forgotten meanwhile, or forgotten and wanted again.
    if (this.#sources.get(source.name) === source) {
      source.timer = clock.setTimer(delayMs, () => this.#enqueue(source));
    }
    this.#startWaiting();
    this.#checkSettled();
  }

  #onKeys(source: Source, jwks: string): void {
    const { log, files } = this.#options;
    if (source.problem !== undefined) log.info('keys are fetched again', { source: source.name });
    const isNew = source.jwks !== jwks;
    if (!isNew && source.problem === undefined) return;
    source.jwks = jwks;
    source.problem = undefined;
    if (isNew && this.#sources.get(source.name) === source) files?.save(source.name, jwks);
    this.#tell();
  }

  #onFailure(source: Source, cause: unknown): void {
    // Why nobody is asked any more, the failures before it have said.
    if (cause instanceof OpenBreakerError && source.problem !== undefined) return;
    const problem = cause instanceof Error ? cause.message : String(cause);
    if (source.problem === problem) return;
    source.problem = problem;
    this.#options.log.warn('keys cannot be fetched', {
      source: source.name,
      problem,
      lastGoodKept: source.jwks !== undefined,
    });
    this.#tell();
  }

  #tell(): void {
    if (this.#closed || this.#tellTimer !== undefined) return;
    this.#tellTimer = this.#options.clock.setTimer(TELL_AFTER_MS, () => {
      this.#tellTimer = undefined;
      this.#revise();
      this.#options.onChange();
    });
  }

  #revise(): void {
    const hash = createHash('sha256');
    for (const name of [...this.#sources.keys()].sort()) {
      hash.update(JSON.stringify([name, this.#sources.get(name)?.jwks]));
    }
    this.#revision = hash.digest('base64url');
  }

  #isSettled(): boolean {
    return count(this.#sources.values(), ({ settled }) => !settled) === 0;
  }

  #checkSettled(): void {
    if (this.#onSettled.length === 0 || !this.#isSettled()) return;
    for (const settled of this.#onSettled.splice(0)) settled();
  }
}

const TOO_MANY: KeySetState = Object.freeze({
  jwks: undefined,
  problem: `policies refer to more than ${MAX_SOURCES} key sets`,
});

function count<T>(items: Iterable<T>, holds: (item: T) => boolean): number {
  let found = 0;
  for (const item of items) if (holds(item)) found++;
  return found;
}
