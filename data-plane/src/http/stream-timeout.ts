import type { Deadline } from '../codec/http1/deadline-queue.js';

/** Told when a time-out of its own has passed; `kind` tells them apart. */
export interface TimeoutOwner {
  onTimeout(kind: number): void;
}

/** A deadline that knows its owner, so that a request needs no closure for it. */
export class StreamTimeout implements Deadline {
  dueMs = 0;
  previous: Deadline | undefined = undefined;
  next: Deadline | undefined = undefined;
  queue: Deadline['queue'] = undefined;
  readonly #owner: TimeoutOwner;
  readonly #kind: number;

  constructor(owner: TimeoutOwner, kind: number) {
    this.#owner = owner;
    this.#kind = kind;
  }

  onDeadline(): void {
    this.#owner.onTimeout(this.#kind);
  }
}
