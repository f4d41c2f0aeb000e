import type { Socket } from 'node:net';
import { createDeadline, type Deadlines } from './http1/deadline-queue.js';

/**
 * Closes a connection so that its client can read our last words: closing with unread bytes would make the kernel reset the
 * connection and take them away.
 *
 * Our end is sent, and the client gets time to read it. One that reads slowly gets all of it: that time begins when everything
 * is sent, and until then only a client that reads nothing at all is given up.
 */
export class LingeringClose {
  readonly #socket: Socket;
  readonly #deadlines: Deadlines;
  readonly #timeoutMs: number;
  readonly #deadline = createDeadline(() => this.#socket.destroy());

  /** `timeoutMs` 0: no time at all. */
  constructor(socket: Socket, deadlines: Deadlines, timeoutMs: number) {
    this.#socket = socket;
    this.#deadlines = deadlines;
    this.#timeoutMs = timeoutMs;
  }

  /** Everything that has to be said is written to the socket. */
  begin(): void {
    const socket = this.#socket;
    if (this.#timeoutMs === 0) {
      socket.destroySoon();
      return;
    }
    socket.end();
    if (socket.writableLength > 0) this.#lingerWhenSent();
    else this.#linger();
  }

  /** The socket has closed. */
  cancel(): void {
    this.#deadlines.clear(this.#deadline);
  }

  #linger(): void {
    if (this.#socket.destroyed) return;
    this.#socket.resume();
    this.#deadlines.set(this.#deadline, this.#timeoutMs);
  }

  /** Paused, so that nothing but progress in sending puts the socket's own timeout off. */
  #lingerWhenSent(): void {
    const socket = this.#socket;
    socket.pause();
    socket.setTimeout(this.#timeoutMs, () => socket.destroy());
    socket.once('finish', () => {
      socket.setTimeout(0);
      this.#linger();
    });
  }
}
