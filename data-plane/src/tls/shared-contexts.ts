/**
 * Contexts by what they are made of, so that chains and clusters of the same certificates share one: a context costs memory and time,
 * and the sessions of one are good for all of its users.
 */
export class SharedContexts<T> {
  readonly #entries = new Map<string, { readonly context: T; users: number }>();

  /** Those in use. */
  all(): readonly T[] {
    return [...this.#entries.values()].map(({ context }) => context);
  }

  /** The context of this key, made when it is the first. It is to be released as often as it was taken. */
  take(key: string, create: () => T): T {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { context: create(), users: 0 };
      this.#entries.set(key, entry);
    }
    entry.users++;
    return entry.context;
  }

  release(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && --entry.users === 0) this.#entries.delete(key);
  }
}
