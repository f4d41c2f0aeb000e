import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { proxyBootstrap, type ProxyBootstrapOptions } from '@heddle/cli';
import { silentLogger, systemClock, systemRandom } from '@heddle/common';
import { ControlPlane } from '@heddle/control-plane';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { httpCall } from './http-call.js';
import type { ProxySubject } from './proxy-subjects.js';
import type { RunningProgram } from './running-program.js';

/** A proxy that a test started under its own heddled. */
export interface MeshProxy {
  readonly program: RunningProgram;
  readonly adminPort: number;
}

/** A heddled in this process over a folder of its own, and the proxies that it configures. */
export class InteropMesh {
  readonly #folder: string;
  #plane: ControlPlane;
  readonly #proxies: MeshProxy[] = [];
  #ports = { xdsPort: 0, apiPort: 0 };

  static async start(files: Readonly<Record<string, string>>): Promise<InteropMesh> {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-interop-'));
    await mkdir(join(folder, 'mesh'));
    const mesh = new InteropMesh(folder);
    for (const [name, text] of Object.entries(files)) await mesh.write(name, text);
    mesh.#ports = await mesh.#plane.start();
    return mesh;
  }

  private constructor(folder: string) {
    this.#folder = folder;
    this.#plane = this.#createPlane(0);
  }

  #createPlane(xdsPort: number): ControlPlane {
    return new ControlPlane({
      folders: [join(this.#folder, 'mesh')],
      appliedFolder: undefined,
      xdsAddress: `127.0.0.1:${xdsPort}`,
      apiHost: '127.0.0.1',
      apiPort: 0,
      apiAllowedHosts: [],
      token: 'test',
      version: 'test',
      clock: systemClock,
      log: silentLogger,
      keySets: { allowLoopback: true, folder: join(this.#folder, 'jwks'), random: systemRandom },
    });
  }

  /** Another heddled at the same place, with what the first left on disk. Resolves when every proxy is connected to it. */
  async restartPlane(): Promise<void> {
    await this.#plane.close();
    this.#plane = this.#createPlane(this.#ports.xdsPort);
    this.#ports = await this.#plane.start();
    await eventually(
      async () => {
        const { body } = await httpCall(this.#ports.apiPort, '/api/v1/proxies');
        return (JSON.parse(body) as { proxies: unknown[] }).proxies.length === this.#proxies.length;
      },
      () => `the proxies did not come back\n${this.output}`,
      20_000,
    );
  }

  /** Of heddled, in plain text. */
  get xdsPort(): number {
    return this.#ports.xdsPort;
  }

  /** Of heddled. */
  get apiPort(): number {
    return this.#ports.apiPort;
  }

  /** The lines of a proxy's access log, as written so far. */
  async logLines(name: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const text = await readFile(join(this.#folder, `${name}.log`), 'utf8').catch(() => '');
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** What all proxies wrote, for failure messages. */
  get output(): string {
    return this.#proxies.map(({ program }) => program.output).join('\n');
  }

  /** Renamed into place, as editors do. */
  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.#folder, `${name}.tmp`), text);
    await rename(join(this.#folder, `${name}.tmp`), join(this.#folder, 'mesh', name));
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#folder, 'mesh', name));
  }

  /** Resolves when the proxy is ready. `sdsPort`: where its own certificates come from. */
  async startProxy(
    subject: ProxySubject,
    options: Pick<ProxyBootstrapOptions, 'role' | 'name' | 'labels' | 'explicit' | 'hbone'> & {
      readonly serviceAccount?: string;
      readonly sdsPort?: number;
    },
  ): Promise<MeshProxy> {
    const { sdsPort, serviceAccount = options.name, ...rest } = options;
    const adminPort = await freePort();
    const bootstrap = proxyBootstrap({
      ...rest,
      serviceAccount,
      namespace: 'default',
      workloadName: options.name,
      adminPort,
      xdsPort: this.#ports.xdsPort,
      accessLog: join(this.#folder, `${options.name}.log`),
    });
    const file = join(this.#folder, `${options.name}.json`);
    await writeFile(file, JSON.stringify(sdsPort === undefined ? bootstrap : withAgent(bootstrap, sdsPort)));
    const program = subject.start(file, join(this.#folder, `${options.name}-state`));
    const proxy = { program, adminPort };
    this.#proxies.push(proxy);
    await eventually(
      async () => (await httpCall(adminPort, '/ready')).status === 200,
      () => `${options.name} is not ready\n${program.output}`,
    );
    return proxy;
  }

  /** Resolves when every proxy took everything. */
  async synced(): Promise<void> {
    await eventually(
      async () => {
        const { body } = await httpCall(this.#ports.apiPort, '/api/v1/convergence');
        const { converged, proxies } = JSON.parse(body) as { converged: boolean; proxies: number };
        return converged && proxies === this.#proxies.length;
      },
      () => `not synced\n${this.output}`,
    );
  }

  /** What the proxies said against what they were sent. */
  async nacks(): Promise<readonly string[]> {
    const { body } = await httpCall(this.#ports.apiPort, '/api/v1/proxies');
    const { proxies } = JSON.parse(body) as { proxies: { types: { nack?: string }[] }[] };
    return proxies.flatMap(({ types }) => types.flatMap(({ nack }) => nack ?? []));
  }

  /** The last line of a proxy's access log, as written so far. */
  async lastLogLine(name: string): Promise<Readonly<Record<string, unknown>>> {
    return (await this.logLines(name)).at(-1) ?? {};
  }

  async problems(): Promise<string> {
    return (await httpCall(this.#ports.apiPort, '/api/v1/problems')).body;
  }

  async metrics(): Promise<string> {
    return (await httpCall(this.#ports.apiPort, '/metrics')).body;
  }

  async close(): Promise<void> {
    await Promise.all(this.#proxies.map(({ program }) => program.stop()));
    await this.#plane.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A bootstrap whose proxy speaks mutual TLS by what an agent beside it serves. */
function withAgent(bootstrap: unknown, sdsPort: number): unknown {
  const {
    node,
    static_resources: resources,
    ...rest
  } = bootstrap as {
    readonly node: { readonly metadata: object };
    readonly static_resources: { readonly clusters: readonly object[] };
  };
  const agent = {
    name: 'sds-grpc',
    type: 'STATIC',
    connect_timeout: '1s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: 'sds-grpc',
      endpoints: [
        {
          lb_endpoints: [
            { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: sdsPort } } } },
          ],
        },
      ],
    },
  };
  return {
    ...rest,
    node: { ...node, metadata: { ...node.metadata, HEDDLE_MTLS: true } },
    static_resources: { ...resources, clusters: [...resources.clusters, agent] },
  };
}
