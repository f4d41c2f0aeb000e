import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { echoed } from '../support/echoed.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { readPrometheusText } from '../support/prometheus-samples.js';
import { RunningProgram } from '../support/running-program.js';

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));

/** An application with a port of HTTP and one of TCP. */
const PROGRAM = `
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
createServer((request, response) => response.end('bank')).listen(process.env.PORT_HTTP, '127.0.0.1');
createTcpServer((socket) => socket.pipe(socket).on('error', () => socket.destroy())).listen(process.env.PORT_TCP, '127.0.0.1');
`;

const NAMES = ['bank', 'friend', 'stranger'] as const;

describe('heddle up --hbone', { timeout: 120_000 }, () => {
  let root: string;
  let up: RunningProgram;
  let apiPort: number;
  const metadata: Record<string, NodeMetadata> = {};

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'heddle-hbone-'));
    const mesh = join(root, 'mesh');
    await mkdir(mesh);
    await writeFile(join(mesh, 'program.mjs'), PROGRAM);
    await writeFile(join(mesh, 'mesh.yaml'), meshYaml());
    apiPort = await freePort();
    up = new RunningProgram(process.execPath, [
      ...[heddle, 'up', '--hbone', '-f', mesh, '--state-dir', join(root, 'state')],
      ...['--api-port', String(apiPort), '--interception', 'explicit'],
    ]);
    await eventually(
      () => NAMES.every((name) => up.output.includes(`${name}-0 is ready`)),
      () => up.output,
      60_000,
    );
    for (const name of NAMES) {
      const bootstrap = await readFile(join(root, 'state', 'bootstraps', `${name}-0.json`), 'utf8');
      metadata[name] = (JSON.parse(bootstrap) as { node: { metadata: NodeMetadata } }).node.metadata;
    }
    await eventually(
      async () => (await call('friend')).body === 'bank',
      () => up.output,
      60_000,
    );
  });

  after(async () => {
    await up.stop(20_000);
    await rm(root, { recursive: true, force: true });
  });

  const portTo = (caller: string, port: number): number =>
    metadata[caller]?.HEDDLE_EXPLICIT.outbound[`bank.default.svc.cluster.local:${port}`] ?? 0;
  const call = (caller: string): ReturnType<typeof httpCall> => httpCall(portTo(caller, 80), '/');
  const admin = async (name: string, path: string): Promise<string> =>
    (await httpCall(Number(metadata[name]?.HEDDLE_ADMIN.split(':')[1]), path)).body;
  const tunnels = async (): Promise<number> =>
    Number(
      /^http\.connect_terminate\.downstream_rq_total: (\d+)/m.exec(
        await admin('bank', '/stats?filter=connect_terminate'),
      )?.[1],
    );

  it('leads requests and connections through tunnels, where policies know who calls', async () => {
    const before = await tunnels();
    assert.equal((await call('stranger')).status, 403);
    assert.equal(await echoed(portTo('stranger', 81)), '');
    assert.equal(await echoed(portTo('friend', 81)), 'hello');
    assert.ok((await tunnels()) >= before + 3, 'they came by no tunnel');
  });

  it('explains what comes of a request through a tunnel, to each who calls', async () => {
    for (const [workload, status] of [
      ['friend', undefined],
      ['stranger', 403],
    ] as const) {
      const { body } = await httpCall(apiPort, '/api/v1/explain', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ from: `default/${workload}`, url: 'http://bank/' }),
      });
      const { outbound } = JSON.parse(body) as Explanation;
      assert.match(outbound.ways[0]?.forward.cluster.endpoints[0]?.transport ?? body, /a tunnel/);
      const [arrival] = outbound.ways[0]?.arrivals ?? [];
      assert.equal(arrival?.principal, `spiffe://cluster.local/ns/default/sa/${workload}`, body);
      const answers = arrival?.explanation.ways[0]?.filters.flatMap(({ answer }) => answer?.status ?? []);
      assert.deepEqual(answers, status === undefined ? [] : [status], body);
    }
  });

  it('counts the called requests by who called', async () => {
    const callers = readPrometheusText(await admin('bank', '/stats/prometheus'))
      .filter(({ name }) => name === 'istio_requests_total')
      .map(({ labels }) => [
        labels['source_principal'],
        labels['connection_security_policy'],
        labels['response_code'],
      ]);
    const principal = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
    assert.deepEqual(callers.sort(), [
      [principal('friend'), 'mutual_tls', '200'],
      [principal('stranger'), 'mutual_tls', '403'],
    ]);
  });
});

interface Explanation {
  readonly outbound: {
    readonly ways: readonly {
      readonly forward: {
        readonly cluster: { readonly endpoints: readonly { readonly transport: string }[] };
      };
      readonly arrivals: readonly {
        readonly principal: string;
        readonly explanation: {
          readonly ways: readonly {
            readonly filters: readonly { readonly answer?: { readonly status: number } }[];
          }[];
        };
      }[];
    }[];
  };
}

interface NodeMetadata {
  readonly HEDDLE_EXPLICIT: { readonly outbound: Readonly<Record<string, number>> };
  readonly HEDDLE_ADMIN: string;
}

function meshYaml(): string {
  return `apiVersion: v1
kind: Service
metadata: { name: bank }
spec:
  selector: { app: bank }
  ports: [{ name: http, port: 80 }, { name: tcp, port: 81 }]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: friends-alone }
spec:
  selector: { matchLabels: { app: bank } }
  rules:
    - from:
        - source:
            principals: [cluster.local/ns/default/sa/friend]
            # Addresses are known through tunnels as well.
            ipBlocks: [127.0.0.0/8]
            notIpBlocks: [10.0.0.0/8]
---
${NAMES.map(
  (name) => `apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: ${name} }
spec:
  command: [node, program.mjs]
  ports: [{ name: http, port: 80 }, { name: tcp, port: 81, protocol: TCP }]
  serviceAccount: ${name}
  labels: { app: ${name} }
`,
).join('---\n')}`;
}
