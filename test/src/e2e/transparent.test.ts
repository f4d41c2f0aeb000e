import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chown, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { RunningProgram } from '../support/running-program.js';

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));
/** Nobody, on most systems. */
const ORDINARY_UID = 65_534;
const isRoot = process.getuid?.() === 0;

/** A program that knows nothing of a mesh: it makes the calls that it is asked for, and says how it was called. */
const PROGRAM = `
import { createServer, get } from 'node:http';
import { connect } from 'node:net';
import { lookup } from 'node:dns';
const attempt = (call) => new Promise((done) => {
  const text = (error, body) => done(error ? error.code ?? error.message : String(body));
  if (call.name) lookup(call.name, (error, address) => text(error, address));
  else if (call.tcp) connect(call.tcp).on('error', text).once('data', (bytes) => text(undefined, bytes));
  else get(call.url, { agent: false }, (response) => {
    let body = '';
    response.on('data', (chunk) => body += chunk).on('end', () => text(undefined, response.statusCode + ' ' + body));
  }).on('error', text);
});
const server = createServer(async (request, response) => {
  const { searchParams } = new URL(request.url, 'http://localhost');
  if (searchParams.has('calls')) {
    response.end(JSON.stringify(await Promise.all(JSON.parse(searchParams.get('calls')).map(attempt))));
  } else {
    const caller = /URI=([^;,]+)/.exec(request.headers['x-forwarded-client-cert'] ?? '')?.[1];
    response.end([process.getuid(), request.headers.host, caller].join(' '));
  }
});
server.listen(process.env.PORT, process.env.BIND);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

/** Speaks first, as many databases do. */
const GREETER = `
import { createServer } from 'node:net';
const server = createServer((socket) => socket.on('error', () => {}).end('hello')).listen(5432, '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

const users = isRoot
  ? { root: undefined, 'an ordinary user': ORDINARY_UID }
  : { 'an ordinary user': undefined };

for (const [who, uid] of Object.entries(users)) {
  describe(`heddle up --interception transparent, by ${who}`, { timeout: 240_000 }, () => {
    it('takes everything that applications do to their sidecars, and leaves nothing behind', async (t) => {
      const mesh = await Mesh.start(t, uid);
      if (mesh === undefined) return;
      const ownUid = uid ?? process.getuid?.() ?? 0;
      const caller = 'spiffe://cluster.local/ns/shop/sa/front';
      assert.deepEqual(
        await mesh.call([
          { url: 'http://web/' },
          { url: 'http://web.shop.svc.cluster.local:9080/' },
          { url: 'http://web.shop:9080/' },
          { tcp: { host: 'greeter', port: 5432 } },
          { url: 'http://127.0.0.1:7000/' },
          { url: `http://198.18.0.2:${mesh.outsidePort}/` },
          { url: `http://runs-already/` },
          { url: 'http://web.shop:9081/' },
          { name: 'web' },
        ]),
        [
          `200 ${ownUid} web ${caller}`,
          `200 ${ownUid} web.shop.svc.cluster.local:9080 ${caller}`,
          `200 ${ownUid} web.shop:9080 ${caller}`,
          'hello',
          `200 ${ownUid} 127.0.0.1:7000 `,
          '200 outside',
          '200 outside',
          'ECONNRESET',
          mesh.virtualAddress,
        ],
      );

      // The pod's own addresses lead to its sidecar as well, which wants to know who calls, whatever the family.
      const [v4 = '', v6] = await mesh.addressesOf('web');
      assert.deepEqual(await mesh.call([{ url: `http://${v4}:8080/` }]), ['ECONNRESET']);
      assert.equal(v6 !== undefined, mesh.up.output.includes('IPv4 and IPv6'), mesh.up.output);
      if (v6 === undefined) t.diagnostic('this machine has no IPv6 for namespaces: not tried');
      else {
        const outside = `http://[fd68:6564:646c::2]:${mesh.outsidePort}/`;
        assert.deepEqual(await mesh.call([{ url: `http://[${v6}]:8080/` }, { url: outside }]), [
          'ECONNRESET',
          '200 outside',
        ]);
      }

      // The program is killed, and what it leaves is ended by the next start.
      mesh.up.kill('SIGKILL');
      await mesh.up.ended();
      await mesh.restart();
      assert.match(mesh.up.output, /ended \d+ processes that an earlier run left behind/);
      assert.deepEqual(await mesh.call([{ url: 'http://web/' }]), [`200 ${ownUid} web ${caller}`]);
      mesh.up.kill('SIGINT');
      assert.equal((await mesh.up.ended()).code, 0, mesh.up.output);
      await eventually(
        async () => (await mesh.processes()).length === 0,
        () => 'processes of the mesh go on',
      );
    });
  });
}

type Call =
  | { readonly url: string }
  | { readonly name: string }
  | { readonly tcp: { readonly host: string; readonly port: number } };

/** A front that is asked to call, and what it calls; mutual TLS is needed everywhere. */
class Mesh {
  up!: RunningProgram;
  virtualAddress = '';
  readonly #t: TestContext;
  readonly #uid: number | undefined;
  readonly #root: string;
  readonly #gatewayPort: number;
  readonly #outside: Server;

  private constructor(
    t: TestContext,
    uid: number | undefined,
    root: string,
    gatewayPort: number,
    outside: Server,
  ) {
    this.#t = t;
    this.#uid = uid;
    this.#root = root;
    this.#gatewayPort = gatewayPort;
    this.#outside = outside;
  }

  /** undefined: this machine does not allow it, and the test is skipped with the reason. */
  static async start(t: TestContext, uid: number | undefined): Promise<Mesh | undefined> {
    const root = await mkdtemp(join(tmpdir(), 'heddle-transparent-'));
    t.after(() => rm(root, { recursive: true, force: true }));
    const outside = createServer((_request, response) => response.end('outside'));
    await new Promise<void>((resolve) => outside.listen(0, resolve));
    t.after(() => outside.close());
    const gatewayPort = await freePort();
    const mesh = new Mesh(t, uid, root, gatewayPort, outside);
    const folder = join(root, 'mesh');
    await mkdir(folder);
    await writeFile(join(folder, 'app.mjs'), PROGRAM);
    await writeFile(join(folder, 'greeter.mjs'), GREETER);
    await writeFile(join(folder, 'mesh.yaml'), yaml(gatewayPort, (outside.address() as AddressInfo).port));
    if (uid !== undefined) await Promise.all([root, folder].map((path) => chown(path, uid, uid)));
    const reason = uid === undefined ? undefined : whyNotAs(uid);
    if (reason !== undefined) {
      t.skip(reason);
      return undefined;
    }
    const impossible = await mesh.restart();
    if (impossible === undefined) return mesh;
    t.skip(impossible);
    return undefined;
  }

  /** Resolves when calls through the gateway are answered; with the reason where the machine does not allow transparency. */
  async restart(): Promise<string | undefined> {
    const apiPort = await freePort();
    const asUser =
      this.#uid === undefined
        ? []
        : ['setpriv', `--reuid=${this.#uid}`, `--regid=${this.#uid}`, '--clear-groups'];
    const [command = '', ...args] = [
      ...[...asUser, process.execPath, heddle, 'up', '-f', join(this.#root, 'mesh')],
      ...['--state-dir', join(this.#root, 'state'), '--api-port', String(apiPort)],
      ...['--interception', 'transparent'],
    ];
    const up = new RunningProgram(command, args, { ...process.env, HOME: this.#root });
    this.up = up;
    this.#t.after(() => up.stop(20_000));
    const impossible = (): string | undefined =>
      /transparent interception is not possible on this machine: .*/.exec(up.output)?.[0];
    await eventually(
      async () => impossible() !== undefined || (await httpCall(this.#gatewayPort, '/')).status === 200,
      () => up.output,
      90_000,
    );
    if (impossible() !== undefined) return impossible();
    // Every instance is there before anything is asked of it.
    await eventually(
      () => ['front', 'web', 'greeter'].every((name) => up.output.includes(`${name}-0 is ready`)),
      () => up.output,
      60_000,
    );
    await eventually(
      async () => (await this.call([{ url: 'http://web/' }]))[0]?.startsWith('200') === true,
      () => up.output,
    );
    [this.virtualAddress = ''] = await this.call([{ name: 'web.shop.svc.cluster.local' }]);
    assert.match(this.virtualAddress, /^240\.240\./);
    return undefined;
  }

  /** Has the front make calls; each is answered by what came of it. */
  async call(calls: readonly Call[]): Promise<readonly string[]> {
    const path = `/?calls=${encodeURIComponent(JSON.stringify(calls))}`;
    const { status, body } = await httpCall(this.#gatewayPort, path);
    return status === 200 ? (JSON.parse(body) as string[]) : [`the gateway: ${status} ${body}`];
  }

  /** The port of a server on this machine, outside of the mesh. */
  get outsidePort(): number {
    return (this.#outside.address() as AddressInfo).port;
  }

  /** Those of its pod, one of each family. */
  async addressesOf(name: string): Promise<readonly string[]> {
    const folder = join(this.#root, 'state', 'bootstraps');
    for (const file of await readdir(folder)) {
      const { node } = JSON.parse(await readFile(join(folder, file), 'utf8')) as {
        readonly node: { readonly metadata: Readonly<Record<string, unknown>> };
      };
      if (node.metadata['NAME'] === `${name}-0`) return String(node.metadata['INSTANCE_IPS']).split(',');
    }
    return [];
  }

  /** What runs of this mesh. */
  async processes(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      if (environment.includes(`HEDDLE_LAUNCHED_IN=${this.#root}/`)) found.push(pid);
    }
    return found;
  }
}

/** The repository may be where that user cannot read it. */
function whyNotAs(uid: number): string | undefined {
  const args = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', process.execPath, heddle, '--version'];
  const run = spawnSync('setpriv', args, { encoding: 'utf8', timeout: 20_000 });
  if (run.status === 0) return undefined;
  return `user ${uid} cannot run heddle here: ${(run.error?.message ?? run.stderr).trim().split('\n').at(-1)}`;
}

function yaml(gatewayPort: number, outsidePort: number): string {
  const workload = (name: string, program: string, port: number, portName: string, bind = ''): string => `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: ${name}, namespace: shop }
spec:
  command: ['${process.execPath}', ${program}]
  ports: [{ name: ${portName}, port: ${port} }]
  serviceAccount: ${name}
  labels: { app: ${name} }
  env: { BIND: '${bind}' }
`;
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  selector: { istio: edge }
  servers: [{ port: { number: ${gatewayPort}, name: http, protocol: HTTP }, hosts: ['*'] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge, namespace: shop }
spec:
  hosts: ['*']
  gateways: [edge]
  http: [{ route: [{ destination: { host: front } }] }]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: shop }
spec: { mtls: { mode: STRICT } }
---
apiVersion: v1
kind: Service
metadata: { name: front, namespace: shop }
spec: { selector: { app: front }, ports: [{ name: http, port: 7000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8080 }, { name: http-too, port: 9080, targetPort: 8080 }]
---
apiVersion: v1
kind: Service
metadata: { name: greeter, namespace: shop }
spec: { selector: { app: greeter }, ports: [{ name: tcp, port: 5432 }] }
---
apiVersion: v1
kind: Service
metadata: { name: runs-already, namespace: shop }
spec: { selector: { app: runs-already }, ports: [{ name: http, port: 80, targetPort: http }] }
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: runs-already, namespace: shop }
spec:
  address: 127.0.0.1
  ports: [{ name: http, port: ${outsidePort} }]
  labels: { app: runs-already }
${workload('front', 'app.mjs', 7000, 'http', '127.0.0.1')}
${workload('web', 'app.mjs', 8080, 'http')}
${workload('greeter', 'greeter.mjs', 5432, 'tcp')}
`;
}
