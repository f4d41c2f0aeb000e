import { createServer, type Server } from 'node:http';
import { freePort } from './free-port.js';
import { publicKeySet, type TestKey } from './jwt-issuer.js';

/** Publishes keys, while it is there; always at the same place. */
export class KeyServer {
  #port = 0;
  #server: Server | undefined;

  async takePort(): Promise<void> {
    this.#port = await freePort();
  }

  get url(): string {
    return `http://localhost:${this.#port}`;
  }

  async start(keys: readonly TestKey[]): Promise<void> {
    const server = createServer((_, response) => response.end(publicKeySet(keys)));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
