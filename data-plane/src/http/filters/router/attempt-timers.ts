import type { Deadlines } from '../../../codec/http1/deadline-queue.js';
import { StreamTimeout, type TimeoutOwner } from '../../stream-timeout.js';

/** What an attempt's timer says when it fires. */
export const AttemptTimeout = Object.freeze({ PerTry: 1, PerTryIdle: 2, MaxDuration: 3 } as const);

/**
 * The timers of the attempt under way; they begin when the request is whole and has a connection. Not there for requests whose
 * attempts have no bound of their own.
 *
 * Units: ms; 0: without that bound.
 */
export class AttemptTimers {
  readonly #deadlines: Deadlines;
  readonly #perTryMs: number;
  readonly #perTryIdleMs: number;
  readonly #maxDurationMs: number;
  readonly #perTry: StreamTimeout;
  readonly #perTryIdle: StreamTimeout;
  readonly #maxDuration: StreamTimeout;
  #running = false;

  constructor(
    owner: TimeoutOwner,
    deadlines: Deadlines,
    perTryMs: number,
    perTryIdleMs: number,
    maxDurationMs: number,
  ) {
    this.#deadlines = deadlines;
    this.#perTryMs = perTryMs;
    this.#perTryIdleMs = perTryIdleMs;
    this.#maxDurationMs = maxDurationMs;
    this.#perTry = new StreamTimeout(owner, AttemptTimeout.PerTry);
    this.#perTryIdle = new StreamTimeout(owner, AttemptTimeout.PerTryIdle);
    this.#maxDuration = new StreamTimeout(owner, AttemptTimeout.MaxDuration);
  }

  start(responseStarted: boolean): void {
    this.#running = true;
    if (!responseStarted) this.#deadlines.set(this.#perTry, this.#perTryMs);
    this.#deadlines.set(this.#perTryIdle, this.#perTryIdleMs);
    this.#deadlines.set(this.#maxDuration, this.#maxDurationMs);
  }

  /** Something was sent or received. */
  touch(): void {
    if (this.#running) this.#deadlines.set(this.#perTryIdle, this.#perTryIdleMs);
  }

  /** The response goes to the client: this attempt is the last. */
  onResponse(): void {
    this.#deadlines.clear(this.#perTry);
    this.touch();
  }

  stop(): void {
    this.#running = false;
    this.#deadlines.clear(this.#perTry);
    this.#deadlines.clear(this.#perTryIdle);
    this.#deadlines.clear(this.#maxDuration);
  }
}
