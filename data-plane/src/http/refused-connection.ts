import type { Socket } from 'node:net';
import type { Clock, Timer } from '@heddle/common';
import type { ResponseFlag } from '@heddle/engine';
import { StreamState, type ConnectionInfo } from './stream-state.js';

/** Why a connection is not served. */
export interface ConnectionRefusal {
  /** In Envoy's words, for access logs. */
  readonly details: string;
  /** In plain English. */
  readonly reason: string;
  readonly flag?: ResponseFlag;
  /** How long it is left open, so that its client does not come back at once. 0: not at all. */
  readonly delayMs: number;
}

/**
 * A connection that a filter refused: nothing is read of it, and it is closed at once or after the delay.
 *
 * Implements `NetworkConnection` of the network folder. `onEnd` is told once, when it is over.
 */
export class RefusedConnection extends StreamState {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #onEnd: ((connection: RefusedConnection) => void) | undefined;
  #delay: Timer | undefined = undefined;
  #ended = false;

  constructor(
    socket: Socket,
    info: ConnectionInfo,
    refusal: ConnectionRefusal,
    clock: Clock,
    onEnd?: (connection: RefusedConnection) => void,
  ) {
    super(info, clock.nowMs(), clock.monotonicMs());
    this.#socket = socket;
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.dynamicMetadata = info.dynamicMetadata;
    this.connectionTerminationDetails = refusal.details;
    this.reason = refusal.reason;
    if (refusal.flag !== undefined) this.addFlag(refusal.flag);
    socket.pause();
    socket.on('error', ignore);
    socket.once('close', () => this.close());
    if (refusal.delayMs === 0) this.close();
    else this.#delay = clock.setTimer(refusal.delayMs, () => this.close());
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  drain(): void {
    this.close();
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#delay?.cancel();
    this.endedAtMs = this.monotonicMs();
    this.#socket.destroy();
    this.#onEnd?.(this);
  }
}

function ignore(): void {
  // 'close' follows every error.
}
