import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { RunningProgram } from '../support/running-program.js';

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));

/** A program that knows nothing of a mesh. */
const PROGRAM = `
import { createServer } from 'node:http';
const server = createServer((request, response) => response.end(process.env.GREETING));
server.listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

describe('heddle up', { timeout: 240_000 }, () => {
  let root: string;
  let mesh: string;
  let gatewayPort: number;
  let up: RunningProgram;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'heddle up '));
    mesh = join(root, 'a mesh');
    await mkdir(mesh);
    gatewayPort = await freePort();
    await writeFile(join(mesh, 'web.mjs'), PROGRAM);
    await writeFile(join(mesh, 'web.yaml'), web({ greeting: 'one', replicas: 1 }));
    await writeFile(join(mesh, 'gateway.yaml'), gateway(gatewayPort));
    await writeFile(join(mesh, 'route.yaml'), route('web'));
    up = new RunningProgram(process.execPath, [
      ...[heddle, 'up', '-f', mesh, '--state-dir', join(root, 'state')],
      ...['--api-port', String(await freePort())],
    ]);
    await answers('one', 60_000);
  });

  after(async () => {
    await up.stop(20_000);
    await rm(root, { recursive: true, force: true });
  });

  it('replaces a changed program, scales it up and down, and drops no request', async () => {
    const load = new Load(gatewayPort);
    await writeFile(join(mesh, 'web.yaml'), web({ greeting: 'two', replicas: 2 }));
    await answers('two');
    await eventually(
      () => count(/web-0 was stopped/g) === 1 && count(/web-\d is ready/g) === 3,
      () => up.output,
    );
    await writeFile(join(mesh, 'web.yaml'), web({ greeting: 'two', replicas: 1 }));
    await eventually(
      () => count(/web-\d was stopped/g) === 2,
      () => up.output,
    );
    const { requests, failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(requests > 20, `only ${requests} requests were made`);
  });

  it('has an edit of a route in force within a second, towards what runs already, and drops no request', async () => {
    const outside = createServer((_request, response) => response.end('outside'));
    await new Promise<void>((resolve) => outside.listen(0, '127.0.0.1', resolve));
    try {
      await writeFile(join(mesh, 'outside.yaml'), outsideWorkload((outside.address() as AddressInfo).port));
      const load = new Load(gatewayPort);
      const editedAt = performance.now();
      await writeFile(join(mesh, 'route.yaml'), route('outside'));
      await answers('outside');
      const afterMs = performance.now() - editedAt;
      await writeFile(join(mesh, 'route.yaml'), route('web'));
      await answers('two');
      const { failures } = await load.stop();
      assert.deepEqual(failures, []);
      assert.ok(afterMs < 1_000, `in force after ${afterMs} ms`);
    } finally {
      await closed(outside);
    }
  });

  it('shows a mistake with file, line, field, expectation and suggestion, and keeps what was good', async () => {
    const good = route('web');
    await writeFile(join(mesh, 'route.yaml'), good.replace('gateways:', 'gatewys:'));
    await eventually(
      () => /did you mean: gateways/.test(up.output),
      () => up.output,
    );
    assert.match(up.output, /error: VirtualService default\/web: .*"gatewys"/);
    assert.match(up.output, /at .*route\.yaml:6:3 {2}spec\.gatewys\n/);
    assert.match(up.output, /6 \| {3}gatewys:.*\n +\| +\^\n +expected: one of/);
    assert.equal((await call(gatewayPort)).body, 'two');
    await writeFile(join(mesh, 'route.yaml'), good);
    await eventually(
      () => up.output.includes('all mistakes are mended'),
      () => up.output,
    );
  });

  it('takes nothing away that stood in a file which is empty for a moment, as it is while it is written', async () => {
    const load = new Load(gatewayPort);
    const good = web({ greeting: 'two', replicas: 1 });
    await writeFile(join(mesh, 'web.yaml'), '');
    await eventually(
      () => /is empty: what it held stays/.test(up.output),
      () => up.output,
    );
    await writeFile(join(mesh, 'web.yaml'), good);
    await answers('two');
    const { failures } = await load.stop();
    assert.deepEqual(failures, []);
  });

  it('keeps the old program while the new one cannot run, and says why', async () => {
    await writeFile(join(mesh, 'web.yaml'), web({ greeting: 'x', replicas: 1, program: 'missing.mjs' }));
    await eventually(
      () => /Cannot find module/.test(up.output),
      () => up.output,
    );
    assert.equal((await call(gatewayPort)).body, 'two');
    await writeFile(join(mesh, 'web.yaml'), web({ greeting: 'three', replicas: 1 }));
    await answers('three');
  });

  it('refuses a second mesh in the same state folder, and folders that are not there', async () => {
    const refused = async (args: readonly string[], why: RegExp): Promise<void> => {
      const second = new RunningProgram(process.execPath, [heddle, 'up', ...args]);
      const { code } = await second.ended();
      assert.equal(code, 1, second.output);
      assert.match(second.output, why);
    };
    await refused(['-f', mesh, '--state-dir', join(root, 'state')], /another heddle \(process \d+\)/);
    await refused(['-f', join(root, 'nowhere')], /there is no folder/);
    await refused(['-f', join(mesh, 'web.yaml')], /is a file/);
  });

  it('ends with 0 when it is interrupted', async () => {
    up.kill('SIGINT');
    const { code } = await up.ended();
    assert.equal(code, 0, up.output);
  });

  function count(what: RegExp): number {
    return up.output.match(what)?.length ?? 0;
  }

  async function answers(body: string, timeoutMs = 20_000): Promise<void> {
    let last = '';
    await eventually(
      async () => (last = (await call(gatewayPort)).body) === body,
      () => `the last answer was ${JSON.stringify(last)}; ${up?.output ?? ''}`,
      timeoutMs,
    );
  }
});

function web(options: { greeting: string; replicas: number; program?: string }): string {
  return `apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80 }] }
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: web }
spec:
  command: [node, ${options.program ?? 'web.mjs'}]
  ports: [{ name: http, port: 80 }]
  replicas: ${options.replicas}
  labels: { app: web }
  env: { GREETING: ${options.greeting} }
`;
}

function outsideWorkload(port: number): string {
  return `apiVersion: v1
kind: Service
metadata: { name: outside }
spec: { selector: { app: outside }, ports: [{ name: http, port: 80 }] }
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: outside }
spec:
  address: 127.0.0.1
  ports: [{ name: http, port: ${port} }]
  labels: { app: outside }
`;
}

function gateway(port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingress }
  servers: [{ port: { number: ${port}, name: http, protocol: HTTP }, hosts: ['*'] }]
`;
}

function route(host: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec:
  hosts: ['*']
  gateways: [edge]
  http: [{ route: [{ destination: { host: ${host}, port: { number: 80 } } }] }]
`;
}

interface Answer {
  /** 0: none. */
  readonly status: number;
  readonly body: string;
}

function call(port: number): Promise<Answer> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, agent: false, timeout: 5_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    }).on('error', (error) => resolve({ status: 0, body: error.message }));
  });
}

/** Calls one after another until it is stopped; what was not answered with 200 is kept. */
class Load {
  readonly #port: number;
  readonly #failures: string[] = [];
  readonly #done: Promise<void>;
  #requests = 0;
  #stopped = false;

  constructor(port: number) {
    this.#port = port;
    this.#done = this.#run();
  }

  async stop(): Promise<{ readonly requests: number; readonly failures: readonly string[] }> {
    this.#stopped = true;
    await this.#done;
    return { requests: this.#requests, failures: this.#failures };
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const { status, body } = await call(this.#port);
      this.#requests++;
      if (status !== 200) this.#failures.push(`${status} ${body}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
