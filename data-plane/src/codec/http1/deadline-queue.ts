import type { Clock, Timer } from '@heddle/common';

/** Something that can run out of time; embedded in whoever waits. It is in one queue at most. */
export interface Deadline {
  dueMs: number;
  previous: Deadline | undefined;
  next: Deadline | undefined;
  queue: DeadlineQueue | undefined;
  onDeadline(): void;
}

/** A deadline that is not set. */
export function createDeadline(onDeadline: () => void): Deadline {
  return { dueMs: 0, previous: undefined, next: undefined, queue: undefined, onDeadline };
}

/**
 * Deadlines that all lie the same time ahead, so that they fall due in the order in which they were set.
 *
 * Units: ms. Deadlines never fire early, and up to a sixteenth of the timeout late (at most a second; at most 16 ms where the
 * timeout is below a second): one timer serves all of them.
 * Cost: setting and clearing are a few assignments and one look at the clock. A deadline lies half of that grace further
 * ahead than asked, so that setting it anew within the grace need not move it.
 */
export class DeadlineQueue {
  readonly timeoutMs: number;
  readonly #clock: Clock;
  /** Half of what a deadline may be late: the one half for setting anew, the other for the timer. */
  readonly #graceMs: number;
  #first: Deadline | undefined;
  #last: Deadline | undefined;
  #timer: Timer | undefined;
  /** Whether deadlines are being told: the timer is set afterwards, for whichever is first then. */
  #isFiring = false;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.timeoutMs = timeoutMs;
    this.#graceMs = Math.min(timeoutMs < 1000 ? MOST_LATE_WHEN_SHORT_MS : 1000, timeoutMs / 16) / 2;
  }

  /** Sets the deadline, or sets it anew. */
  set(deadline: Deadline): void {
    const dueMs = this.#clock.monotonicMs() + this.timeoutMs;
    if (deadline.queue !== undefined) {
      if (deadline.queue === this && dueMs <= deadline.dueMs) return;
      deadline.queue.clear(deadline);
    }
    deadline.queue = this;
    deadline.dueMs = dueMs + this.#graceMs;
    deadline.previous = this.#last;
    if (this.#last === undefined) this.#first = deadline;
    else this.#last.next = deadline;
    this.#last = deadline;
    if (!this.#isFiring) {
      this.#timer ??= this.#clock.setTimer(this.timeoutMs + 2 * this.#graceMs, this.#onTimer);
    }
  }

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  clear(deadline: Deadline): void {
    if (deadline.queue !== this) return;
    if (deadline.previous === undefined) this.#first = deadline.next;
    else deadline.previous.next = deadline.next;
    if (deadline.next === undefined) this.#last = deadline.previous;
    else deadline.next.previous = deadline.previous;
    deadline.previous = undefined;
    deadline.next = undefined;
    deadline.queue = undefined;
  }

  /** Forgets everything. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#first !== undefined) this.clear(this.#first);
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    this.#isFiring = true;
    try {
      while (this.#first !== undefined && this.#first.dueMs <= nowMs) {
        const due = this.#first;
        this.clear(due);
        due.onDeadline();
      }
    } finally {
      this.#isFiring = false;
    }
    if (this.#first !== undefined) {
      this.#timer ??= this.#clock.setTimer(this.#first.dueMs - nowMs + this.#graceMs, this.#onTimer);
    }
  };
}

const MOST_LATE_WHEN_SHORT_MS = 16;

/** Requests may bring their own timeouts: beyond this many queues, those that are empty are let go. */
const MOST_QUEUES = 256;

/**
 * The queues of one thread, by their timeout.
 *
 * Bounds: one queue for each timeout in use, and `MOST_QUEUES` or as many again that are empty.
 */
export class Deadlines {
  readonly clock: Clock;
  readonly #queues = new Map<number, DeadlineQueue>();
  #sweepAt = MOST_QUEUES;
  #isStopped = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Sets `deadline` `timeoutMs` ahead; 0 means never. */
  set(deadline: Deadline, timeoutMs: number): void {
    if (timeoutMs <= 0) {
      deadline.queue?.clear(deadline);
      return;
    }
    let queue = deadline.queue;
    if (queue?.timeoutMs !== timeoutMs) {
      queue = this.#queues.get(timeoutMs);
      if (queue === undefined) {
        if (this.#isStopped) return;
        if (this.#queues.size >= this.#sweepAt) this.#sweep();
        queue = new DeadlineQueue(this.clock, timeoutMs);
        this.#queues.set(timeoutMs, queue);
      }
    }
    queue.set(deadline);
  }

  clear(deadline: Deadline): void {
    deadline.queue?.clear(deadline);
  }

  get queues(): number {
    return this.#queues.size;
  }

  #sweep(): void {
    for (const [timeoutMs, queue] of this.#queues) {
      if (!queue.isEmpty) continue;
      queue.stop();
      this.#queues.delete(timeoutMs);
    }
    this.#sweepAt = Math.max(MOST_QUEUES, 2 * this.#queues.size);
  }

  /** Cancels the timers of every queue. What is set afterwards never fires. */
  stop(): void {
    this.#isStopped = true;
    for (const queue of this.#queues.values()) queue.stop();
    this.#queues.clear();
  }
}
