import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.js';
import { InteropMesh, type MeshProxy } from '../support/interop-mesh.js';
import { heddleProxy } from '../support/proxy-subjects.js';

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Waited {
  readonly delivered: boolean;
  readonly proxies: readonly { readonly id: string; readonly state: string }[];
}

describe('heddle wait and heddle proxy-config beside live proxies', () => {
  let mesh: InteropMesh;
  let caller: MeshProxy;

  before(async () => {
    mesh = await InteropMesh.start({ 'service.yaml': SERVICE, 'route.yaml': route(1) });
    const explicit = { bindAddress: '127.0.0.1', inbound: [], outbound: {}, httpProxy: 0, gatewayPorts: {} };
    const start = async (name: string, outbound: Readonly<Record<string, number>>): Promise<MeshProxy> =>
      mesh.startProxy(heddleProxy(), {
        ...{ role: 'sidecar', name, labels: { app: name } },
        explicit: { ...explicit, outbound },
      });
    caller = await start('caller', { 'echo.default.svc.cluster.local:80': await freePort() });
    await start('idle', {});
    await mesh.synced();
  });
  after(() => mesh?.close());

  function run(...args: readonly string[]): Promise<Ended> {
    return new Promise((resolve) => {
      execFile(process.execPath, [heddle, ...args, '--api-port', String(mesh.apiPort)], (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code), out, err }),
      );
    });
  }

  it('waits for those to whom the resource matters, and for what its file says now', async () => {
    const first = await run('wait', 'virtualservice', 'echo', '-o', 'json');
    assert.equal(first.code, 0, first.err);
    const { delivered, proxies } = JSON.parse(first.out) as Waited;
    assert.deepEqual(
      [delivered, proxies.map(({ id, state }) => [id.split('~')[2], state])],
      [true, [['caller.default', 'acknowledged']]],
    );
    await mesh.write('route.yaml', route(7));
    const second = await run('wait', 'vs/echo.default', '--for=delivered');
    assert.equal(second.code, 0, second.err);
    assert.match(second.out, /VirtualService default\/echo is at every proxy it matters to: 1/);
    const { out } = await run('proxy-config', 'routes', 'caller', '-o', 'json');
    assert.match(out, /"timeout": "7s"/);
  });

  it('ends with 1 where the resource is refused, and with 3 where time is up', async () => {
    const missing = await run('wait', 'vs', 'missing', '--timeout', '0s');
    assert.equal(missing.code, 3);
    assert.match(missing.err, /VirtualService default\/missing is not in force yet; gave up after 0s/);
    await mesh.write('broken.yaml', route(1).replace('name: echo', 'name: broken').replace('http:', 'htpp:'));
    const broken = await run('wait', 'vs', 'broken');
    assert.equal(broken.code, 1);
    assert.match(broken.err, /broken is refused: .*broken\.yaml:\d+: /);
    await mesh.remove('broken.yaml');
    const unknown = await run('wait', 'pod', 'x');
    assert.deepEqual([unknown.code, /pod is no kind of resource; there are /.test(unknown.err)], [1, true]);
  });

  it('shows what a proxy says that it runs by, found by name or by its admin address', async () => {
    const clusters = await run('proxy-config', 'clusters', 'caller.default', '--port', '80');
    assert.match(clusters.out, /^echo\.default\.svc\.cluster\.local +80 +- +outbound +EDS/m);
    const admin = `127.0.0.1:${caller.adminPort}`;
    const all = await run('proxy-config', 'all', '--admin', admin, '-o', 'json');
    assert.deepEqual(Object.keys(JSON.parse(all.out) as object), [
      'bootstrap',
      'listeners',
      'routes',
      'clusters',
      'endpoints',
      'secrets',
    ]);
    const log = await run('proxy-config', 'log', 'caller', '--level', 'debug');
    assert.match(log.out, /all: debug/);
    const none = await run('proxy-config', 'listeners', 'nobody');
    assert.deepEqual([none.code, /there are caller\.default, idle\.default/.test(none.err)], [1, true]);
  });
});

const SERVICE = `apiVersion: v1
kind: Service
metadata: { name: echo }
spec: { selector: { app: echo }, ports: [{ name: http, port: 80 }] }
`;

function route(timeoutSeconds: number): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: [echo]
  http: [{ timeout: ${timeoutSeconds}s, route: [{ destination: { host: echo } }] }]
`;
}
