import type { ChildProcess } from 'node:child_process';
import { bindSocket, type SocketHandle } from './bind-socket.js';

/**
 * What a child asks of whoever holds its sockets, over the channel that Node opens between the two.
 *
 * `ready` says that it serves everything; `listen` is answered with a `ListenAnswer` and, where it is ok, with the bound
 * socket; `unlisten` gives a socket up for good.
 */
export type ChildMessage =
  | { readonly heddle: 'ready' }
  | {
      readonly heddle: 'listen';
      readonly id: number;
      readonly host: string;
      readonly port: number;
      readonly ipv6Only: boolean;
    }
  | { readonly heddle: 'unlisten'; readonly host: string; readonly port: number };

/** `port` is the one that was bound, also where 0 was asked for. */
export type ListenAnswer = { readonly heddle: 'socket'; readonly id: number } & (
  { readonly ok: true; readonly port: number } | { readonly ok: false; readonly reason: string }
);

/** More than any configuration of listeners has; a child that asks for more is out of its mind. */
const MOST_SOCKETS = 4_096;

/**
 * Keeps listening sockets open for child processes that come and go.
 *
 * A connection that arrives while no child runs waits in the kernel's queue for the next one instead of being refused,
 * and two children that replace one another accept side by side. Nothing is accepted here.
 */
export class ListeningSockets {
  readonly #sockets = new Map<string, SocketHandle>();

  /** How many are held. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Answers what this child asks until it ends. `onReady` is called when it says that it is ready. */
  serve(child: ChildProcess, onReady: () => void = () => undefined): void {
    child.on('message', (message: unknown) => {
      const asked = message as ChildMessage;
      if (asked.heddle === 'ready') onReady();
      else if (asked.heddle === 'listen') this.#answer(child, asked);
      else if (asked.heddle === 'unlisten') this.#release(keyOf(asked.host, asked.port));
    });
  }

  /** Takes a socket over that listens already, opened by whoever could: in another network namespace, say. */
  adopt(host: string, port: number, handle: object): void {
    this.#sockets.set(keyOf(host, port), handle as SocketHandle);
  }

  close(): void {
    for (const key of [...this.#sockets.keys()]) this.#release(key);
  }

  #answer(child: ChildProcess, asked: Extract<ChildMessage, { heddle: 'listen' }>): void {
    if (!child.connected) return;
    const { id } = asked;
    const bound = this.#bind(asked);
    const answer: ListenAnswer =
      'reason' in bound
        ? { heddle: 'socket', id, ok: false, reason: bound.reason }
        : { heddle: 'socket', id, ok: true, port: bound.port };
    // A child that ended meanwhile asks again when it is started again.
    const ignore = (): void => undefined;
    child.send(answer, 'reason' in bound ? undefined : (bound.handle as never), {}, ignore);
  }

  #bind({
    host,
    port,
    ipv6Only,
  }: Extract<ChildMessage, { heddle: 'listen' }>):
    { readonly handle: SocketHandle; readonly port: number } | { readonly reason: string } {
    const held = port === 0 ? undefined : this.#sockets.get(keyOf(host, port));
    if (held !== undefined) return { handle: held, port };
    if (this.#sockets.size >= MOST_SOCKETS) return { reason: `${MOST_SOCKETS} sockets are held already` };
    const bound = bindSocket(host, port, ipv6Only);
    if (!('reason' in bound)) this.#sockets.set(keyOf(host, bound.port), bound.handle);
    return bound;
  }

  #release(key: string): void {
    this.#sockets.get(key)?.close();
    this.#sockets.delete(key);
  }
}

function keyOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
