import type { Counter } from '../../stats/stats-store.js';
import { DEFAULT_WINDOW } from './frame.js';

/** What the window is widened by. */
export interface WindowOwner {
  sendWindowUpdate(streamId: number, bytes: number): void;
}

/**
 * What the peer may send of all streams of a connection together.
 *
 * Data is credited as it comes: one slow reader must not stop the others. Only many of them do, by all that they leave lying.
 * Source: RFC 9113 section 5.2.
 */
export class ReceiveWindow {
  readonly #owner: WindowOwner;
  readonly #windowBytes: number;
  readonly #mostHeldBytes: number;
  readonly #stalls: Counter;
  #left: number;
  #uncredited = 0;
  /** Of what was received, what streams hold that nobody reads. */
  #heldBytes = 0;
  #isStalled = false;

  /** `mostHeldBytes`: what streams may hold for slow readers, where the window is not larger; `stalls` counts when that is reached. */
  constructor(owner: WindowOwner, windowBytes: number, mostHeldBytes: number, stalls: Counter) {
    this.#owner = owner;
    this.#windowBytes = windowBytes;
    this.#mostHeldBytes = Math.max(windowBytes, mostHeldBytes);
    this.#stalls = stalls;
    this.#left = Math.max(DEFAULT_WINDOW, windowBytes);
  }

  /** By what it is wider than what every connection begins with. */
  get more(): number {
    return this.#left - DEFAULT_WINDOW;
  }

  /** A DATA frame comes. False: the peer sends more than it may. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    if (this.#left < 0) return false;
    this.#uncredited += bytes;
    this.#credit();
    return true;
  }

  /** Streams hold so many bytes more, or less, for readers that do not take them. */
  changeHeld(bytes: number): void {
    this.#heldBytes += bytes;
    if (bytes < 0) this.#credit();
  }

  #credit(): void {
    if (this.#uncredited * 2 < this.#windowBytes) return;
    const isStalled = this.#heldBytes > this.#mostHeldBytes;
    if (isStalled && !this.#isStalled) this.#stalls.inc();
    this.#isStalled = isStalled;
    if (isStalled) return;
    this.#left += this.#uncredited;
    this.#owner.sendWindowUpdate(0, this.#uncredited);
    this.#uncredited = 0;
  }
}
