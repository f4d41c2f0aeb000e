import assert from 'node:assert/strict';
import { createServer, request as httpRequest, type Server as HttpServer } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { silentLogger } from '@heddle/common';
import { envoy, fromJson, packAny, typeUrls, type PackedAny, type ProtoProblem } from '@heddle/xds-protos';
import { loadBootstrap } from './bootstrap.js';
import { parseCommandLine } from './bootstrap/command-line.js';
import { Server, StartError } from './server.js';
import { FakeAdsServer, type FakeAdsStream } from './xds/fake-ads-server.test-support.js';

const TYPES = 'type.googleapis.com/envoy.extensions.filters';
const folder = mkdtempSync(join(tmpdir(), 'heddle-server-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function manager(routes: object): object {
  return {
    filters: [
      {
        name: 'envoy.filters.network.http_connection_manager',
        typed_config: {
          '@type': `${TYPES}.network.http_connection_manager.v3.HttpConnectionManager`,
          stat_prefix: 'in',
          ...routes,
          http_filters: [
            {
              name: 'envoy.filters.http.router',
              typed_config: { '@type': `${TYPES}.http.router.v3.Router` },
            },
          ],
        },
      },
    ],
  };
}

const ROUTES = {
  name: 'routes',
  virtual_hosts: [
    { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'backend' } }] },
  ],
};

const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });

function loadAssignment(port: number): object {
  return {
    cluster_name: 'backend',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
  };
}

function listenerJson(name: string, port: number, routes: object): object {
  return { name, address: address(port), filter_chains: [manager(routes)] };
}

let servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  servers = [];
});

async function start(bootstrap: object, ...args: string[]): Promise<Server> {
  const file = join(folder, 'bootstrap.json');
  writeFileSync(file, JSON.stringify(bootstrap));
  const parsed = parseCommandLine(['-c', file, ...args]);
  assert.equal(parsed.kind, 'run');
  const config = await loadBootstrap((parsed as Extract<typeof parsed, { kind: 'run' }>).commandLine);
  const server = new Server({ config, log: silentLogger });
  servers.push(server);
  await server.start();
  return server;
}

/** The port behind `name 127.0.0.1:PORT`. */
function portOf(server: Server, name: string): number {
  const found = server.summary().listeners.find((line) => line.startsWith(`${name} `));
  return Number(found?.split(':').at(-1));
}

function ask(port: number, path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on('error', reject);
    request.end();
  });
}

describe('the proxy', () => {
  let backend: HttpServer;
  let backendPort = 0;
  let held: (() => void)[] = [];
  let onHeld: () => void = () => undefined;

  before(async () => {
    backend = createServer((request, response) => {
      if (request.url === '/held') {
        held.push(() => response.end('at last'));
        onHeld();
      } else response.end(`hello ${request.url}`);
    });
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    backendPort = (backend.address() as AddressInfo).port;
  });

  after(() => {
    backend.close();
    backend.closeAllConnections();
  });

  const staticBootstrap = (): object => ({
    node: { id: 'static' },
    admin: { address: address(0) },
    static_resources: {
      listeners: [listenerJson('main', 0, { route_config: ROUTES })],
      clusters: [
        {
          name: 'backend',
          type: 'STATIC',
          connect_timeout: '1s',
          load_assignment: loadAssignment(backendPort),
        },
      ],
    },
  });

  it('serves what a static bootstrap says, and shows it', async () => {
    const server = await start(staticBootstrap());
    await server.ready;
    assert.equal(server.state, 'LIVE');
    assert.deepEqual(await ask(portOf(server, 'main'), '/a'), { status: 200, body: 'hello /a' });
    const admin = server.adminAddress;
    assert.ok(admin?.kind === 'socket');
    assert.equal((await ask(admin.port, '/ready')).body, 'LIVE\n');
    assert.match((await ask(admin.port, '/clusters')).body, /^backend::127\.0\.0\.1:\d+::rq_total::1$/m);
    assert.match((await ask(admin.port, '/stats')).body, /^http\.in\.downstream_rq_2xx: 1$/m);
    const dump = await ask(admin.port, '/config_dump?include_eds');
    assert.match(dump.body, /"static_route_configs"/);
    assert.match(dump.body, /"static_endpoint_configs"/);
  });

  it('lets what is in flight finish when it drains, and takes nothing new', async () => {
    const server = await start(staticBootstrap());
    await server.ready;
    const port = portOf(server, 'main');
    const arrived = new Promise<void>((resolve) => (onHeld = resolve));
    const answer = ask(port, '/held');
    await arrived;
    const drained = server.drain(30_000);
    assert.equal(server.state, 'DRAINING');
    const refused = await new Promise<string>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
      socket.on('connect', () => socket.on('close', () => resolve('closed')));
    });
    assert.match(refused, /ECONNREFUSED|ECONNRESET|closed/);
    for (const finish of held.splice(0)) finish();
    assert.deepEqual(await answer, { status: 200, body: 'at last' });
    await drained;
    held = [];
  });

  it('cuts off what does not finish in time', async () => {
    const server = await start(staticBootstrap());
    await server.ready;
    const arrived = new Promise<void>((resolve) => (onHeld = resolve));
    const answer = ask(portOf(server, 'main'), '/held').catch((error: Error) => error);
    await arrived;
    await server.drain(10);
    await server.close();
    assert.ok((await answer) instanceof Error);
    for (const finish of held.splice(0)) finish();
  });

  it('says which address is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    await assert.rejects(
      start({ static_resources: { listeners: [listenerJson('main', port, { route_config: ROUTES })] } }),
      (error: Error) => error instanceof StartError && error.message.includes(String(port)),
    );
    await assert.rejects(
      start({ admin: { address: address(port) } }),
      (error: Error) => error instanceof StartError && error.message.includes(String(port)),
    );
    taken.close();
  });

  for (const variant of ['GRPC', 'DELTA_GRPC'] as const) {
    it(`serves what a control plane says, and the last of it when that is gone (${variant})`, async () => {
      const control = await FakeAdsServer.start();
      const bootstrap = {
        node: { id: `dynamic-${variant}`, cluster: 'c' },
        admin: { address: address(0) },
        dynamic_resources: {
          ads_config: {
            api_type: variant,
            transport_api_version: 'V3',
            grpc_services: [{ envoy_grpc: { cluster_name: 'control' } }],
          },
          lds_config: { ads: {} },
          cds_config: { ads: {} },
        },
        static_resources: {
          clusters: [
            {
              name: 'control',
              type: 'STATIC',
              load_assignment: { ...loadAssignment(control.port), cluster_name: 'control' },
              typed_extension_protocol_options: {
                'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
                  '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
                  explicit_http_config: { http2_protocol_options: {} },
                },
              },
            },
          ],
        },
      };
      const args = ['--state-dir', join(folder, `state-${variant}`)];
      const server = await start(bootstrap, ...args);
      const serving = serve(await control.nextStream(), backendPort);
      await server.ready;
      assert.deepEqual(await ask(portOf(server, 'dynamic'), '/x'), { status: 200, body: 'hello /x' });
      const admin = server.adminAddress;
      assert.ok(admin?.kind === 'socket');
      const dump = JSON.parse((await ask(admin.port, '/config_dump')).body) as { configs: unknown[] };
      assert.match(JSON.stringify(dump), /"dynamic_route_configs":\[\{"version_info":"v1"/);
      await server.drain(1000);
      await server.close();
      control.stop();
      await serving;

      const again = await start(bootstrap, ...args);
      await again.ready;
      assert.match(again.summary().controlPlane, /last good configuration/);
      assert.deepEqual(await ask(portOf(again, 'dynamic'), '/y'), { status: 200, body: 'hello /y' });
    });
  }
});

/** Answers each type once, with one resource. */
async function serve(stream: FakeAdsStream, backendPort: number): Promise<void> {
  const ads = { ads: {} };
  const resources: Readonly<Record<string, PackedAny>> = {
    [typeUrls.cluster]: packed(envoy.config.cluster.v3.Cluster, {
      name: 'backend',
      type: 'EDS',
      connect_timeout: '1s',
      eds_cluster_config: { eds_config: ads },
    }),
    [typeUrls.clusterLoadAssignment]: packed(
      envoy.config.endpoint.v3.ClusterLoadAssignment,
      loadAssignment(backendPort),
    ),
    [typeUrls.listener]: packed(
      envoy.config.listener.v3.Listener,
      listenerJson('dynamic', 0, { rds: { route_config_name: 'routes', config_source: ads } }),
    ),
    [typeUrls.routeConfiguration]: packed(envoy.config.route.v3.RouteConfiguration, ROUTES),
  };
  const names: Readonly<Record<string, string>> = {
    [typeUrls.cluster]: 'backend',
    [typeUrls.clusterLoadAssignment]: 'backend',
    [typeUrls.listener]: 'dynamic',
    [typeUrls.routeConfiguration]: 'routes',
  };
  const answered = new Set<string>();
  while (answered.size < 4) {
    const { typeUrl } = await stream.next();
    const resource = resources[typeUrl];
    if (answered.has(typeUrl) || resource === undefined) continue;
    answered.add(typeUrl);
    if (stream.variant === 'sotw') {
      stream.sendSotw({ typeUrl, versionInfo: 'v1', nonce: typeUrl, resources: [resource] });
    } else {
      const name = names[typeUrl] ?? '';
      stream.sendDelta({ typeUrl, nonce: typeUrl, resources: [{ name, version: 'v1', resource }] });
    }
  }
}

function packed(type: { readonly typeName: string }, json: object): PackedAny {
  const problems: ProtoProblem[] = [];
  const message = fromJson(type.typeName, json, problems);
  assert.deepEqual(problems, []);
  return packAny(type.typeName, message as object);
}
