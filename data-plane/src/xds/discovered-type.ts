import type { Clock } from '@heddle/common';
import { ResourceSet } from './resource-set.js';
import type { ResourceType } from './resource-type.js';
import type { TypeState } from './type-session.js';

/** Who watches what of a type that is subscribed by names. */
export interface NameWatches {
  /** To be subscribed. */
  names(): readonly string[];
  /** Whether a resource of this name is of use. */
  has(name: string): boolean;
  close(): void;
}

/** One type as the client knows it across streams: what is held, who wants it, and how far it has come. */
export class DiscoveredType<T> implements TypeState {
  readonly type: ResourceType<T>;
  readonly resources: ResourceSet<T>;
  readonly #clock: Clock;
  /** undefined: the type is subscribed as a whole. */
  watches: NameWatches | undefined;
  /** Whether a type that is subscribed as a whole is wanted at this moment. */
  isWanted: () => boolean = () => true;
  /** What is asked for by name beside the whole. */
  demands: { names(): readonly string[] } | undefined;
  /** Whether a server has answered for it at all, accepted or not, or the last good configuration stood in. */
  answered = false;
  acceptedVersion = '';
  /** Of the last answer, accepted or not. */
  lastVersion = '';
  updatedAtMs = 0;

  constructor(type: ResourceType<T>, clock: Clock) {
    this.type = type;
    this.resources = new ResourceSet(type);
    this.#clock = clock;
  }

  get typeUrl(): string {
    return this.type.typeUrl;
  }

  get fullSet(): boolean {
    return this.type.fullSet;
  }

  names(): readonly string[] | undefined {
    if (this.watches !== undefined) return this.watches.names();
    return this.isWanted() ? undefined : [];
  }

  demandedNames(): readonly string[] {
    return this.demands?.names() ?? [];
  }

  versions(): Record<string, string> {
    return this.resources.versions();
  }

  holdsAll(names: readonly string[]): boolean {
    return names.every((name) => this.resources.get(name) !== undefined);
  }

  /** Notes an answer: its version counts as accepted only when nothing in it was refused. */
  note(version: string, accepted: boolean): void {
    this.answered = true;
    this.lastVersion = version;
    this.acceptedVersion = accepted ? version : '';
    this.updatedAtMs = this.#clock.nowMs();
  }

  /** Forgets what nobody watches any more. */
  prune(): void {
    const { watches } = this;
    if (watches === undefined) return;
    this.resources.forget(
      [...this.resources.held(), ...this.resources.refused()]
        .map((resource) => resource.name)
        .filter((name) => !watches.has(name)),
    );
  }
}
