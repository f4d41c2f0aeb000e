/** Who wants to know of changes. Every listener is told, also when another one throws. */
export class ChangeListeners<T> {
  readonly #listeners = new Set<(value: T) => void>();

  /** Calls back on every later change, until the function that is returned is called. */
  add(listener: (value: T) => void): () => void {
    // A function of its own for each call, so that adding one listener twice and removing it once leaves one.
    const entry = (value: T): void => listener(value);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  notify(value: T, onError: (error: unknown) => void): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(value);
      } catch (error) {
        onError(error);
      }
    }
  }
}
