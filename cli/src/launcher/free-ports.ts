import { createServer, type Server } from 'node:net';
import type { Random } from '@heddle/common';

/**
 * Below the ports that systems give to outgoing connections (Linux: 32768 and up): there, a connection of any program
 * could take a port between its choice and its use.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_700;

/**
 * Hands out loopback ports that nobody listens on, each once.
 *
 * Another program that starts to listen could still take one between the choice and the use: whoever uses a port must
 * report that it is taken. Launchers that start at the same moment leave each other the ports that all of them prefer.
 */
export class FreePorts {
  readonly #host: string;
  readonly #given = new Set<number>();
  /** By port: what tells other launchers that it is ours, until `close` or the end of this process. */
  readonly #marks = new Map<number, Server>();
  #next: number;

  /** Starts to look at a random place, so that two launchers on one machine seldom meet. */
  constructor(random: Random, host = '127.0.0.1') {
    this.#host = host;
    this.#next = FIRST_PORT + Math.floor(random() * (LAST_PORT - FIRST_PORT));
  }

  /** Errors: rejects when no port is free. */
  async take(): Promise<number> {
    for (let tries = LAST_PORT - FIRST_PORT; tries > 0; tries--) {
      const port = this.#next;
      this.#next = port === LAST_PORT ? FIRST_PORT : port + 1;
      if (await this.claim(port)) return port;
    }
    throw new Error(`no port between ${FIRST_PORT} and ${LAST_PORT} is free`);
  }

  /** `wanted` when it is free, else some other port. */
  async prefer(wanted: number): Promise<number> {
    if (!(await this.claim(wanted))) return this.take();
    if (await this.#mark(wanted)) return wanted;
    this.release(wanted);
    return this.take();
  }

  /** Whether `wanted` was free; it is given away then. */
  async claim(wanted: number): Promise<boolean> {
    if (this.#given.has(wanted)) return false;
    // Claimed before it is known to be free: two that ask at once must not both get it.
    this.#given.add(wanted);
    if (await this.#isFree(wanted)) return true;
    this.#given.delete(wanted);
    return false;
  }

  release(port: number): void {
    this.#given.delete(port);
    this.#marks.get(port)?.close();
    this.#marks.delete(port);
  }

  /** Leaves other launchers the ports that were preferred. */
  close(): void {
    for (const mark of this.#marks.values()) mark.close();
    this.#marks.clear();
  }

  /**
   * False when another launcher has it. On Linux the mark is a socket of an abstract name, which the kernel takes back with the
   * process; elsewhere there is none.
   */
  async #mark(port: number): Promise<boolean> {
    if (process.platform !== 'linux') return true;
    const mark = createServer();
    mark.unref();
    const isOurs = await new Promise<boolean>((resolve) => {
      mark.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'EADDRINUSE'));
      mark.listen(`\0heddle-port-${this.#host}-${port}`, () => resolve(true));
    });
    if (isOurs) this.#marks.set(port, mark);
    return isOurs;
  }

  #isFree(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen({ host: this.#host, port }, () => server.close(() => resolve(true)));
    });
  }
}
