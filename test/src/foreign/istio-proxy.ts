import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { heddleProxy, type ProxySubject } from '../support/proxy-subjects.js';
import type { RunningProgram } from '../support/running-program.js';
import {
  istioBootstrap,
  type GrpcServer,
  type IstioBootstrapOptions,
  type IstioSidecar,
} from './istio-bootstrap.js';

export interface IstioProxyOptions {
  readonly sidecar: IstioSidecar;
  readonly interception: IstioBootstrapOptions['interception'];
  readonly variant: IstioBootstrapOptions['variant'];
  readonly xds: GrpcServer;
  /** Who has the workload's certificate: a server of SDS, or nobody, and the proxy asks the authority itself. */
  readonly sds: GrpcServer | { readonly authority: Authority };
  /** Default: heddle-proxy. */
  readonly subject?: ProxySubject;
}

/** Where a proxy gets its certificate by itself. */
export interface Authority {
  readonly port: number;
  readonly serverName: string;
  readonly rootsFile: string;
  readonly tokenFile: string;
}

/** Envoy cannot open its own output where that is a socket, as a child's is. */
export const NOWHERE = '/dev/null';
const NO_AGENT = { pipe: './no-agent' };

/** A sidecar with the bootstrap that Istio's agent writes. */
export class IstioProxy {
  readonly adminPort: number;
  readonly #program: RunningProgram;
  readonly #folder: string;

  /** Resolves when it is ready. */
  static async start(options: IstioProxyOptions): Promise<IstioProxy> {
    const { sidecar, sds, subject = heddleProxy(), ...rest } = options;
    const folder = await mkdtemp(join(tmpdir(), 'heddle-istio-'));
    const ports = { admin: await freePort(), prometheus: await freePort(), status: await freePort() };
    const bootstrap = istioBootstrap({ ...rest, sidecar, ports, sds: 'authority' in sds ? NO_AGENT : sds });
    const file = join(folder, 'bootstrap.json');
    const text = JSON.stringify('authority' in sds ? withAuthority(bootstrap, sds.authority) : bootstrap);
    await writeFile(file, subject.name === 'envoy' ? text.replaceAll('/dev/stdout', NOWHERE) : text);
    const proxy = new IstioProxy(subject.start(file, join(folder, 'state')), folder, ports.admin);
    await eventually(
      async () => (await httpCall(ports.admin, '/ready')).status === 200,
      () => `${sidecar.name} is not ready\n${proxy.output}`,
      30_000,
    );
    return proxy;
  }

  private constructor(program: RunningProgram, folder: string, adminPort: number) {
    this.#program = program;
    this.#folder = folder;
    this.adminPort = adminPort;
  }

  get output(): string {
    return this.#program.output;
  }

  /** Updates from the control plane that it refused, whole or in part. */
  async refusals(): Promise<number> {
    const { body } = await httpCall(this.adminPort, '/stats?filter=update_rejected');
    return body.split('\n').reduce((sum, line) => sum + Number(line.split(': ')[1] ?? 0), 0);
  }

  async metrics(): Promise<string> {
    return (await httpCall(this.adminPort, '/stats/prometheus')).body;
  }

  async stop(): Promise<void> {
    await this.#program.stop(2000);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** What stands in for arguments of the proxy. */
function withAuthority(bootstrap: object, authority: Authority): object {
  const { node, ...rest } = bootstrap as { readonly node: { readonly metadata: object } };
  const metadata = {
    ...node.metadata,
    HEDDLE_CA_ADDRESS: `127.0.0.1:${authority.port}`,
    HEDDLE_CA_SERVER_NAME: authority.serverName,
    HEDDLE_CA_ROOT_FILE: authority.rootsFile,
    HEDDLE_CA_TOKEN_FILE: authority.tokenFile,
  };
  return { ...rest, node: { ...node, metadata } };
}
