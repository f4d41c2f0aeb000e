import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { eventually } from '../support/eventually.js';
import { InteropMesh } from '../support/interop-mesh.js';
import { whoService } from './grpc-client.js';

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));
const clientProgram = fileURLToPath(new URL('./grpc-client.js', import.meta.url));

type Counts = Readonly<Record<string, number>>;

describe('a gRPC program without a proxy', () => {
  let mesh: InteropMesh;
  let client: GrpcProgram;
  const servers: Server[] = [];
  const ports: Record<string, number> = {};

  before(async () => {
    for (const name of ['v1', 'v2', 'other']) {
      const server = new Server();
      server.addService(whoService, {
        who: (_call: unknown, answer: (error: null, name: string) => void) => answer(null, name),
      });
      servers.push(server);
      ports[name] = await bound(server);
    }
    mesh = await InteropMesh.start({
      'service.yaml': SERVICE,
      'v1.yaml': entry('v1', ports['v1'] ?? 0),
    });
    const bootstrap = execFileSync(process.execPath, [
      ...[heddle, 'bootstrap', '--for', 'grpc', '--service-account', 'caller', '-o', 'json'],
      ...['--xds-address', `127.0.0.1:${mesh.xdsPort}`],
    ]).toString();
    client = new GrpcProgram('xds:///who.default.svc.cluster.local:50051', bootstrap);
  });
  after(async () => {
    client?.stop();
    for (const server of servers) server.forceShutdown();
    await mesh?.close();
  });

  const answers = async (calls: number): Promise<Counts> => client.call(calls);
  const until = (what: string, check: (counts: Counts) => boolean, calls = 20): Promise<void> => {
    let last: Counts = {};
    return eventually(
      async () => check((last = await answers(calls))),
      () => `${what}: ${JSON.stringify(last)} ${client.errors}`,
      30_000,
    );
  };

  it('reaches a service by its name, as heddled tells it where that is', async () => {
    assert.deepEqual(await answers(5), { v1: 5 });
    assert.deepEqual(await mesh.nacks(), []);
  });

  it('follows endpoints that come and go', async () => {
    await mesh.write('v2.yaml', entry('v2', ports['v2'] ?? 0));
    await until('the new endpoint', ({ v1 = 0, v2 = 0 }) => v1 > 0 && v2 > 0);
    await mesh.remove('v1.yaml');
    await until('the endpoint that is gone', ({ v1 = 0, v2 = 0 }) => v1 === 0 && v2 === 20);
    await mesh.write('v1.yaml', entry('v1', ports['v1'] ?? 0));
    await until('the endpoint that is back', ({ v1 = 0 }) => v1 > 0);
  });

  it('gives each subset its weight', async () => {
    await mesh.write('routes.yaml', weights(80, 20));
    // Round robin would give each a half.
    await until('weights', ({ v1 = 0, v2 = 0 }) => v1 > 110 && v2 > 10 && v1 + v2 === 200, 200);
    await mesh.write('routes.yaml', weights(0, 100));
    await until('all to one', ({ v2 = 0 }) => v2 === 20);
    assert.deepEqual(await mesh.nacks(), []);
  });

  it('follows rules by path, and fails what only proxies could answer', async () => {
    await mesh.write('routes.yaml', BY_PATH);
    await until('the rule by path', ({ v1 = 0 }) => v1 === 20);
    await mesh.write(
      'routes.yaml',
      BY_PATH.replace(
        'route: [{ destination: { host: who, subset: v1 } }]',
        'directResponse: { status: 403 }',
      ),
    );
    await until('what nobody answers', (counts) => (counts['!14'] ?? 0) === 1, 1);
    assert.deepEqual(await mesh.nacks(), []);
  });
});

/** The program of `grpc-client.ts`. */
class GrpcProgram {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  errors = '';

  constructor(target: string, bootstrap: string) {
    this.#child = spawn(process.execPath, [clientProgram, target], {
      env: { ...process.env, GRPC_XDS_BOOTSTRAP_CONFIG: bootstrap },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.errors += chunk));
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
  }

  async call(times: number): Promise<Counts> {
    const answered = once(this.#lines, 'line') as Promise<[string]>;
    this.#child.stdin?.write(`${times}\n`);
    return JSON.parse((await answered)[0]) as Counts;
  }

  stop(): void {
    this.#lines.close();
    this.#child.kill('SIGKILL');
  }
}

function bound(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}

const SERVICE = `apiVersion: v1
kind: Service
metadata: { name: who }
spec: { selector: { app: who }, ports: [{ name: grpc, port: 50051 }] }
`;

function entry(version: string, port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: who-${version} }
spec:
  address: 127.0.0.1
  ports: { grpc: ${port} }
  labels: { app: who, version: ${version} }
`;
}

const SUBSETS = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: who }
spec:
  host: who
  trafficPolicy: { loadBalancer: { simple: LEAST_REQUEST }, outlierDetection: { consecutive5xxErrors: 5 } }
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
`;

function virtualService(http: string): string {
  return `${SUBSETS}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: who }
spec:
  hosts: [who]
  http:
${http}`;
}

function weights(v1: number, v2: number): string {
  return virtualService(`    - timeout: 10s
      retries: { attempts: 2, retryOn: unavailable }
      fault: { delay: { fixedDelay: 1s, percentage: { value: 100 } } }
      route:
        - { destination: { host: who, subset: v1 }, weight: ${v1} }
        - { destination: { host: who, subset: v2 }, weight: ${v2} }
`);
}

const BY_PATH = virtualService(`    - match: [{ uri: { prefix: /moved } }]
      redirect: { uri: /elsewhere }
    - match: [{ uri: { exact: /test.Who/Who } }]
      route: [{ destination: { host: who, subset: v1 } }]
    - route: [{ destination: { host: who, subset: v2 } }]
`);
