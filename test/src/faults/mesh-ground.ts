import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Launcher, type Instance, type LaunchEvent, type RunningMesh } from '@heddle/cli';
import { systemClock, systemRandom } from '@heddle/common';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { SteadyCallers } from './steady-callers.js';

/** Each asks one thing after the other, so that no more than this can be in the hands of what is harmed. */
export const GET_CALLERS = 8;
export const POST_CALLERS = 4;

/** Notes the id of every POST that it sees, so that one which came twice is found. */
const PROGRAM = `
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    if (request.method === 'POST') appendFileSync(process.env.POSTS, request.headers['x-id'] + '\\n');
    setTimeout(() => response.end(process.env.INSTANCE + ' ' + process.env.GREETING), 2);
  });
});
server.listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

/** Moves the wall clock of every process that loads it, when told so by a file. */
const CLOCK_JUMP = `
import { readFileSync } from 'node:fs';
const now = Date.now.bind(Date);
let offset = 0;
setInterval(() => {
  try { offset = Number(readFileSync(process.env.CLOCK_OFFSET, 'utf8')) || 0; } catch { offset = 0; }
}, 50).unref();
Date.now = () => now() + offset;
`;

/** A mesh as heddle up runs it: a gateway, and two instances of one workload; every hop is mutual TLS. */
export class MeshGround {
  readonly #events: LaunchEvent[] = [];
  #folder = '';
  #launcher: Launcher | undefined;
  #mesh: RunningMesh | undefined;
  #gatewayPort = 0;

  async start(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'heddle-faults-'));
    const mesh = join(this.#folder, 'mesh');
    await mkdir(mesh);
    await writeFile(join(mesh, 'web.mjs'), PROGRAM);
    await writeFile(join(this.#folder, 'clock-jump.mjs'), CLOCK_JUMP);
    await writeFile(this.#postsFile, '');
    const wanted = await freePort();
    await this.write('gateway.yaml', gateway(wanted));
    await this.write('route.yaml', route());
    await this.write('web.yaml', workload({ replicas: 2, greeting: 'hello', posts: this.#postsFile }));
    this.#launcher = new Launcher({
      folders: [mesh],
      stateFolder: join(this.#folder, 'state'),
      apiPort: await freePort(),
      clock: systemClock,
      random: systemRandom,
      environment: {
        ...process.env,
        NODE_OPTIONS: `--import=${join(this.#folder, 'clock-jump.mjs')}`,
        CLOCK_OFFSET: join(this.#folder, 'clock-offset'),
      },
      report: (event) => this.#events.push(event),
    });
    this.#mesh = await this.#launcher.start();
    this.#gatewayPort = this.#mesh.gatewayPorts[String(wanted)] ?? 0;
    await this.settled();
  }

  async stop(): Promise<void> {
    await this.#launcher?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get launcher(): Launcher {
    if (this.#launcher === undefined) throw new Error('the mesh was not started');
    return this.#launcher;
  }

  get gatewayPort(): number {
    return this.#gatewayPort;
  }

  get gatewayAdminPort(): number {
    return this.#mesh?.gatewayAdminPort ?? 0;
  }

  get stateFolder(): string {
    return join(this.#folder, 'state');
  }

  get #postsFile(): string {
    return join(this.#folder, 'posts');
  }

  /** What was told lately, for messages. */
  get lastEvents(): string {
    return this.#events
      .slice(-5)
      .map((event) => JSON.stringify(event))
      .join('\n');
  }

  instance(index: number): Instance {
    const found = this.launcher.instances.filter(({ isReady }) => isReady)[index];
    if (found === undefined) throw new Error(`there is no instance ${index} that is ready`);
    return found;
  }

  /** Renamed into place. */
  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.#folder, name), text);
    await rename(join(this.#folder, name), join(this.#folder, 'mesh', name));
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#folder, 'mesh', name));
  }

  writeWorkload(options: { readonly replicas: number; readonly greeting: string }): Promise<void> {
    return this.write('web.yaml', workload({ ...options, posts: this.#postsFile }));
  }

  writeRoute(header = ''): Promise<void> {
    return this.write('route.yaml', route(header));
  }

  async setClockOffset(ms: number): Promise<void> {
    await writeFile(join(this.#folder, 'clock-offset'), String(ms));
  }

  /** Resolves when every instance is up, every proxy knows it, and requests are served. */
  async settled(): Promise<void> {
    if (!(await this.launcher.untilReady(60_000)))
      throw new Error(`not ready within 60 s\n${this.lastEvents}`);
    await eventually(
      async () => (await httpCall(this.#gatewayPort, '/')).status === 200,
      () => `the gateway serves nothing\n${this.lastEvents}`,
      60_000,
    );
  }

  /** Kills the sidecar of an instance. Resolves when another process serves in its place, with how long that took in ms. */
  async sidecarBackAfterKill(index: number): Promise<number> {
    const victim = this.instance(index);
    const { adminPort, sidecarPid } = victim;
    if (sidecarPid === undefined) throw new Error('the sidecar does not run');
    const startedMs = performance.now();
    process.kill(sidecarPid, 'SIGKILL');
    await eventually(
      async () =>
        victim.sidecarPid !== undefined &&
        victim.sidecarPid !== sidecarPid &&
        (await httpCall(adminPort, '/ready')).status === 200,
      () => `no other sidecar became ready\n${this.lastEvents}`,
      60_000,
    );
    return performance.now() - startedMs;
  }

  /** Keeps heddled dead: whenever it is started again it is killed again, before it can listen. */
  async withoutControlPlane<T>(act: () => Promise<T>): Promise<T> {
    const kill = (): void => {
      const pid = this.launcher.controlPlanePid;
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    };
    const again = setInterval(kill, 20);
    kill();
    try {
      return await act();
    } finally {
      clearInterval(again);
    }
  }

  /** Resolves when every proxy has its control plane again. */
  async untilConnected(): Promise<void> {
    const isConnected = async (port: number): Promise<boolean> =>
      /control_plane\.connected_state: 1\n/.test((await httpCall(port, '/stats')).body);
    await eventually(
      async () => (await Promise.all(this.adminPorts.map(isConnected))).every((connected) => connected),
      () => `not every proxy came back to heddled\n${this.lastEvents}`,
      60_000,
    );
  }

  /** GETs and POSTs through the gateway. */
  callers(): { readonly gets: SteadyCallers; readonly posts: SteadyCallers } {
    return {
      gets: new SteadyCallers({ port: this.#gatewayPort, callers: GET_CALLERS }),
      posts: new SteadyCallers({ port: this.#gatewayPort, callers: POST_CALLERS, method: 'POST' }),
    };
  }

  /** Ids of POSTs that instances saw more than once. */
  async postsSeenTwice(): Promise<readonly string[]> {
    const ids = (await readFile(this.#postsFile, 'utf8')).split('\n').filter((id) => id !== '');
    return ids.filter((id, i) => ids.indexOf(id) !== i);
  }

  async forgetPosts(): Promise<void> {
    await writeFile(this.#postsFile, '');
  }

  /** Admin ports of the gateway and of every sidecar. */
  get adminPorts(): readonly number[] {
    return [this.gatewayAdminPort, ...this.launcher.instances.map(({ adminPort }) => adminPort)];
  }

  /** When each listener, cluster, route and endpoint of every proxy last came from heddled. */
  async discovered(): Promise<readonly string[]> {
    const dumps = await Promise.all(
      this.adminPorts.map(async (port) => (await httpCall(port, '/config_dump?include_eds')).body),
    );
    return dumps.flatMap((dump, i) => {
      const { configs } = JSON.parse(dump) as { configs: { '@type': string }[] };
      return configs
        .filter((config) => /(Clusters|Listeners|Routes|Endpoints)ConfigDump$/.test(config['@type']))
        .flatMap((config) => JSON.stringify(config).match(/"last_updated":"[^"]+"/g) ?? [])
        .map((stamp) => `${i} ${stamp}`);
    });
  }

  /** Files of last good configurations, of all proxies. */
  async lastGoodFiles(): Promise<readonly string[]> {
    const folder = join(this.stateFolder, 'proxies');
    const files = await readdir(folder, { recursive: true });
    return files.filter((file) => /last-good-\w+\.bin$/.test(file)).map((file) => join(folder, file));
  }
}

function workload(options: {
  readonly replicas: number;
  readonly greeting: string;
  readonly posts: string;
}): string {
  return `apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: http }] }
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: web }
spec:
  command: [node, web.mjs]
  ports: [{ name: http, port: 9080 }]
  replicas: ${options.replicas}
  labels: { app: web }
  env: { GREETING: ${options.greeting}, POSTS: ${options.posts} }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
spec: { mtls: { mode: STRICT } }
`;
}

function gateway(port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: edge }
  servers: [{ port: { number: ${port}, name: http, protocol: HTTP }, hosts: ['*'] }]
`;
}

/** GETs may be sent again after anything; POSTs have what every route has by default. */
function route(header = ''): string {
  const added = header === '' ? '' : `\n      headers: { response: { set: { x-turn: '${header}' } } }`;
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec:
  hosts: ['*']
  gateways: [edge]
  http:
    - match: [{ method: { exact: GET } }]
      route: [{ destination: { host: web, port: { number: 80 } } }]${added}
      timeout: 15s
      retries: { attempts: 5, perTryTimeout: 1s, retryOn: 'connect-failure,refused-stream,reset,gateway-error' }
    - route: [{ destination: { host: web, port: { number: 80 } } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec:
  host: web
  trafficPolicy:
    connectionPool: { http: { maxRetries: 64 } }
    outlierDetection: { consecutiveGatewayErrors: 3, interval: 500ms, baseEjectionTime: 2s, maxEjectionPercent: 50 }
`;
}
