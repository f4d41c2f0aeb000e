import type { EncodedResource } from '../snapshot/encoded-resource.js';

/**
 * Clusters that one client needs longer, or not yet, than the snapshot says: those that are gone but may still be named by routes
 * that it holds, and those that it was sent and that wait for their endpoints.
 */
export class HeldClusters {
  readonly #maxRetained: number;
  /** undefined: known by name only. */
  readonly #retained = new Map<string, EncodedResource | undefined>();
  readonly #warming = new Set<string>();

  /** Above `maxRetained` the oldest go. */
  constructor(maxRetained: number) {
    this.#maxRetained = maxRetained;
  }

  /** Keeps one that is gone. Returns the name of one that has to go for it. */
  retain(name: string, last: EncodedResource | undefined): string | undefined {
    this.#retained.set(name, last);
    if (this.#retained.size <= this.#maxRetained) return undefined;
    const [oldest] = this.#retained.keys();
    if (oldest !== undefined) this.#retained.delete(oldest);
    return oldest;
  }

  isRetained(name: string): boolean {
    return this.#retained.has(name);
  }

  letGo(name: string): void {
    this.#retained.delete(name);
  }

  get retainedNames(): readonly string[] {
    return [...this.#retained.keys()];
  }

  /** What full sets go on to hold of them. */
  get retainedResources(): readonly EncodedResource[] {
    return [...this.#retained.values()].filter((resource) => resource !== undefined);
  }

  /** It was sent, and waits for its endpoints. */
  warm(name: string): void {
    this.#warming.add(name);
  }

  /** It has its endpoints, or is gone. */
  warmed(name: string): void {
    this.#warming.delete(name);
  }

  isWarming(name: string): boolean {
    return this.#warming.has(name);
  }

  /** Whether any waits for endpoints that there are; those without any are forgotten. */
  areWarming(endpoints: ReadonlyMap<string, unknown>): boolean {
    for (const name of this.#warming) {
      if (endpoints.has(name)) return true;
      this.#warming.delete(name);
    }
    return false;
  }

  /** Nobody asks for it any more. */
  forget(name: string): void {
    this.#retained.delete(name);
    this.#warming.delete(name);
  }

  forgetUnless(isWanted: (name: string) => boolean): void {
    for (const name of [...this.#retained.keys(), ...this.#warming]) if (!isWanted(name)) this.forget(name);
  }
}
