import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';

/** A socket without a network: what is written is kept, what arrives is pushed by the test. */
export class FakeSocket extends Duplex {
  readonly #written: Buffer[] = [];
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 50_000;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 80;
  /** While true, nothing that is written gets through. */
  isStalled = false;
  hasEnded = false;
  #waiting: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: true, decodeStrings: true });
  }

  /** For what asks for a socket of `node:net`. */
  asSocket(): Socket {
    return this as unknown as Socket;
  }

  /** What was written so far, as latin1. */
  get text(): string {
    return Buffer.concat(this.#written).toString('latin1');
  }

  /** Forgets what was written. */
  clear(): void {
    this.#written.length = 0;
  }

  /** Lets through what waits. */
  release(): void {
    this.isStalled = false;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  setNoDelay(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  destroySoon(): void {
    this.end();
    this.destroy();
  }

  override _read(): void {
    // The test pushes.
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    // As the kernel does: whoever wrote it may use its memory again.
    this.#written.push(Buffer.from(chunk));
    if (this.isStalled) this.#waiting = callback;
    else callback();
  }

  override _final(callback: () => void): void {
    this.hasEnded = true;
    callback();
  }
}
