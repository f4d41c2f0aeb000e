import type { Socket } from 'node:net';

/**
 * Writes what comes in many pieces in one turn of the event loop with one system call.
 *
 * TLS hands over at most 16 KiB at a time, so a relay towards plain text would write each record by itself: corked, bulk costs a
 * fifth less. Towards TLS it would cost more, as every record is encrypted by itself anyway.
 */
export class TurnCork {
  readonly #socket: Socket;
  #isCorked = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** As `write` of the socket. */
  write(chunk: Buffer): boolean {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      setImmediate(this.#uncork);
    }
    return this.#socket.write(chunk);
  }

  readonly #uncork = (): void => {
    this.#isCorked = false;
    this.#socket.uncork();
  };
}
