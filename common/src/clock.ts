import { BrokenInvariantError } from './errors.js';

/** A timer that has been set. Cancelling it twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * Time, passed in wherever it is needed, so that tests own it.
 *
 * Units: milliseconds, fractions allowed.
 */
export interface Clock {
  /** Wall-clock time since the Unix epoch. It may jump; use it for what people read. */
  nowMs(): number;
  /** Time since some fixed moment. It never runs backwards; use it for durations and deadlines. */
  monotonicMs(): number;
  /** Calls back once, after at least `delayMs`, unless cancelled. */
  setTimer(delayMs: number, callback: () => void): Timer;
}

/** Above this, `setTimeout` of Node fires at once. */
const LONGEST_NODE_DELAY_MS = 2 ** 31 - 1;

class NodeTimer implements Timer {
  #handle: NodeJS.Timeout | undefined;
  readonly #callback: () => void;

  constructor(delayMs: number, callback: () => void) {
    this.#callback = callback;
    this.#start(delayMs);
  }

  #start(delayMs: number): void {
    if (delayMs > LONGEST_NODE_DELAY_MS) {
      this.#handle = setTimeout(() => this.#start(delayMs - LONGEST_NODE_DELAY_MS), LONGEST_NODE_DELAY_MS);
    } else {
      this.#handle = setTimeout(this.#callback, delayMs);
    }
  }

  cancel(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }
}

/** The machine's own clock. */
export const systemClock: Clock = Object.freeze({
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs: number, callback: () => void): Timer => new NodeTimer(delayMs, callback),
});

interface FakeTimer extends Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** More timers than this in one `advance` means that the code under test sets timers without end. */
const MOST_TIMERS_PER_ADVANCE = 100_000;

/** A clock for tests: time stands still until `advance` moves it, and timers fire inside that call, in order. */
export class FakeClock implements Clock {
  #elapsedMs = 0;
  #wallOffsetMs: number;
  #nextOrder = 0;
  readonly #timers = new Set<FakeTimer>();

  constructor(startMs = 1_700_000_000_000) {
    this.#wallOffsetMs = startMs;
  }

  nowMs(): number {
    return this.#wallOffsetMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer: FakeTimer = {
      dueMs: this.#elapsedMs + Math.max(0, delayMs),
      order: this.#nextOrder++,
      callback,
      cancel: () => void this.#timers.delete(timer),
    };
    this.#timers.add(timer);
    return timer;
  }

  /** How many timers are set. Zero after a stop proves that nothing was left behind. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** When the next timer is due, in milliseconds from now, or undefined when none is set. */
  get nextTimerInMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.dueMs - this.#elapsedMs;
  }

  /** Moves both clocks on and fires every timer that falls due on the way, also those set meanwhile. */
  advance(byMs: number): void {
    if (!(byMs >= 0)) throw new RangeError('time moves forwards only; use jumpWall for a changed wall clock');
    const endMs = this.#elapsedMs + byMs;
    let fired = 0;
    for (let timer = this.#next(); timer !== undefined && timer.dueMs <= endMs; timer = this.#next()) {
      if (++fired > MOST_TIMERS_PER_ADVANCE) {
        throw new BrokenInvariantError('timers are being set faster than time passes');
      }
      this.#timers.delete(timer);
      this.#elapsedMs = timer.dueMs;
      timer.callback();
    }
    this.#elapsedMs = endMs;
  }

  /** Moves the wall clock alone, in either direction, as an administrator or NTP would. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  #next(): FakeTimer | undefined {
    let first: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (
        first === undefined ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order)
      ) {
        first = timer;
      }
    }
    return first;
  }
}
