import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A wire that can be cut: passes bytes on until it is, and then neither bytes nor ends get through, as behind a firewall that drops
 * packets. Connections are taken all the same, for a kernel does that on its own.
 */
export class StallingRelay {
  readonly #targetPort: () => number;
  readonly #server: Server;
  readonly #pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  #isCut = false;

  /** `targetPort` is asked at each connection. */
  constructor(targetPort: () => number) {
    this.#targetPort = targetPort;
    this.#server = createServer({ allowHalfOpen: true }, (near) => this.#relay(near));
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    this.#isCut = true;
    for (const { near, far } of this.#pairs) {
      near.pause();
      far.pause();
    }
  }

  /** What waited gets through now. */
  mend(): void {
    this.#isCut = false;
    for (const { near, far } of this.#pairs) {
      near.resume();
      far.resume();
    }
  }

  async close(): Promise<void> {
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #relay(near: Socket): void {
    const far = connect({ port: this.#targetPort(), host: '127.0.0.1', allowHalfOpen: true });
    const pair = { near, far };
    this.#pairs.add(pair);
    this.#pass(near, far, pair);
    this.#pass(far, near, pair);
    if (this.#isCut) near.pause();
  }

  #pass(from: Socket, to: Socket, pair: { readonly near: Socket; readonly far: Socket }): void {
    from.setNoDelay(true);
    from.on('data', (chunk) => {
      if (to.write(chunk)) return;
      from.pause();
      to.once('drain', () => {
        if (!this.#isCut) from.resume();
      });
    });
    from.on('end', () => to.end());
    from.on('error', () => undefined);
    from.on('close', () => {
      to.destroy();
      this.#pairs.delete(pair);
    });
  }
}
