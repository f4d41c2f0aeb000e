import type { ChildMessage, ListenAnswer } from './listening-sockets.js';
import type { Channel } from './supervisor-link.js';

/** A socket that the supervisor bound, to be given to `server.listen`, or why there is none. */
export type HeldSocket =
  | { readonly ok: true; readonly handle: object; readonly port: number }
  | { readonly ok: false; readonly reason: string };

/** The child's side of `ListeningSockets`: asks the supervisor for them. */
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

  #send(message: ChildMessage): void {
    if (this.#channel.connected) this.#channel.send(message);
  }
}
