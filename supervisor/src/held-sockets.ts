import type { ChildMessage, ListenAnswer } from './listening-sockets.js';

/** A socket that the supervisor bound, to be given to `server.listen`, or why there is none. */
export type HeldSocket =
  | { readonly ok: true; readonly handle: object; readonly port: number }
  | { readonly ok: false; readonly reason: string };

/**
 * The child's side: asks the supervisor for listening sockets, and tells it when everything is served.
 *
 * Exists only where a supervisor said so by the environment variable `HEDDLE_SUPERVISED`.
 */
export class HeldSockets {
  readonly #channel: Channel;
  readonly #waiting = new Map<number, (answer: HeldSocket) => void>();
  #lastId = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.on('message', (message, handle) => {
      const answer = message as ListenAnswer;
      if (answer.heddle !== 'socket') return;
      const resolve = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (resolve === undefined) return;
      if (!answer.ok) resolve(answer);
      else if (typeof handle === 'object' && handle !== null) {
        resolve({ ok: true, handle, port: answer.port });
      } else resolve({ ok: false, reason: 'the supervisor sent no socket' });
    });
    channel.on('disconnect', () => {
      for (const resolve of this.#waiting.values()) resolve({ ok: false, reason: 'the supervisor is gone' });
      this.#waiting.clear();
    });
  }

  listen(host: string, port: number, ipv6Only: boolean): Promise<HeldSocket> {
    return new Promise((resolve) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, resolve);
      this.#send({ heddle: 'listen', id, host, port, ipv6Only });
    });
  }

  /** The address is not served any more: whoever comes is to be refused. */
  unlisten(host: string, port: number): void {
    this.#send({ heddle: 'unlisten', host, port });
  }

  ready(): void {
    this.#send({ heddle: 'ready' });
  }

  #send(message: ChildMessage): void {
    if (this.#channel.connected) this.#channel.send(message);
  }
}

/** The part of a child's `process` that is needed. */
export interface Channel {
  readonly connected: boolean;
  send(message: ChildMessage): void;
  on(event: 'message', listener: (message: unknown, handle: unknown) => void): void;
  on(event: 'disconnect', listener: () => void): void;
}

/** The environment variable by which a child knows that its supervisor holds its sockets. */
export const SUPERVISED = 'HEDDLE_SUPERVISED';

/** The supervisor of this process, if there is one. */
export function supervisorOf(
  child: NodeJS.Process,
  environment: Readonly<Record<string, string | undefined>>,
): HeldSockets | undefined {
  if (environment[SUPERVISED] !== '1' || child.send === undefined) return undefined;
  const send = child.send.bind(child);
  return new HeldSockets({
    get connected() {
      return child.connected;
    },
    send: (message) => void send(message),
    on: (event: 'message' | 'disconnect', listener: (...args: never[]) => void) =>
      void child.on(event, listener as () => void),
  });
}
