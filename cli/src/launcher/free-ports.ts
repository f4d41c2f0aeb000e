import { createServer } from 'node:net';

/**
 * Hands out loopback ports that nobody listens on, each once.
 *
 * The system chooses them (port 0). Between the choice and the use another program could take one: whoever uses a port
 * must still report that it is taken.
 */
export class FreePorts {
  readonly #host: string;
  readonly #given = new Set<number>();

  constructor(host = '127.0.0.1') {
    this.#host = host;
  }

  /** Errors: rejects when the system has no port to give. */
  async take(): Promise<number> {
    for (;;) {
      const port = await this.#probe(0);
      if (this.#given.has(port)) continue;
      this.#given.add(port);
      return port;
    }
  }

  /** `wanted` when it is free, else some other port. */
  async prefer(wanted: number): Promise<number> {
    return (await this.claim(wanted)) ? wanted : this.take();
  }

  /** Whether `wanted` was free; it is given away then. */
  async claim(wanted: number): Promise<boolean> {
    if (this.#given.has(wanted)) return false;
    try {
      await this.#probe(wanted);
    } catch {
      return false;
    }
    this.#given.add(wanted);
    return true;
  }

  release(port: number): void {
    this.#given.delete(port);
  }

  #probe(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen({ host: this.#host, port }, () => {
        const address = server.address();
        server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
      });
    });
  }
}
