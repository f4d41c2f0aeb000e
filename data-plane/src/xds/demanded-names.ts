import type { ResourceSubscription } from '../config-source.js';

/** Names that are asked for at one time. */
const MOST_ASKED = 1000;

/**
 * Names of resources that requests wait for, and of those that came because one did: these stay subscribed as long as they are held.
 *
 * Bounds: 1,000 names are asked for at a time; of what is held each resource keeps one name.
 */
export class DemandedNames {
  readonly #onChange: () => void;
  readonly #asked = new Map<string, Set<() => void>>();
  /** By resource: the name that it was asked for by. */
  readonly #kept = new Map<string, string>();
  readonly #keptNames = new Set<string>();

  /** `onChange`: other names are subscribed now. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  names(): readonly string[] {
    return [...this.#asked.keys(), ...this.#keptNames];
  }

  /** Calls back later. undefined: too many are asked for already. */
  ask(name: string, onAnswer: () => void): ResourceSubscription | undefined {
    if (this.#keptNames.has(name)) return soon(onAnswer);
    let waiting = this.#asked.get(name);
    if (waiting === undefined) {
      if (this.#asked.size >= MOST_ASKED) return undefined;
      waiting = new Set();
      this.#asked.set(name, waiting);
      this.#onChange();
    }
    const all = waiting;
    all.add(onAnswer);
    return {
      close: () => {
        if (!all.delete(onAnswer) || all.size > 0 || this.#asked.get(name) !== all) return;
        this.#asked.delete(name);
        this.#onChange();
      },
    };
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
