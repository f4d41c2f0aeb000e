import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { RunningProgram } from '../support/running-program.js';
import { KubernetesStandIn } from './kubernetes-stand-in.js';

const ROOTS = 'istio-ca-root-cert';
const SYSTEM = 'istio-system';

const FOR_STOCK_ENVOY = { PILOT_ENABLE_METADATA_EXCHANGE: 'false', PILOT_ENABLE_ALPN_FILTER: 'false' };

/** The host name in istiod's certificate. */
export const ISTIOD_NAME = `istiod.${SYSTEM}.svc`;

export interface IstiodOptions {
  /** Where pilot-discovery lies. */
  readonly path: string;
  /** Namespaces of workloads. */
  readonly namespaces: readonly string[];
  /** Istio's YAML, by file name. */
  readonly files: Readonly<Record<string, string>>;
  /** Its MeshConfig, YAML. */
  readonly meshConfig: string;
  /** Whether what it sends has nothing in it that only Istio's build of Envoy knows. */
  readonly forStockEnvoy?: boolean;
}

/** Istio's control plane in a process of its own, over a folder of YAML. */
export class Istiod {
  /** Its own folder, which goes with it. */
  readonly folder: string;
  readonly #kubernetes: KubernetesStandIn;
  readonly #program: RunningProgram;
  readonly #ports: IstiodPorts;

  /** Resolves when it serves and has written the roots of its authority for `namespaces`. */
  static async start({ path, namespaces, files, meshConfig, forStockEnvoy }: IstiodOptions): Promise<Istiod> {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-istiod-'));
    const kubernetes = new KubernetesStandIn();
    for (const name of [SYSTEM, ...namespaces]) {
      kubernetes.put(`/api/v1/namespaces/${name}`, {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name },
        status: { phase: 'Active' },
      });
    }
    await writeFile(join(folder, 'kubeconfig'), kubeConfig(await kubernetes.listen()));
    await writeFile(join(folder, 'mesh.yaml'), meshConfig);
    await mkdir(join(folder, 'config'));
    const ports = {
      http: await freePort(),
      xds: await freePort(),
      secure: await freePort(),
      control: await freePort(),
    };
    const program = new RunningProgram(path, argumentsOf(folder, ports), {
      PATH: process.env['PATH'],
      HOME: folder,
      POD_NAME: 'istiod-1',
      POD_NAMESPACE: SYSTEM,
      CLUSTER_ID: 'Kubernetes',
      // It changes nothing in this Kubernetes but what is asked of it.
      INJECT_ENABLED: 'false',
      PILOT_ENABLE_STATUS: 'false',
      VALIDATION_WEBHOOK_CONFIG_NAME: '',
      INJECTION_WEBHOOK_CONFIG_NAME: '',
      ...(forStockEnvoy === true ? FOR_STOCK_ENVOY : {}),
    });
    const istiod = new Istiod(folder, kubernetes, program, ports);
    for (const [name, text] of Object.entries(files)) await istiod.write(name, text);
    await eventually(
      async () => (await httpCall(ports.http, '/ready')).status === 200 && istiod.#hasRoots(namespaces),
      () => `istiod does not serve\n${program.output}`,
      60_000,
    );
    return istiod;
  }

  private constructor(
    folder: string,
    kubernetes: KubernetesStandIn,
    program: RunningProgram,
    ports: IstiodPorts,
  ) {
    this.folder = folder;
    this.#kubernetes = kubernetes;
    this.#program = program;
    this.#ports = ports;
  }

  get output(): string {
    return this.#program.output;
  }

  /** Of xDS in plain text, which is served to everybody. */
  get xdsPort(): number {
    return this.#ports.xds;
  }

  /** Of xDS and of the authority. */
  get securePort(): number {
    return this.#ports.secure;
  }

  /** Adds a file of YAML, or puts it in the place of another. */
  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.folder, `${name}.new`), text);
    await rename(join(this.folder, `${name}.new`), join(this.folder, 'config', name));
  }

  /** What a pod of a service account is given: the roots of the authority and a token. */
  async workloadFiles(
    namespace: string,
    serviceAccount: string,
  ): Promise<{ readonly rootsFile: string; readonly tokenFile: string }> {
    const rootsFile = join(this.folder, `${namespace}-root-cert.pem`);
    const tokenFile = join(this.folder, `${namespace}-${serviceAccount}-token`);
    const token = `token.of.${namespace}-${serviceAccount}`;
    await writeFile(rootsFile, this.#roots(namespace) ?? '');
    await writeFile(tokenFile, token, { mode: 0o600 });
    this.#kubernetes.acceptToken(token, namespace, serviceAccount);
    return { rootsFile, tokenFile };
  }

  async stop(): Promise<void> {
    await this.#program.stop();
    await this.#kubernetes.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  #roots(namespace: string): string | undefined {
    const data = this.#kubernetes.get(`/api/v1/namespaces/${namespace}/configmaps/${ROOTS}`)?.['data'];
    return (data as Record<string, string> | undefined)?.['root-cert.pem'];
  }

  #hasRoots(namespaces: readonly string[]): boolean {
    return namespaces.every((namespace) => this.#roots(namespace) !== undefined);
  }
}

interface IstiodPorts {
  readonly http: number;
  readonly xds: number;
  readonly secure: number;
  readonly control: number;
}

function argumentsOf(folder: string, { http, xds, secure, control }: IstiodPorts): readonly string[] {
  return [
    'discovery',
    ...['--kubeconfig', join(folder, 'kubeconfig')],
    ...['--configDir', join(folder, 'config')],
    ...['--meshConfig', join(folder, 'mesh.yaml')],
    ...['--httpAddr', `127.0.0.1:${http}`],
    ...['--grpcAddr', `127.0.0.1:${xds}`],
    ...['--secureGRPCAddr', `127.0.0.1:${secure}`],
    ...['--httpsAddr', '', '--monitoringAddr', ''],
    ...['--ctrlz_address', '127.0.0.1', '--ctrlz_port', String(control)],
    ...['--shutdownDuration', '1s'],
  ];
}

function kubeConfig(port: number): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'stand-in',
    clusters: [{ name: 'stand-in', cluster: { server: `http://127.0.0.1:${port}` } }],
    contexts: [{ name: 'stand-in', context: { cluster: 'stand-in', user: 'istiod' } }],
    users: [{ name: 'istiod', user: {} }],
  });
}
