import type { Counter, Gauge, StatsStore } from '../stats/stats-store.js';

export interface HandshakeQueueOptions {
  readonly stats: StatsStore;
  /** Handshakes at once. More make all of them slow, and what is established stall. Default 32. */
  readonly mostActive?: number;
  /** How many of them one address may have, so that none can keep the others out. Default half of them. */
  readonly mostActivePerAddress?: number;
  /** Connections that wait; further ones are closed. Default 4096. */
  readonly mostWaiting?: number;
}

/** A connection that wants to shake hands, from the moment it asks. */
export interface HandshakeTurn {
  /** The handshake is over, one way or another, or it is not wanted any more. Twice is once. */
  end(): void;
}

class Turn implements HandshakeTurn {
  readonly #queue: HandshakeQueue;
  readonly address: AddressTurns;
  readonly start: () => void;
  state: 'waiting' | 'active' | 'over' = 'waiting';

  constructor(queue: HandshakeQueue, address: AddressTurns, start: () => void) {
    this.#queue = queue;
    this.address = address;
    this.start = start;
  }

  end(): void {
    this.#queue.end(this);
  }
}

/** The turns of one address. */
interface AddressTurns {
  readonly name: string;
  active: number;
  readonly waiting: Set<Turn>;
}

/**
 * Paces handshakes: so many at once, and addresses take turns.
 *
 * Two thousand that start in one moment block the proxy for a third of a second, keep twice the memory, and are not done sooner.
 * Bounds: `mostActive` at once, `mostActivePerAddress` of one address, `mostWaiting` behind them.
 */
export class HandshakeQueue {
  readonly #mostActive: number;
  readonly #mostActivePerAddress: number;
  readonly #mostWaiting: number;
  readonly #addresses = new Map<string, AddressTurns>();
  /** Addresses that have somebody waiting and may start one more, in order of their turns. */
  readonly #next = new Set<AddressTurns>();
  readonly #activeGauge: Gauge;
  readonly #waitingGauge: Gauge;
  readonly #overflow: Counter;
  #active = 0;
  #waiting = 0;
  #isPlanned = false;

  constructor(options: HandshakeQueueOptions) {
    this.#mostActive = options.mostActive ?? 32;
    this.#mostActivePerAddress = options.mostActivePerAddress ?? Math.max(1, this.#mostActive >> 1);
    this.#mostWaiting = options.mostWaiting ?? 4096;
    this.#activeGauge = options.stats.gauge('tls.handshakes_active');
    this.#waitingGauge = options.stats.gauge('tls.handshakes_waiting');
    this.#overflow = options.stats.counter('tls.handshakes_overflow');
  }

  /** Calls `start` when it is this connection's turn, maybe inside this call; undefined when too many wait already. */
  ask(addressName: string, start: () => void): HandshakeTurn | undefined {
    let address = this.#addresses.get(addressName);
    if (address === undefined) {
      address = { name: addressName, active: 0, waiting: new Set() };
      this.#addresses.set(addressName, address);
    }
    const turn = new Turn(this, address, start);
    if (address.waiting.size === 0 && this.#next.size === 0 && this.#mayStart(address)) {
      this.#start(turn);
      return turn;
    }
    if (this.#waiting >= this.#mostWaiting) {
      this.#overflow.inc();
      this.#forgetIfUnused(address);
      return undefined;
    }
    address.waiting.add(turn);
    this.#waitingGauge.set(++this.#waiting);
    if (address.active < this.#mostActivePerAddress) this.#next.add(address);
    return turn;
  }

  end(turn: Turn): void {
    const { address } = turn;
    if (turn.state === 'waiting') {
      address.waiting.delete(turn);
      this.#waitingGauge.set(--this.#waiting);
      if (address.waiting.size === 0) this.#next.delete(address);
    } else if (turn.state === 'active') {
      address.active--;
      this.#activeGauge.set(--this.#active);
      if (address.waiting.size > 0) this.#next.add(address);
      this.#plan();
    }
    turn.state = 'over';
    this.#forgetIfUnused(address);
  }

  #mayStart(address: AddressTurns): boolean {
    return this.#active < this.#mostActive && address.active < this.#mostActivePerAddress;
  }

  #start(turn: Turn): void {
    turn.state = 'active';
    turn.address.active++;
    this.#activeGauge.set(++this.#active);
    turn.start();
  }

  /** The next ones start in the next turn of the event loop, so that those established are served in between. */
  #plan(): void {
    if (this.#isPlanned || this.#next.size === 0) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      this.#startNext();
    });
  }

  #startNext(): void {
    for (const address of this.#next) {
      if (this.#active >= this.#mostActive) return;
      // To the end of the line, unless it has nobody or too many then.
      this.#next.delete(address);
      const [turn] = address.waiting;
      if (turn === undefined) continue;
      address.waiting.delete(turn);
      this.#waitingGauge.set(--this.#waiting);
      if (address.waiting.size > 0 && address.active + 1 < this.#mostActivePerAddress)
        this.#next.add(address);
      this.#start(turn);
    }
  }

  #forgetIfUnused(address: AddressTurns): void {
    if (address.active === 0 && address.waiting.size === 0) this.#addresses.delete(address.name);
  }
}
