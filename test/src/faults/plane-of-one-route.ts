import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { typeUrls } from '@heddle/xds-protos';
import { meshOfOneRoute, sidecarBootstrap } from '../footprint/mesh-of-one-route.js';
import { eventually } from '../support/eventually.js';
import { FakeControlPlane } from '../xds/fake-control-plane.js';
import { ProxyGround } from './proxy-ground.js';
import { StallingRelay } from './stalling-relay.js';

/** A control plane that knows one route to one upstream, and can be away. */
export class PlaneOfOneRoute {
  readonly #upstreamPort: number;
  /** The wire between it and its proxy. */
  readonly wire = new StallingRelay(() => this.#port);
  #wirePort = 0;
  #plane = new FakeControlPlane('delta');
  #port = 0;
  #listenerPort = 0;

  static async start(upstreamPort: number): Promise<PlaneOfOneRoute> {
    const plane = new PlaneOfOneRoute(upstreamPort);
    plane.#port = await plane.#plane.listen();
    plane.#wirePort = await plane.wire.listen();
    return plane;
  }

  private constructor(upstreamPort: number) {
    this.#upstreamPort = upstreamPort;
  }

  /** A proxy that gets everything from here. */
  startProxy(args: readonly string[] = [], nodeArgs: readonly string[] = []): Promise<ProxyGround> {
    return ProxyGround.start({
      upstreamPort: this.#upstreamPort,
      args,
      nodeArgs,
      bootstrap: (adminPort, port) => {
        this.#listenerPort = port;
        this.#fill();
        return sidecarBootstrap(adminPort, this.#wirePort);
      },
    });
  }

  /** Resolves with the file in which the proxy keeps what it has. */
  async untilKept(proxy: ProxyGround): Promise<string> {
    const folder = join(proxy.folder, 'state');
    let file: string | undefined;
    await eventually(
      async () => {
        const files = await readdir(folder).catch(() => []);
        file = files.find((name) => name.endsWith('.bin'));
        return file !== undefined;
      },
      () => 'nothing is kept',
    );
    return join(folder, file ?? '');
  }

  /** It dies: its connections end, and nobody listens. */
  leave(): void {
    this.#plane.close();
  }

  async close(): Promise<void> {
    this.leave();
    await this.wire.close();
  }

  /** Another one in the same place. */
  async listenAgain(): Promise<void> {
    this.#plane = new FakeControlPlane('delta');
    this.#fill();
    await this.#plane.listen(this.#port);
  }

  /** Endpoints as they are and with one more port in turn, so that each push changes something. */
  async pushEndpoints(turn: number): Promise<void> {
    this.#set(meshOfOneRoute(this.#listenerPort, this.#upstreamPort, turn));
    for (const typeUrl of [typeUrls.clusterLoadAssignment, typeUrls.routeConfiguration]) {
      const name = typeUrl === typeUrls.routeConfiguration ? 'r' : 'a';
      const { nack } = await this.#plane.push(typeUrl, [name]);
      if (nack !== undefined) throw new Error(nack);
    }
  }

  /** Resolves with what the proxy said to a cluster that cannot be. */
  async pushBroken(): Promise<string> {
    this.#plane.set(typeUrls.cluster, 'a', { name: 'a', lbPolicy: 77 });
    const { nack } = await this.#plane.push(typeUrls.cluster, ['a']);
    if (nack === undefined) throw new Error('the proxy took it');
    return nack;
  }

  #fill(): void {
    this.#set(meshOfOneRoute(this.#listenerPort, this.#upstreamPort));
  }

  #set(resources: ReturnType<typeof meshOfOneRoute>): void {
    for (const { typeUrl, name, message } of resources) this.#plane.set(typeUrl, name, message);
  }
}
