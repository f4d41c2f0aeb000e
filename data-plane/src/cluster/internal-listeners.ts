import { Socket } from 'node:net';
import type { DynamicMetadata, FilterState, FilterStateObject } from '@heddle/engine';
import { createSocketPair } from '../codec/socket-pair.js';

/** What a connection inside the process brings along from where it was made. */
export interface BroughtAlong {
  readonly metadata: ReadonlyMap<string, DynamicMetadata> | undefined;
  readonly filterState: FilterState | undefined;
}

/** What a connection that is made for the owner of a filter state knows of it. */
export function passedOn(filterState: FilterState | undefined): FilterState | undefined {
  if (filterState === undefined) return undefined;
  const passed = new Map<string, FilterStateObject>();
  for (const [key, { value, shared }] of filterState) {
    if (shared !== 'none') passed.set(key, { value, shared: shared === 'once' ? 'none' : shared });
  }
  return passed.size === 0 ? undefined : passed;
}

/** Takes the far end of a connection. */
export type AcceptInternal = (socket: Socket, brought: BroughtAlong) => void;

/** The listeners of this process that hosts may be reached by, without a socket of the network between. */
export class InternalListeners {
  readonly #accepting = new Map<string, AcceptInternal>();

  /** From now on connections for that name are given to `accept`, in the place of whoever took them before. */
  listen(name: string, accept: AcceptInternal): void {
    this.#accepting.set(name, accept);
  }

  /** Unless somebody else has taken the name meanwhile. */
  close(name: string, accept: AcceptInternal): void {
    if (this.#accepting.get(name) === accept) this.#accepting.delete(name);
  }

  /** The near end of a new connection, which emits `connect`; or it is destroyed because nobody listens. */
  connect(name: string, brought: BroughtAlong): Socket {
    const accept = this.#accepting.get(name);
    if (accept === undefined) {
      const nowhere = new Socket();
      setImmediate(() => nowhere.destroy(new Error(`there is no internal listener "${name}"`)));
      return nowhere;
    }
    const [near, far] = createSocketPair();
    setImmediate(() => {
      if (near.destroyed) return;
      accept(far, brought);
      // No filter chain is for it.
      if (far.destroyed) near.destroy(new Error(`the internal listener "${name}" does not take it`));
      else near.emit('connect');
    });
    return near;
  }
}
