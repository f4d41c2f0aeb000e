import type { Socket } from 'node:net';
import type { Clock, Timer } from '@heddle/common';
import type { ConnectionInfo } from '../http/stream-state.js';
import type { HeldConnection } from '../network/network-connection.js';
import type { ActiveFilterChain } from './active-filter-chain.js';
import type { FirstSpeakers } from './first-speakers.js';
import type { Inspection } from './inspect-socket.js';

/**
 * A client that has something to say says it at once: TLS and HTTP are known by then, and nobody is connected to in vain. One that has
 * been silent for so long may be waiting for its server.
 */
const SILENCE_MS = 50;

/**
 * Connects upstream while a client is silent of which it is not known yet what it speaks, to where it would go if it stayed so. Where
 * the server speaks first, that is what is spoken: nobody waits any longer, and for the next connection of this client to that place
 * the upstream is connected to at once.
 */
export class DialAhead {
  readonly #speakers: FirstSpeakers;
  readonly #clock: Clock;
  #pair = '';
  #timer: Timer | undefined = undefined;
  #chain: ActiveFilterChain | undefined = undefined;
  #held: HeldConnection | undefined = undefined;

  constructor(speakers: FirstSpeakers, clock: Clock) {
    this.#speakers = speakers;
    this.#clock = clock;
  }

  /** `chain` is for connections of which nothing is known. `onServerFirst` is called once, if at all. */
  start(
    socket: Socket,
    info: ConnectionInfo,
    chain: ActiveFilterChain | undefined,
    onServerFirst: () => void,
  ): void {
    if (chain === undefined) return;
    const pair = `${info.remoteIp} ${info.localAddress}`;
    this.#pair = pair;
    const dial = (): void => {
      this.#timer = undefined;
      this.#chain = chain;
      this.#held = chain.hold(socket, info, () => {
        this.#speakers.onServerFirst(pair);
        onServerFirst();
      });
    };
    if (this.#speakers.isServerFirst(pair)) dial();
    else this.#timer = this.#clock.setTimer(SILENCE_MS, dial);
  }

  /** The wait is over. */
  onInspected(inspection: Inspection | undefined): void {
    this.#timer?.cancel();
    if (inspection?.early !== undefined && this.#pair !== '') this.#speakers.onClientFirst(this.#pair);
  }

  /** The connection that was made ahead, where it is for this chain; else it is given up. */
  claim(chain: ActiveFilterChain | undefined): HeldConnection | undefined {
    const held = this.#held;
    if (held === undefined || chain !== this.#chain) {
      this.abandon();
      return undefined;
    }
    this.#held = undefined;
    return held;
  }

  abandon(): void {
    this.#held?.abandon();
    this.#held = undefined;
  }
}
