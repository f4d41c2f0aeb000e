import { bindSocket, bindUnixSocket, type SocketHandle } from './bind-socket.js';
import type { HeldSockets } from './held-sockets.js';
import { socketCalls } from './socket-calls.js';

/** A descriptor of the socket that is the asker's own, or why there is none. */
export type SharedSocket =
  | { readonly ok: true; readonly descriptor: number; readonly port: number }
  | { readonly ok: false; readonly reason: string };

type Opened = { readonly handle: SocketHandle; readonly port: number } | { readonly reason: string };

interface Entry {
  readonly host: string;
  readonly opened: Promise<Opened>;
  port: number;
  /** Workers that listen on it. */
  readonly users: Set<number>;
}

/**
 * Listening sockets on which several threads of one process accept. Each thread is given a descriptor of its own of the one socket:
 * what a thread closes is its own, and who waits to be accepted waits in one queue.
 *
 * Shape: asked for by whoever listens (`owner`) and address, so that two listeners on port 0 get two sockets and two threads one.
 */
export class SharedSockets {
  readonly #held: Pick<HeldSockets, 'listen' | 'unlisten'> | undefined;
  readonly #entries = new Map<string, Entry>();

  /** `held`: the supervisor that holds our sockets, if there is one. */
  constructor(held?: Pick<HeldSockets, 'listen' | 'unlisten'>) {
    this.#held = held;
  }

  listen(user: number, owner: string, host: string, port: number, ipv6Only: boolean): Promise<SharedSocket> {
    return this.#give(user, `${owner} ${host} ${port}`, host, () => this.#open(host, port, ipv6Only));
  }

  /** The same for a Unix socket. `prepare` is called before it is bound. */
  listenAt(
    user: number,
    owner: string,
    path: string,
    prepare: (path: string) => void,
  ): Promise<SharedSocket> {
    return this.#give(user, `${owner} ${path}`, path, () => {
      prepare(path);
      const bound = bindUnixSocket(path);
      return Promise.resolve('reason' in bound ? bound : { ...bound, port: 0 });
    });
  }

  /** The thread does not serve the address any more; once none does, whoever comes is refused. */
  unlisten(user: number, host: string, port: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.host !== host || entry.port !== port || !entry.users.delete(user)) continue;
      if (entry.users.size > 0) continue;
      this.#entries.delete(key);
      void close(entry);
      this.#held?.unlisten(host, port);
    }
  }

  /** Closes all; what the threads have goes on. */
  close(): void {
    for (const entry of this.#entries.values()) void close(entry);
    this.#entries.clear();
  }

  async #give(user: number, key: string, host: string, open: () => Promise<Opened>): Promise<SharedSocket> {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { host, opened: open(), port: -1, users: new Set() };
      this.#entries.set(key, entry);
    }
    entry.users.add(user);
    const opened = await entry.opened;
    if ('reason' in opened) {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
      return { ok: false, reason: opened.reason };
    }
    entry.port = opened.port;
    const calls = socketCalls();
    if ('reason' in calls) return { ok: false, reason: `several workers cannot share it: ${calls.reason}` };
    const descriptor = calls.duplicate(opened.handle.fd ?? -1);
    if (descriptor < 0) return { ok: false, reason: 'its descriptor cannot be duplicated' };
    return { ok: true, descriptor, port: opened.port };
  }

  async #open(host: string, port: number, ipv6Only: boolean): Promise<Opened> {
    if (this.#held === undefined) return bindSocket(host, port, ipv6Only);
    const held = await this.#held.listen(host, port, ipv6Only);
    return held.ok ? { handle: held.handle as SocketHandle, port: held.port } : held;
  }
}

async function close({ opened }: Entry): Promise<void> {
  const found = await opened;
  if ('handle' in found) found.handle.close();
}
