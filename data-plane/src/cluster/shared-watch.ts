import type { SharedSlot } from '../shared/shared-cells.js';

/** Addresses of names, in the order of the names; undefined: a name was never resolved. */
export type NamedAddresses = readonly (readonly string[] | undefined)[];

/**
 * What the threads of a process find out about hosts once for all of them: one thread asks hosts for their health, looks for those
 * that stand out and resolves names; the others follow.
 *
 * Source: Envoy, whose main thread does that.
 */
export interface SharedWatch {
  /** This thread is the one. */
  readonly isWatcher: boolean;
  /** Memory of this name, the same for all threads. */
  slot(name: string): SharedSlot;
  /** The other threads are told that something is known anew of the hosts of this cluster. */
  tellHealth(cluster: string): void;
  /** Told of it by another thread. */
  onHealth: ((cluster: string) => void) | undefined;
  /** This thread resolves names for all, until it closes that. */
  shareNames(key: string): { tell(addresses: NamedAddresses): void; close(): void };
  /** Called with what these names resolve to whenever it is told of, and with what was told before. */
  followNames(key: string, onAddresses: (addresses: NamedAddresses) => void): { close(): void };
}
