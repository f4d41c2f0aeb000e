import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'node:test';
import { proxyBootstrap, type ExplicitPlan, type ProxyIdentityPlan } from '@heddle/cli';
import { joinToken } from '../control-plane/ca-client.js';
import { startControlPlane, type RunningControlPlane } from '../control-plane/mesh-folder.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { readPrometheusText, type PrometheusSample } from '../support/prometheus-samples.js';
import { RunningProgram } from '../support/running-program.js';

const PROXY = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/data-plane')));

interface RunningProxy {
  readonly program: RunningProgram;
  readonly adminPort: number;
}

/** A gateway and two sidecars under heddled: `web` calls `cart`, by HTTP and by TCP. */
for (const secured of [false, true]) {
  describe(
    `Istio's metrics under heddled, over ${secured ? 'mutual TLS' : 'plain text'}`,
    { timeout: 120_000 },
    () => describeMesh(secured),
  );
}

function describeMesh(secured: boolean): void {
  let folder: string;
  let plane: RunningControlPlane;
  let application: Server;
  let echo: TcpServer;
  let web: RunningProxy;
  let cart: RunningProxy;
  let gateway: RunningProxy;
  const ports = { toCart: 0, toCartTcp: 0, cart: 0, cartTcp: 0, gateway: 0 };
  const seen: IncomingHttpHeaders[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'heddle-metrics-'));
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
    application = createServer((request, response) => {
      seen.push(request.headers);
      response.writeHead(Number(/^\/status\/(\d{3})$/.exec(request.url ?? '')?.[1] ?? 200));
      response.end('cart');
    });
    echo = createTcpServer((socket) => socket.pipe(socket));
    await Promise.all([application, echo].map((server) => listening(server)));
    const files = { 'mesh.yaml': meshYaml(ports.cart, ports.cartTcp, secured) };
    plane = await startControlPlane(files, secured ? { identity: {} } : {});
    cart = await startProxy(
      'cart-v2',
      'shop',
      { app: 'cart', version: 'v2' },
      {
        inbound: [
          { name: 'http', port: 8080, listen: ports.cart, application: portOf(application) },
          { name: 'tcp', port: 9090, listen: ports.cartTcp, application: portOf(echo) },
        ],
      },
    );
    web = await startProxy(
      'web-v1',
      'front',
      { app: 'web' },
      {
        outbound: {
          'cart.shop.svc.cluster.local:80': ports.toCart,
          'cart.shop.svc.cluster.local:9090': ports.toCartTcp,
        },
      },
    );
    gateway = await startProxy(
      'ingressgateway',
      'front',
      { istio: 'ingressgateway' },
      {
        gatewayPorts: { '8080': ports.gateway },
      },
    );
    for (const port of [ports.toCart, ports.gateway]) {
      await eventually(
        async () => (await httpCall(port, '/warm')).status === 200,
        () => `no answer\n${web.program.output}${cart.program.output}${gateway.program.output}`,
      );
    }
    for (const proxy of [web, cart, gateway])
      await httpCall(proxy.adminPort, '/reset_counters', { method: 'POST' });
    seen.length = 0;
  });

  after(async () => {
    await Promise.all([web, cart, gateway].map((proxy) => proxy?.program.stop()));
    await plane?.close();
    application.close();
    application.closeAllConnections();
    echo.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('count every request once at each side, by who called whom', async () => {
    for (let i = 0; i < 7; i++) await httpCall(ports.toCart, '/status/200');
    for (let i = 0; i < 3; i++) await httpCall(ports.toCart, '/status/503');
    for (let i = 0; i < 5; i++) await httpCall(ports.gateway, '/status/200');

    const [ok, failed] = await requests(web);
    assert.deepEqual([ok?.value, failed?.value], [7, 3]);
    assert.deepEqual(ok?.labels, {
      reporter: 'source',
      source_workload: 'web-v1',
      source_canonical_service: 'web',
      source_canonical_revision: 'latest',
      source_workload_namespace: 'front',
      source_principal: principalOf('front', 'web-v1'),
      source_app: 'web',
      source_version: 'unknown',
      source_cluster: 'Kubernetes',
      destination_workload: 'cart-v2',
      destination_workload_namespace: 'shop',
      destination_principal: principalOf('shop', 'cart-v2'),
      // The control plane does not tell these two; the destination's proxy does, and proves it.
      destination_app: secured ? 'cart' : 'unknown',
      destination_version: secured ? 'v2' : 'unknown',
      destination_service: 'cart.shop.svc.cluster.local',
      destination_canonical_service: 'cart',
      destination_canonical_revision: 'v2',
      destination_service_name: 'cart',
      destination_service_namespace: 'shop',
      destination_cluster: 'Kubernetes',
      request_protocol: 'http',
      response_code: '200',
      grpc_response_status: '',
      response_flags: '-',
      connection_security_policy: 'unknown',
    });
    assert.equal(failed?.labels['response_code'], '503');

    const [entered] = await requests(gateway);
    assert.equal(entered?.value, 5);
    assert.equal(entered?.labels['source_workload'], 'ingressgateway');
    assert.equal(entered?.labels['source_principal'], principalOf('front', 'ingressgateway'));
    assert.equal(entered?.labels['destination_workload'], 'cart-v2');

    const served = await requests(cart);
    // Plain text proves nothing, whatever the callers' proxies told.
    assert.deepEqual(
      served
        .map(({ labels, value }) => [labels['source_workload'], labels['response_code'], value])
        .sort((x, y) => (String(x) < String(y) ? -1 : 1)),
      secured
        ? [
            ['ingressgateway', '200', 5],
            ['web-v1', '200', 7],
            ['web-v1', '503', 3],
          ]
        : [
            ['unknown', '200', 12],
            ['unknown', '503', 3],
          ],
    );
    for (const { labels } of served) {
      assert.equal(labels['reporter'], 'destination');
      assert.equal(labels['destination_workload'], 'cart-v2');
      assert.equal(labels['destination_service'], 'cart.shop.svc.cluster.local');
      assert.equal(labels['destination_principal'], principalOf('shop', 'cart-v2'));
      assert.equal(labels['connection_security_policy'], secured ? 'mutual_tls' : 'none');
      if (secured) {
        assert.equal(labels['source_principal'], principalOf('front', String(labels['source_workload'])));
        assert.equal(labels['source_workload_namespace'], 'front');
      }
    }
  });

  it('time every request, and measure what it carried', async () => {
    const samples = await scrape(cart);
    const served = samples.filter(({ name }) => name === 'istio_requests_total');
    for (const what of ['request_duration_milliseconds', 'request_bytes', 'response_bytes']) {
      const counts = samples.filter(({ name }) => name === `istio_${what}_count`);
      assert.equal(
        sum(counts),
        sum(served) + 2,
        `${what}: those before the counters were set back are in there`,
      );
    }
  });

  it('tell applications nothing of what the proxies tell each other, and clients neither', async () => {
    const answer = await httpCall(ports.gateway, '/status/200');
    for (const headers of [answer.headers, ...seen]) {
      assert.deepEqual(
        Object.keys(headers).filter((name) => name.startsWith('x-envoy-peer-metadata')),
        [],
      );
    }
  });

  it('do not believe a client that forges who it is', async () => {
    const before = await requests(cart);
    const forged = Buffer.from('\n\x14\n\rWORKLOAD_NAME\x12\x03\x1a\x01x', 'latin1').toString('base64');
    const answer = await httpCall(ports.cart, '/status/200', {
      headers: { 'x-envoy-peer-metadata': forged, 'x-envoy-peer-metadata-id': 'sidecar~1~x.y~z' },
    });
    assert.equal(answer.status, 200);
    const after = await requests(cart);
    const nobody = (samples: readonly PrometheusSample[]): number =>
      sum(samples.filter(({ labels }) => labels['source_workload'] === 'unknown'));
    assert.equal(sum(after), sum(before) + 1);
    assert.equal(nobody(after), nobody(before) + 1);
    assert.deepEqual(
      after.filter(({ labels }) => labels['source_workload'] === 'x'),
      [],
    );
    assert.equal('x-envoy-peer-metadata' in (seen.at(-1) ?? {}), false);
  });

  it('count TCP connections and their bytes at both sides', async () => {
    const socket = connect(ports.toCartTcp, '127.0.0.1');
    socket.write('hello');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.end();
    await new Promise((resolve) => socket.once('close', resolve));
    for (const [proxy, reporter] of [
      [web, 'source'],
      [cart, 'destination'],
    ] as const) {
      const read = async (): Promise<Record<string, number>> =>
        Object.fromEntries(
          (await scrape(proxy))
            .filter(({ name, labels }) => name.startsWith('istio_tcp_') && labels['reporter'] === reporter)
            .map(({ name, value }) => [name, value]),
        );
      let found: Record<string, number> = {};
      await eventually(
        async () => (found = await read())['istio_tcp_connections_closed_total'] === 1,
        () => JSON.stringify(found),
      );
      assert.deepEqual(found, {
        istio_tcp_connections_opened_total: 1,
        istio_tcp_connections_closed_total: 1,
        istio_tcp_sent_bytes_total: 5,
        istio_tcp_received_bytes_total: 5,
      });
      const [opened] = (await scrape(proxy)).filter(
        ({ name }) => name === 'istio_tcp_connections_opened_total',
      );
      assert.deepEqual(
        [opened?.labels['source_principal'], opened?.labels['destination_principal']],
        [principalOf('front', 'web-v1'), principalOf('shop', 'cart-v2')],
      );
    }
  });

  it('stay within their bound, and lose no request to it', async () => {
    const before = sum(await requests(web));
    for (let status = 210; status < 250; status++) await httpCall(ports.toCart, `/status/${status}`);
    const samples = await requests(web);
    assert.equal(sum(samples), before + 40);
    assert.equal(samples.length, 21);
    const rest = samples.find(({ labels }) => labels['response_code'] === '_overflow');
    assert.ok(rest !== undefined && rest.value > 20);
    const overflowed = (await scrape(web)).find(({ name }) => name === 'envoy_istio_stats_overflowed');
    assert.ok((overflowed?.value ?? 0) > 0);
  });

  const promtool = spawnSync('promtool', ['--version']).error === undefined;
  it('are what promtool takes', { skip: promtool ? false : 'promtool is not installed' }, async () => {
    const { body } = await httpCall(web.adminPort, '/stats/prometheus');
    const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
    // 3: lint only, of names that Envoy gave.
    assert.ok(status === 0 || status === 3, stderr);
  });

  function principalOf(namespace: string, account: string): string {
    return secured ? `spiffe://cluster.local/ns/${namespace}/sa/${account}` : 'unknown';
  }

  async function startProxy(
    workloadName: string,
    namespace: string,
    labels: Readonly<Record<string, string>>,
    explicit: Partial<ExplicitPlan>,
  ): Promise<RunningProxy> {
    const adminPort = await freePort();
    const bootstrap = proxyBootstrap({
      role: workloadName === 'ingressgateway' ? 'router' : 'sidecar',
      name: `${workloadName}-0`,
      namespace,
      workloadName,
      labels,
      serviceAccount: workloadName,
      adminPort,
      xdsPort: secured ? plane.xdsTlsPort : plane.xdsPort,
      accessLog: 'none',
      identity: secured ? await identityOf(namespace, workloadName) : undefined,
      explicit: {
        bindAddress: '127.0.0.1',
        inbound: [],
        outbound: {},
        httpProxy: 0,
        gatewayPorts: {},
        ...explicit,
      },
    });
    const file = join(folder, `${workloadName}.json`);
    await writeFile(file, JSON.stringify(bootstrap));
    const program = new RunningProgram(process.execPath, [PROXY, '-c', file, '--max-series', '20']);
    await eventually(
      async () => (await httpCall(adminPort, '/ready')).status === 200,
      () => `${workloadName} is not ready\n${program.output}`,
    );
    return { program, adminPort };
  }

  async function identityOf(namespace: string, account: string): Promise<ProxyIdentityPlan> {
    const { token } = await joinToken(plane.apiPort, namespace, account);
    const tokenFile = join(folder, `${account}.token`);
    await writeFile(tokenFile, token, { mode: 0o600 });
    return {
      trustDomain: 'cluster.local',
      caAddress: `127.0.0.1:${plane.xdsTlsPort}`,
      rootsFile: plane.rootsFile,
      tokenFile,
    };
  }
}

async function scrape({ adminPort }: RunningProxy): Promise<readonly PrometheusSample[]> {
  return readPrometheusText((await httpCall(adminPort, '/stats/prometheus')).body);
}

/** Those that were counted since the counters were set back. */
async function requests(proxy: RunningProxy): Promise<readonly PrometheusSample[]> {
  const samples = await scrape(proxy);
  return samples
    .filter(({ name, value }) => name === 'istio_requests_total' && value > 0)
    .sort((a, b) => (String(a.labels['response_code']) < String(b.labels['response_code']) ? -1 : 1));
}

function sum(samples: readonly PrometheusSample[]): number {
  return samples.reduce((total, { value }) => total + value, 0);
}

async function listening(server: Server | TcpServer): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
}

function portOf(server: Server | TcpServer): number {
  return (server.address() as AddressInfo).port;
}

function meshYaml(http: number, tcp: number, secured: boolean): string {
  return `
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec:
  selector: { app: cart }
  ports: [{ name: http, port: 80, targetPort: http }, { name: tcp, port: 9090, targetPort: tcp }]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: cart-v2-0
  namespace: shop
  labels: { service.istio.io/workload-name: cart-v2 }
spec:
  address: 127.0.0.1
  ports: { http: ${http}, tcp: ${tcp} }
  serviceAccount: cart-v2
  labels: { app: cart, version: v2${secured ? ', security.istio.io/tlsMode: istio' : ''} }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: front }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: 8080, name: http, protocol: HTTP }
      hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge, namespace: front }
spec:
  hosts: ['*']
  gateways: [edge]
  http:
    - route: [{ destination: { host: cart.shop.svc.cluster.local, port: { number: 80 } } }]
`;
}
