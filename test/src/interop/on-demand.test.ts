import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fromJson, typeNameOf, typeUrls, type ProtoProblem } from '@heddle/xds-protos';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall, type HttpAnswer, type HttpCallOptions } from '../support/http-call.js';
import { heddleProxy, realEnvoy, type ProxySubject } from '../support/proxy-subjects.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import type { RunningProgram } from '../support/running-program.js';
import { FakeControlPlane } from '../xds/fake-control-plane.js';

const TYPE = 'type.googleapis.com';
const ADS = { ads: {}, resource_api_version: 'V3' };
/** How long a request waits for a cluster. */
const CLUSTER_TIMEOUT_MS = 1000;

for (const subject of [heddleProxy(), realEnvoy()]) {
  describe(
    `virtual hosts and clusters when requests need them, ${subject.name}`,
    {
      skip: subject.missing,
      timeout: 90_000,
    },
    () => {
      const plane = new FakeControlPlane('delta');
      const upstream = new RecordingUpstream('upstream');
      let ground: Ground;
      const call = (host: string, options: HttpCallOptions = {}): Promise<HttpAnswer> =>
        httpCall(ground.port, '/', { ...options, headers: { ...options.headers, host } });
      const asked = (name: string): number =>
        plane.asked.flatMap(({ names }) => names).filter((one) => one === name).length;

      before(async () => {
        await upstream.listen();
        ground = await Ground.start(subject, plane, upstream.port);
      });
      after(async () => {
        await ground?.stop();
        plane.close();
        await upstream.close();
      });

      it('holds requests without a virtual host until it has come, and asks for it once', async () => {
        set(plane, 'routes/known.test', virtualHost('known.test', 'here'));
        const answers = await Promise.all(Array.from({ length: 5 }, () => call('known.test')));
        assert.deepEqual(
          answers.map(({ status }) => status),
          Array.from({ length: 5 }, () => 200),
          ground.output,
        );
        assert.equal((await call('known.test')).status, 200);
        assert.equal(asked('routes/known.test'), 1);
        assert.equal(await ground.flagsOf('known.test/-'), '-');
      });

      it('holds the body with the request', async () => {
        set(plane, 'routes/body.test', virtualHost('body.test', 'here'));
        upstream.takeRecorded();
        const { status } = await call('body.test', { method: 'POST', body: 'the whole body' });
        assert.equal(status, 200);
        assert.deepEqual(
          upstream.takeRecorded().map(({ body }) => body.toString()),
          ['the whole body'],
        );
      });

      it('goes by what the virtual host that has come says of later filters', async () => {
        const fault = {
          '@type': `${TYPE}/envoy.extensions.filters.http.fault.v3.HTTPFault`,
          abort: { http_status: 418, percentage: { numerator: 100 } },
        };
        set(plane, 'routes/faulty.test', {
          ...virtualHost('faulty.test', 'here'),
          typed_per_filter_config: { 'envoy.filters.http.fault': fault },
        });
        assert.equal((await call('faulty.test')).status, 418);
      });

      it('goes by what it says of earlier filters, and of upgrades', async () => {
        // Envoy 1.40 lets the first request through: its earlier filters have run by then.
        if (subject.name === 'envoy') return;
        const rbac = {
          '@type': `${TYPE}/envoy.extensions.filters.http.rbac.v3.RBACPerRoute`,
          rbac: { rules: { action: 'ALLOW', policies: {} } },
        };
        set(plane, 'routes/closed.test', {
          ...virtualHost('closed.test', 'here'),
          typed_per_filter_config: { 'envoy.filters.http.rbac': rbac },
        });
        assert.equal((await call('closed.test')).status, 403);
        set(plane, 'routes/tunnel.test', {
          ...virtualHost('tunnel.test', 'here'),
          routes: [
            {
              match: { prefix: '/' },
              route: { cluster: 'here', upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] },
            },
          ],
        });
        const headers = { connection: 'upgrade', upgrade: 'websocket' };
        assert.equal((await call('tunnel.test', { headers })).status, 403);
      });

      it('answers 404 where there is no such virtual host, and asks again with the next request', async () => {
        assert.equal((await call('unknown.test')).status, 404);
        assert.equal(await ground.flagsOf('unknown.test/-'), 'NR');
        // Envoy does not ask again.
        if (subject.name === 'envoy') return;
        set(plane, 'routes/unknown.test', virtualHost('unknown.test', 'here'));
        // heddle-proxy not within a second.
        await eventually(
          async () => (await call('unknown.test')).status === 200,
          () => ground.output,
        );
      });

      it('follows a virtual host that was fetched, until it is gone', async () => {
        set(plane, 'routes/changing.test', virtualHost('changing.test', 'here', 'old'));
        assert.equal((await call('changing.test')).headers['x-mark'], 'old');
        set(plane, 'routes/changing.test', virtualHost('changing.test', 'here', 'new'));
        await plane.push(typeUrls.virtualHost, ['routes/changing.test']);
        await eventually(
          async () => (await call('changing.test')).headers['x-mark'] === 'new',
          () => ground.output,
        );
        plane.remove(typeUrls.virtualHost, ['routes/changing.test']);
        await eventually(
          async () => (await call('changing.test')).status === 404,
          () => ground.output,
        );
        assert.equal((await call('inline.test')).status, 200);
      });

      it('holds requests without a cluster until it has come, and asks for it once', async () => {
        set(plane, 'late', cluster('late', upstream.port));
        const answers = await Promise.all(
          Array.from({ length: 5 }, () => call('inline.test', { headers: { 'x-cluster': 'late' } })),
        );
        assert.deepEqual(
          answers.map(({ status }) => status),
          Array.from({ length: 5 }, () => 200),
          ground.output,
        );
        assert.equal(asked('late'), 1);
      });

      it('answers 503 where there is no such cluster, or none comes in time', async () => {
        assert.equal((await call('inline.test', { headers: { 'x-cluster': 'nowhere' } })).status, 503);
        assert.equal(await ground.flagsOf('inline.test/nowhere'), 'NC');
        plane.silentAbout.add('silent');
        const began = performance.now();
        assert.equal((await call('inline.test', { headers: { 'x-cluster': 'silent' } })).status, 503);
        assert.ok(performance.now() - began >= CLUSTER_TIMEOUT_MS - 50);
        assert.equal(await ground.flagsOf('inline.test/silent'), 'NC');
      });

      it('fetches the cluster of a virtual host that was fetched', async () => {
        set(plane, 'routes/both.test', virtualHost('both.test', 'both'));
        set(plane, 'both', cluster('both', upstream.port));
        assert.equal((await call('both.test')).status, 200, ground.output);
      });
    },
  );
}

/** A proxy with a listener whose routes hold one virtual host, under a control plane that has more. */
class Ground {
  readonly port: number;
  readonly #folder: string;
  readonly #program: RunningProgram;

  static async start(subject: ProxySubject, plane: FakeControlPlane, upstreamPort: number): Promise<Ground> {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-on-demand-'));
    const ports = { admin: await freePort(), listener: await freePort(), xds: await plane.listen() };
    set(plane, 'here', cluster('here', upstreamPort));
    set(plane, 'l', listener(ports.listener, join(folder, 'access.log')));
    set(plane, 'routes', routes());
    const file = join(folder, 'bootstrap.json');
    await writeFile(file, JSON.stringify(bootstrap(ports.admin, ports.xds)));
    const ground = new Ground(ports.listener, folder, subject.start(file, join(folder, 'state')));
    await eventually(
      async () =>
        (await httpCall(ports.admin, '/ready')).status === 200 &&
        (await httpCall(ports.listener, '/', { headers: { host: 'inline.test' } })).status === 200,
      () => ground.output,
    );
    return ground;
  }

  private constructor(port: number, folder: string, program: RunningProgram) {
    this.port = port;
    this.#folder = folder;
    this.#program = program;
  }

  get output(): string {
    return this.#program.output;
  }

  /** Of the first request that was logged so: `HOST/CLUSTER`. */
  async flagsOf(request: string): Promise<string> {
    let line: string | undefined;
    await eventually(
      async () => {
        const text = await readFile(join(this.#folder, 'access.log'), 'utf8');
        line = text.split('\n').find((one) => one.startsWith(`${request} `));
        return line !== undefined;
      },
      () => this.output,
    );
    return line?.split(' ')[1] ?? '';
  }

  async stop(): Promise<void> {
    await this.#program.stop(2000);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

interface NamedResource {
  readonly '@type': string;
  readonly [field: string]: unknown;
}

function set(plane: FakeControlPlane, name: string, { '@type': typeUrl, ...json }: NamedResource): void {
  const problems: ProtoProblem[] = [];
  const message = fromJson(typeNameOf(typeUrl), json, problems);
  assert.ok(message !== undefined && problems.length === 0, JSON.stringify(problems));
  plane.set(typeUrl, name, message);
}

function virtualHost(domain: string, cluster: string, mark = 'none'): NamedResource {
  return {
    '@type': typeUrls.virtualHost,
    name: `routes/${domain}`,
    domains: [domain],
    response_headers_to_add: [{ header: { key: 'x-mark', value: mark } }],
    routes: [{ match: { prefix: '/' }, route: { cluster } }],
  };
}

function routes(): NamedResource {
  return {
    '@type': typeUrls.routeConfiguration,
    name: 'routes',
    // Envoy waits as long for virtual hosts that nobody has asked for.
    vhds: { config_source: { ...ADS, initial_fetch_timeout: '1s' } },
    virtual_hosts: [
      {
        name: 'inline',
        domains: ['inline.test'],
        routes: [
          {
            match: { prefix: '/', headers: [{ name: 'x-cluster', present_match: true }] },
            route: { cluster_header: 'x-cluster' },
          },
          { match: { prefix: '/' }, route: { cluster: 'here' } },
        ],
      },
    ],
  };
}

function cluster(name: string, port: number): NamedResource {
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  return {
    '@type': typeUrls.cluster,
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
  };
}

function listener(port: number, log: string): NamedResource {
  const filter = (name: string, type: string, config: object = {}): object => ({
    name: `envoy.filters.http.${name}`,
    typed_config: { '@type': `${TYPE}/envoy.extensions.filters.http.${type}`, ...config },
  });
  const odcds = { source: ADS, timeout: `${CLUSTER_TIMEOUT_MS / 1000}s` };
  return {
    '@type': typeUrls.listener,
    name: 'l',
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: 'http',
            typed_config: {
              '@type': `${TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              stat_prefix: 'l',
              rds: { route_config_name: 'routes', config_source: ADS },
              http_filters: [
                // Before the one that fetches, and goes by what was fetched all the same.
                filter('rbac', 'rbac.v3.RBAC'),
                filter('on_demand', 'on_demand.v3.OnDemand', { odcds }),
                filter('fault', 'fault.v3.HTTPFault'),
                filter('router', 'router.v3.Router'),
              ],
              access_log: [
                {
                  name: 'file',
                  typed_config: {
                    '@type': `${TYPE}/envoy.extensions.access_loggers.file.v3.FileAccessLog`,
                    path: log,
                    log_format: {
                      text_format_source: {
                        inline_string: '%REQ(:AUTHORITY)%/%REQ(X-CLUSTER)% %RESPONSE_FLAGS%\n',
                      },
                    },
                  },
                },
              ],
            },
          },
        ],
      },
    ],
  };
}

function bootstrap(adminPort: number, xdsPort: number): object {
  const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  return {
    node: { id: 'on-demand', cluster: 'on-demand' },
    admin: { address: address(adminPort) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'control-plane' } }],
      },
      lds_config: ADS,
      cds_config: ADS,
    },
    static_resources: {
      clusters: [
        {
          name: 'control-plane',
          type: 'STATIC',
          connect_timeout: '5s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': `${TYPE}/envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'control-plane',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(xdsPort) } }] }],
          },
        },
      ],
    },
  };
}
