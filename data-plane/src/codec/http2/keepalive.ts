import type { Http2Config } from '@heddle/engine';
import { createDeadline, type Deadlines } from '../http1/deadline-queue.js';

/** Intervals differ by these steps of the jitter, so that connections that were made together do not ping together. */
const JITTER_STEPS = 8;
let turn = 0;

/** What pings are sent on. */
export interface PingedConnection {
  sendKeepalivePing(): void;
  /** The peer did not answer in time. */
  onKeepaliveTimeout(): void;
}

/**
 * The pings by which one side of a connection finds out that the other is gone.
 *
 * Source: envoy.config.core.v3.KeepaliveSettings. Cost: nothing where none are configured.
 */
export class Keepalive {
  readonly #connection: PingedConnection;
  readonly #config: Http2Config;
  readonly #deadlines: Deadlines;
  readonly #intervalMs: number;
  readonly #next = createDeadline(() => this.#ping());
  readonly #answer = createDeadline(() => this.#connection.onKeepaliveTimeout());
  #heardAtMs: number;

  constructor(connection: PingedConnection, config: Http2Config, deadlines: Deadlines) {
    this.#connection = connection;
    this.#config = config;
    this.#deadlines = deadlines;
    turn = (turn + 1) % JITTER_STEPS;
    const jitter = (config.keepaliveJitterRatio * turn) / JITTER_STEPS;
    this.#intervalMs = Math.round(config.keepaliveIntervalMs * (1 + jitter));
    this.#heardAtMs = deadlines.clock.monotonicMs();
    this.#waitForNext();
  }

  /** The peer sent something. */
  onBytes(): void {
    if (this.#config.keepaliveIdleMs > 0) this.#heardAtMs = this.#deadlines.clock.monotonicMs();
  }

  /** We begin a stream: on a connection that was silent for long the peer may be gone. */
  onNewStream(): void {
    const { keepaliveIdleMs } = this.#config;
    if (keepaliveIdleMs === 0 || this.#answer.queue !== undefined) return;
    if (this.#deadlines.clock.monotonicMs() - this.#heardAtMs >= keepaliveIdleMs) this.#ping();
  }

  onAnswer(): void {
    this.#deadlines.clear(this.#answer);
    this.#waitForNext();
  }

  stop(): void {
    this.#deadlines.clear(this.#next);
    this.#deadlines.clear(this.#answer);
  }

  #ping(): void {
    this.#deadlines.clear(this.#next);
    this.#deadlines.set(this.#answer, this.#config.keepaliveTimeoutMs);
    this.#connection.sendKeepalivePing();
  }

  #waitForNext(): void {
    if (this.#intervalMs > 0) this.#deadlines.set(this.#next, this.#intervalMs);
  }
}
