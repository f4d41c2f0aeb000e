import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { RunningProgram } from '../support/running-program.js';

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));
const CONNECTIONS = 64;
const LEAF_ROTATIONS = 10;

/** A program that knows nothing of a mesh, and takes its time: requests are under way between the sidecars at every moment. */
const PROGRAM = `
import { createServer } from 'node:http';
createServer((request, response) => {
  setTimeout(() => response.end(process.env.INSTANCE), 50);
}).listen(process.env.PORT, '127.0.0.1');
`;

interface Status {
  readonly rotation: string;
  readonly roots: readonly { readonly fingerprint: string; readonly signs: boolean }[];
  readonly workloads: readonly { readonly id: string; readonly identity: string; readonly root: string }[];
}

describe(
  'certificates under load, in a mesh where every hop must be mutual TLS',
  { timeout: 240_000 },
  () => {
    let root: string;
    let state: string;
    let gatewayPort: number;
    let up: RunningProgram;

    before(async () => {
      root = await mkdtemp(join(tmpdir(), 'heddle-ca-e2e-'));
      state = join(root, 'state');
      const mesh = join(root, 'mesh');
      await mkdir(mesh);
      gatewayPort = await freePort();
      await writeFile(join(mesh, 'web.mjs'), PROGRAM);
      await writeFile(join(mesh, 'mesh.yaml'), meshYaml(gatewayPort, 2));
      up = new RunningProgram(process.execPath, [
        ...[heddle, 'up', '-f', mesh, '--state-dir', state, '--api-port', String(await freePort())],
      ]);
      await eventually(
        async () => (await httpCall(gatewayPort, '/')).status === 200,
        () => up.output,
        60_000,
      );
    });
    after(async () => {
      await up.stop(20_000);
      await rm(root, { recursive: true, force: true });
    });

    const ca = async (...args: readonly string[]): Promise<string> => {
      const program = new RunningProgram(process.execPath, [heddle, 'ca', ...args, '--state-dir', state]);
      const { code } = await program.ended();
      assert.equal(code, 0, program.output);
      return program.output;
    };
    const status = async (): Promise<Status> => JSON.parse(await ca('status', '-o', 'json')) as Status;
    const adminPorts = async (): Promise<readonly number[]> => {
      const files = await readdir(join(state, 'bootstraps'));
      return Promise.all(
        files.map(async (file) => {
          const { admin } = JSON.parse(await readFile(join(state, 'bootstraps', file), 'utf8')) as {
            admin: { address: { socket_address: { port_value: number } } };
          };
          return admin.address.socket_address.port_value;
        }),
      );
    };

    it('gives every proxy its own identity, and keeps tokens and root to this user', async () => {
      const { workloads, roots } = await status();
      assert.deepEqual(workloads.map(({ identity }) => identity).sort(), [
        'spiffe://cluster.local/ns/default/sa/edge',
        'spiffe://cluster.local/ns/default/sa/web',
        'spiffe://cluster.local/ns/default/sa/web',
      ]);
      assert.ok(workloads.every((workload) => workload.root === roots[0]?.fingerprint));
      const modeOf = async (path: string): Promise<number> => (await stat(join(state, path))).mode & 0o777;
      assert.deepEqual([await modeOf('ca'), await modeOf('ca/authority.json')], [0o700, 0o600]);
      assert.deepEqual([await modeOf('tokens'), await modeOf('tokens/edge')], [0o700, 0o600]);
      assert.equal(await modeOf('api-token'), 0o600);
    });

    it(`renews every certificate ${LEAF_ROTATIONS} times under ${CONNECTIONS} connections, and no request fails`, async () => {
      const ports = await adminPorts();
      const load = new Load(gatewayPort);
      const issuedOf = async (port: number): Promise<number> =>
        (JSON.parse((await httpCall(port, '/identity')).body) as { certificates_issued: number })
          .certificates_issued;
      const before_ = await Promise.all(ports.map(issuedOf));
      await load.more(100);
      const shaken = await handshakes(ports);
      for (let i = 1; i <= LEAF_ROTATIONS; i++) {
        for (const port of ports)
          assert.equal((await httpCall(port, '/identity/renew', { method: 'POST' })).status, 200);
        await eventually(
          async () =>
            (await Promise.all(ports.map(issuedOf))).every((issued, k) => issued >= (before_[k] ?? 0) + i),
          () => up.output,
        );
      }
      await load.more(200);
      const { requests, failures } = await load.stop();
      assert.deepEqual(failures, []);
      assert.ok(requests > 500, `only ${requests} requests`);
      // A connection carries ten requests: certificates of every age met each other.
      assert.ok((await handshakes(ports)) >= shaken + requests / 20);
    });

    it('exchanges the root by one command under load, and no request fails', async () => {
      const before_ = await status();
      const load = new Load(gatewayPort);
      const told = await ca('rotate-root', '--settle', '1s', '--timeout', '60s');
      assert.match(told, /new root [0-9a-f]{16}/);
      assert.match(told, /3 of 3 workloads trust both roots/);
      assert.match(told, /3 of 3 workloads have a certificate of the new root/);
      await load.more(200);
      const { requests, failures } = await load.stop();
      assert.deepEqual(failures, []);
      assert.ok(requests > 200, `only ${requests} requests`);
      const after_ = await status();
      assert.equal(after_.rotation, 'steady');
      assert.equal(after_.roots.length, 1);
      assert.notEqual(after_.roots[0]?.fingerprint, before_.roots[0]?.fingerprint);
      assert.ok(after_.workloads.every((workload) => workload.root === after_.roots[0]?.fingerprint));
      // An instance that starts now has nothing of the old root, and neither side has a connection to the other yet.
      await writeFile(join(root, 'mesh', 'mesh.yaml'), meshYaml(gatewayPort, 3));
      await eventually(
        async () => (await httpCall(gatewayPort, '/')).body === 'web-2',
        () => up.output,
      );
    });

    it('gives roots, and tokens that only their file holds', async () => {
      assert.match(await ca('roots'), /^-----BEGIN CERTIFICATE-----/);
      assert.match(await ca('roots', '--format', 'spiffe'), /"x509-svid"/);
      const file = join(root, 'token');
      const told = JSON.parse(await ca('token', '-s', 'other', '--out', file, '-o', 'json')) as Record<
        string,
        string
      >;
      assert.equal(told['identity'], 'spiffe://cluster.local/ns/default/sa/other');
      assert.equal(told['token'], undefined);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      assert.match(await ca('revoke', told['id'] ?? ''), /worth nothing/);
    });
  },
);

/** How often these proxies shook hands with upstreams. */
async function handshakes(adminPorts: readonly number[]): Promise<number> {
  const bodies = await Promise.all(adminPorts.map((port) => httpCall(port, '/stats?filter=ssl.handshake')));
  const counts = bodies.flatMap(({ body }) => [...body.matchAll(/^cluster\..*: (\d+)$/gm)]);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Calls over connections that are kept, as many at a time as there are of these. */
class Load {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  readonly #port: number;
  readonly #failures: string[] = [];
  readonly #loops: readonly Promise<void>[];
  #requests = 0;
  #stopped = false;

  constructor(port: number) {
    this.#port = port;
    this.#loops = Array.from({ length: CONNECTIONS }, () => this.#run());
  }

  /** Resolves when so many further requests were answered. */
  async more(count: number): Promise<void> {
    const enough = this.#requests + count;
    await eventually(
      () => this.#requests >= enough,
      () => this.#failures.join('\n'),
    );
  }

  async stop(): Promise<{ readonly requests: number; readonly failures: readonly string[] }> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    this.#agent.destroy();
    return { requests: this.#requests, failures: this.#failures };
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const failure = await this.#call();
      this.#requests++;
      if (failure !== undefined) this.#failures.push(failure);
      // The machine has other things to do.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  #call(): Promise<string | undefined> {
    return new Promise((resolve) => {
      const options = { host: '127.0.0.1', port: this.#port, agent: this.#agent, timeout: 10_000 };
      const sent = get(options, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('error', (error) => resolve(error.message));
        response.on('end', () =>
          resolve(response.statusCode === 200 ? undefined : `${response.statusCode} ${body}`),
        );
      });
      sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')));
      sent.on('error', (error) => resolve(error.message));
    });
  }
}

function meshYaml(port: number, replicas: number): string {
  return `apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: web }
spec:
  command: [node, web.mjs]
  ports: [{ name: http, port: 9080 }]
  replicas: ${replicas}
  serviceAccount: web
  labels: { app: web }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: http }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: edge }
  servers: [{ port: { number: ${port}, name: http, protocol: HTTP }, hosts: ['*'] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec:
  hosts: ['*']
  gateways: [edge]
  http: [{ route: [{ destination: { host: web, port: { number: 80 } } }] }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web, trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 10 } } } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
spec: { mtls: { mode: STRICT } }
`;
}
