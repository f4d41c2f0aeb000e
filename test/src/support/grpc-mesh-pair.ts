import { forgeRoot } from '@heddle/certs/testing';
import { freePort } from './free-port.js';
import { InteropMesh, type MeshProxy } from './interop-mesh.js';
import type { ProxySubject } from './proxy-subjects.js';
import { WorkloadAgent } from './workload-agent.js';

const root = forgeRoot();

/** The SPIFFE ID of a service account of the pair. */
export const identityOf = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;

/** A caller and a service of gRPC, each with its sidecar; its port is named `grpc`, and nothing else says what is spoken. */
export class GrpcMeshPair {
  readonly #agents: WorkloadAgent[] = [];
  #mesh: InteropMesh | undefined;
  #proxies: readonly MeshProxy[] = [];
  /** Where the caller's sidecar listens for calls of the service. */
  outboundPort = 0;

  /** `application`: where the service itself listens. Resolves when both took their configuration. */
  async start(calling: ProxySubject, called: ProxySubject, application: number): Promise<void> {
    const [inbound, outbound] = [await freePort(), await freePort()];
    this.outboundPort = outbound;
    for (const account of ['caller', 'echo']) {
      this.#agents.push(await WorkloadAgent.start(root, identityOf(account)));
    }
    const mesh = await InteropMesh.start({ 'service.yaml': serviceYaml, 'entry.yaml': entryYaml(inbound) });
    this.#mesh = mesh;
    const nothing = { bindAddress: '127.0.0.1', inbound: [], outbound: {}, httpProxy: 0, gatewayPorts: {} };
    this.#proxies = [
      await mesh.startProxy(called, {
        role: 'sidecar',
        name: 'echo',
        labels: { app: 'echo' },
        sdsPort: this.#agents[1]?.port ?? 0,
        explicit: { ...nothing, inbound: [{ name: 'grpc', port: 9080, listen: inbound, application }] },
      }),
      await mesh.startProxy(calling, {
        role: 'sidecar',
        name: 'caller',
        labels: { app: 'caller' },
        sdsPort: this.#agents[0]?.port ?? 0,
        explicit: { ...nothing, outbound: { 'echo.default.svc.cluster.local:80': outbound } },
      }),
    ];
    await mesh.synced();
  }

  async nacks(): Promise<readonly string[]> {
    return (await this.#mesh?.nacks()) ?? [];
  }

  /** The lines of the access log of one sidecar. */
  async logLines(name: 'caller' | 'echo'): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return (await this.#mesh?.logLines(name)) ?? [];
  }

  /** What both proxies wrote, for messages. */
  get output(): string {
    return this.#proxies.map(({ program }) => program.output).join('\n');
  }

  async close(): Promise<void> {
    await this.#mesh?.close();
    for (const agent of this.#agents) agent.close();
  }
}

const serviceYaml = `apiVersion: v1
kind: Service
metadata: { name: echo }
spec:
  selector: { app: echo }
  ports: [{ name: grpc, port: 80, targetPort: grpc }]
`;

function entryYaml(port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: echo-0
  annotations: { heddle.dev/application-ports: "grpc=9080" }
spec:
  address: 127.0.0.1
  ports: { grpc: ${port} }
  labels: { app: echo, security.istio.io/tlsMode: istio }
  serviceAccount: echo
`;
}
