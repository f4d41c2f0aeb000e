import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { proxyBootstrap, type ExplicitPlan } from '@heddle/cli';
import { joinToken } from '../control-plane/ca-client.js';
import { service, startControlPlane, type RunningControlPlane } from '../control-plane/mesh-folder.js';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { httpCall } from './http-call.js';
import type { ProxySubject } from './proxy-subjects.js';
import { RunningProgram } from './running-program.js';

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));

export type PairMember = 'caller' | 'reviews';

export interface MutualTlsPairOptions {
  readonly calling: ProxySubject;
  readonly called: ProxySubject;
  /** How long the certificate of `reviews` lives, where that is a heddle-proxy. Default: as long as the authority likes. */
  readonly certificateTtl?: string;
  /** Further files of the mesh. */
  readonly files?: Readonly<Record<string, string>>;
}

/**
 * Two proxies that speak mutual TLS under STRICT, `caller` before `reviews`, under a heddled in this process: heddle-proxy with an
 * identity of its own, real Envoy with that of a `heddle agent`.
 */
export class MutualTlsPair {
  readonly folder = mkdtempSync(join(tmpdir(), 'hmt-'));
  readonly #options: MutualTlsPairOptions;
  readonly #backend = createServer((_request, response) => response.end('reviews'));
  readonly #programs: RunningProgram[] = [];
  readonly #adminPorts = new Map<PairMember, number>();
  readonly #agents = new Map<PairMember, RunningProgram>();
  #plane: RunningControlPlane | undefined;
  #tlsPort = 0;
  #rootsFile = '';
  inboundPort = 0;
  outboundPort = 0;

  constructor(options: MutualTlsPairOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#backend.listen(0, '127.0.0.1', resolve));
    const { port: application } = this.#backend.address() as AddressInfo;
    this.inboundPort = await freePort();
    this.outboundPort = await freePort();
    const { calling, called } = this.#options;
    await this.startPlane();
    await this.#startProxy(called, 'reviews', {
      inbound: [{ name: 'http', port: 8080, listen: this.inboundPort, application }],
    });
    await this.#startProxy(calling, 'caller', {
      outbound: { 'reviews.default.svc.cluster.local:80': this.outboundPort },
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    await this.#plane?.close();
    this.#backend.close();
    this.#backend.closeAllConnections();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get apiPort(): number {
    return this.#plane?.apiPort ?? 0;
  }

  /** What all programs wrote, for messages. */
  get output(): string {
    return this.#programs.map(({ output }) => output).join('\n');
  }

  adminPort(member: PairMember): number {
    return this.#adminPorts.get(member) ?? 0;
  }

  logFile(member: PairMember): string {
    return join(this.folder, `${member}.log`);
  }

  /** Of a real Envoy. */
  agent(member: PairMember): RunningProgram {
    const agent = this.#agents.get(member);
    if (agent === undefined) throw new Error(`${member} has no agent`);
    return agent;
  }

  /** heddled, again with the same authority in the same place. */
  async startPlane(): Promise<void> {
    const files = {
      'reviews.yaml': service('reviews'),
      'entry.yaml': entryYaml(this.inboundPort),
      'policy.yaml': STRICT,
      ...this.#options.files,
    };
    const identity = { caFolder: join(this.folder, 'ca'), tlsPort: this.#tlsPort };
    this.#plane = await startControlPlane(files, { identity });
    this.#tlsPort = this.#plane.xdsTlsPort;
    this.#rootsFile = this.#plane.rootsFile;
  }

  async stopPlane(): Promise<void> {
    await this.#plane?.close();
    this.#plane = undefined;
  }

  /** Starts the agent of a member, also again. Resolves when it serves. */
  async startAgent(member: PairMember): Promise<void> {
    const agent = this.#run(process.execPath, [
      ...[heddle, 'agent', '-s', member, '--socket', this.#socket(member), '--ca-address', this.#caAddress],
      ...['--ca-root-file', this.#rootsFile, '--ca-token-file', this.#tokenFile(member)],
    ]);
    this.#agents.set(member, agent);
    await eventually(
      () => agent.output.includes('heddle agent: '),
      () => agent.output,
    );
  }

  async #startProxy(subject: ProxySubject, member: PairMember, plan: Partial<ExplicitPlan>): Promise<void> {
    const { token } = await joinToken(this.apiPort, 'default', member);
    writeFileSync(this.#tokenFile(member), token, { mode: 0o600 });
    if (subject.name === 'envoy') await this.startAgent(member);
    const adminPort = await freePort();
    this.#adminPorts.set(member, adminPort);
    const bootstrap = proxyBootstrap({
      role: 'sidecar',
      name: member,
      namespace: 'default',
      workloadName: member,
      labels: member === 'reviews' ? { app: member } : {},
      serviceAccount: member,
      adminPort,
      accessLog: this.logFile(member),
      explicit: {
        ...{ bindAddress: '127.0.0.1', inbound: [], outbound: {}, httpProxy: 0, gatewayPorts: {} },
        ...plan,
      },
      ...(subject.name === 'envoy'
        ? { agentSocket: this.#socket(member) }
        : {
            xdsPort: this.#tlsPort,
            identity: {
              trustDomain: 'cluster.local',
              caAddress: this.#caAddress,
              rootsFile: this.#rootsFile,
              tokenFile: this.#tokenFile(member),
            },
          }),
    });
    const { certificateTtl } = this.#options;
    if (member === 'reviews' && certificateTtl !== undefined) {
      (bootstrap as { node: { metadata: Record<string, unknown> } }).node.metadata['HEDDLE_CERT_TTL'] =
        certificateTtl;
    }
    const file = join(this.folder, `${member}.json`);
    writeFileSync(file, JSON.stringify(bootstrap));
    const proxy = subject.start(file, join(this.folder, `${member}-state`));
    this.#programs.push(proxy);
    await eventually(
      async () => (await httpCall(adminPort, '/ready')).status === 200,
      () => `${member} is not ready\n${proxy.output}`,
    );
  }

  get #caAddress(): string {
    return `127.0.0.1:${this.#tlsPort}`;
  }

  #socket(member: PairMember): string {
    return join(this.folder, member, 'socket');
  }

  #tokenFile(member: PairMember): string {
    return join(this.folder, `${member}.token`);
  }

  #run(command: string, args: readonly string[]): RunningProgram {
    const program = new RunningProgram(command, args);
    this.#programs.push(program);
    return program;
  }
}

function entryYaml(port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: reviews-0
  annotations: { heddle.dev/application-ports: "http=8080" }
spec:
  address: 127.0.0.1
  ports: { http: ${port} }
  labels: { app: reviews, security.istio.io/tlsMode: istio }
  serviceAccount: reviews
`;
}

const STRICT = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
spec: { mtls: { mode: STRICT } }
`;
