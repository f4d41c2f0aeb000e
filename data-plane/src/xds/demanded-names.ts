import type { Clock } from '@heddle/common';
import type { ResourceSubscription } from '../config-source.js';

/** Names that are asked for at one time, and of which it is known for a moment that nothing has them. */
const MOST_ASKED = 1000;
const MOST_LENGTH = 1000;
const MISSING_MS = 1000;

/**
 * Names of resources that requests wait for, and of those that came because one did: these stay subscribed as long as they are held.
 *
 * A name stays asked for until it is answered, also when nobody waits any more: what comes late would not be followed else.
 * Bounds: 1,000 names are asked for at a time, where one that nobody waits for makes room; of what is held each resource keeps one
 * name. A name that nothing has is not asked for again within a second.
 */
export class DemandedNames {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #asked = new Map<string, Set<() => void>>();
  /** By resource: the name that it was asked for by. */
  readonly #kept = new Map<string, string>();
  readonly #keptNames = new Set<string>();
  /** Until when, by the monotonic clock. The oldest comes first. */
  readonly #missing = new Map<string, number>();

  /** `onChange`: other names are subscribed now. */
  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  names(): readonly string[] {
    return [...this.#asked.keys(), ...this.#keptNames];
  }

  /** Calls back later. undefined: nothing has that name, or too many are asked for already. */
  ask(name: string, onAnswer: () => void): ResourceSubscription | undefined {
    if (this.#keptNames.has(name)) return soon(onAnswer);
    if (name.length > MOST_LENGTH || (this.#missing.get(name) ?? 0) > this.#clock.monotonicMs())
      return undefined;
    let waiting = this.#asked.get(name);
    if (waiting === undefined) {
      if (this.#asked.size >= MOST_ASKED && !this.#makeRoom()) return undefined;
      waiting = new Set();
      this.#asked.set(name, waiting);
      this.#onChange();
    }
    const all = waiting;
    all.add(onAnswer);
    return { close: () => void all.delete(onAnswer) };
  }

  /** A resource came by one of these names. */
  found(resource: string, names: readonly string[]): void {
    const name = names.find((one) => this.#asked.has(one));
    if (name !== undefined && !this.#kept.has(resource)) {
      this.#kept.set(resource, name);
      this.#keptNames.add(name);
    }
    this.#answer(names);
  }

  /** There is no resource by these names, or none any more. */
  missing(names: readonly string[]): void {
    for (const name of names) {
      if (this.#asked.has(name)) this.#remember(name);
      this.#keptNames.delete(this.#kept.get(name) ?? '');
      this.#kept.delete(name);
    }
    this.#answer(names);
    this.#onChange();
  }

  /** Nobody uses resources of these names any more. */
  forget(isUnused: (name: string) => boolean): void {
    const resources = [...this.#kept.keys()].filter(isUnused);
    this.missing([...resources, ...[...this.#asked.keys()].filter(isUnused)]);
  }

  close(): void {
    this.#asked.clear();
    this.#kept.clear();
    this.#keptNames.clear();
    this.#missing.clear();
  }

  #makeRoom(): boolean {
    for (const [name, waiting] of this.#asked) {
      if (waiting.size === 0) return this.#asked.delete(name);
    }
    return false;
  }

  #remember(name: string): void {
    this.#missing.delete(name);
    this.#missing.set(name, this.#clock.monotonicMs() + MISSING_MS);
    for (const oldest of this.#missing.keys()) {
      if (this.#missing.size <= MOST_ASKED) return;
      this.#missing.delete(oldest);
    }
  }

  #answer(names: readonly string[]): void {
    for (const name of names) {
      const waiting = this.#asked.get(name);
      if (waiting === undefined) continue;
      this.#asked.delete(name);
      for (const onAnswer of waiting) onAnswer();
    }
  }
}

/** The answer to what is known already: as late as all others. */
function soon(onAnswer: () => void): ResourceSubscription {
  let isOpen = true;
  queueMicrotask(() => {
    if (isOpen) onAnswer();
  });
  return { close: () => void (isOpen = false) };
}
