import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fromJson, typeNameOf, typeUrls, type ProtoProblem } from '@heddle/xds-protos';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { heddleProxy } from '../support/proxy-subjects.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import type { RunningProgram } from '../support/running-program.js';
import { FakeControlPlane } from './fake-control-plane.js';

const BROKEN = fileURLToPath(new URL('../../../engine/testdata/translate/broken/', import.meta.url));

interface BrokenCase {
  readonly file: string;
  readonly typeUrl: string;
  readonly name: string;
  readonly json: NamedResource;
  readonly problems: readonly { readonly path: string; readonly message: string }[];
}

/** The broken resources that the translation is tested with; their names are those of good resources that serve. */
// Secrets and configurations of filters are asked for by who uses them, and nobody here does.
const cases = readBroken().filter(
  ({ typeUrl }) => typeUrl !== typeUrls.secret && typeUrl !== typeUrls.extensionConfig,
);

for (const variant of ['sotw', 'delta'] as const) {
  describe(`broken resources over ${variant}`, () => {
    const plane = new FakeControlPlane(variant);
    const upstreams = [new RecordingUpstream('b1'), new RecordingUpstream('b2')] as const;
    let folder = '';
    let proxy: RunningProgram;
    /** Served by the listener, route, cluster and endpoints that broken ones try to replace. */
    let victimPort = 0;
    /** Served by resources that every push changes in a good way. */
    let goodPort = 0;
    let generation = 0;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'heddle-broken-xds-'));
      for (const upstream of upstreams) await upstream.listen();
      victimPort = await freePort();
      goodPort = await freePort();
      setResource(plane, listener('l', victimPort, 'r', 'first'));
      setResource(plane, listener('good-l', goodPort, 'good-r', 'first'));
      setResource(plane, routes('r', 'a', 'first'));
      setResource(plane, routes('good-r', 'good-a', 'first'));
      for (const name of ['a', 'good-a']) {
        setResource(plane, edsCluster(name));
        setResource(plane, endpoints(name, upstreams[0].port));
      }
      const adminPort = await freePort();
      const file = join(folder, 'bootstrap.json');
      await writeFile(file, JSON.stringify(bootstrap(adminPort, await plane.listen(), variant)));
      proxy = heddleProxy().start(file, join(folder, 'state'));
      await eventually(
        async () =>
          (await httpCall(victimPort, '/')).status === 200 && (await httpCall(goodPort, '/')).status === 200,
        () => `the good configuration is not served\n${proxy.output}`,
      );
    });
    after(async () => {
      await proxy?.stop(2000);
      plane.close();
      for (const upstream of upstreams) await upstream.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('has at least 30 of them', () => assert.ok(cases.length >= 30, String(cases.length)));

    for (const broken of cases) {
      // In the incremental variant, endpoints under a name that nobody asked for are not looked at.
      if (variant === 'delta' && broken.file === 'endpoints-no-cluster-name.json') continue;
      it(`refuses ${broken.file} with every problem, applies the good one beside it, and keeps the last good`, async () => {
        generation++;
        const before = await httpCall(victimPort, '/');
        assert.equal(before.status, 200);
        const good = goodResource(broken.typeUrl, generation, goodPort, upstreams);
        setResource(plane, good.json);
        const { message } = decode(broken.json);
        plane.set(broken.typeUrl, broken.name, message);

        const { nack } = await plane.push(broken.typeUrl, [broken.name, good.name]);

        assert.ok(nack !== undefined, 'it was accepted');
        // Nothing more is said about what nobody can refer to.
        if (broken.name === '') assert.match(nack, /a resource has no name|must not be empty/);
        for (const problem of broken.name === '' ? [] : broken.problems) {
          assert.ok(nack.includes(problem.message), `${JSON.stringify(problem)} is not in\n${nack}`);
          assert.ok(nack.includes(problem.path), `the path of ${JSON.stringify(problem)} is not in\n${nack}`);
        }
        await eventually(
          () => good.isServed(),
          () => `the good ${good.name} of the same push was not applied\n${nack}\n${proxy.output}`,
          5000,
        );
        const answer = await httpCall(victimPort, '/');
        assert.equal(answer.status, 200, `the last good ${broken.name} does not serve any more`);
        assert.equal(answer.body, before.body);
        assert.equal(answer.headers['server'], before.headers['server']);
        assert.equal(answer.headers['x-generation'], before.headers['x-generation']);
        restore(plane, broken, victimPort, upstreams[0].port);
      });
    }

    it('accepts good resources again afterwards', async () => {
      for (const name of ['r', 'good-r'])
        setResource(plane, routes(name, name === 'r' ? 'a' : 'good-a', 'last'));
      const { nack } = await plane.push(typeUrls.routeConfiguration, ['r', 'good-r']);
      assert.equal(nack, undefined);
      for (const port of [victimPort, goodPort]) {
        await eventually(
          async () => (await httpCall(port, '/')).headers['x-generation'] === 'last',
          () => `the last generation is not served\n${proxy.output}`,
          5000,
        );
      }
    });
  });
}

interface GoodResource {
  readonly json: NamedResource;
  readonly name: string;
  /** Whether the change can be seen from outside. */
  isServed(): Promise<boolean>;
}

type NamedResource = { readonly '@type': string; readonly name?: string; readonly cluster_name?: string };

function goodResource(
  typeUrl: string,
  generation: number,
  port: number,
  upstreams: readonly [RecordingUpstream, RecordingUpstream],
): GoodResource {
  const mark = `generation-${generation}`;
  switch (typeUrl) {
    case typeUrls.listener:
      return {
        json: listener('good-l', port, 'good-r', mark),
        name: 'good-l',
        isServed: async () => (await httpCall(port, '/')).headers['server'] === mark,
      };
    case typeUrls.routeConfiguration:
      return {
        json: routes('good-r', 'good-a', mark),
        name: 'good-r',
        isServed: async () => (await httpCall(port, '/')).headers['x-generation'] === mark,
      };
    case typeUrls.cluster:
      return {
        json: staticCluster(mark, upstreams[0].port),
        name: mark,
        isServed: async () => (await httpCall(port, '/', { headers: { 'x-cluster': mark } })).status === 200,
      };
    default: {
      const upstream = upstreams[generation % 2] ?? upstreams[0];
      return {
        json: endpoints('good-a', upstream.port),
        name: 'good-a',
        isServed: async () => (await httpCall(port, '/')).body.startsWith(upstream.name),
      };
    }
  }
}

/** The control plane comes to its senses, without sending it: a later push must not send the same mistake. */
function restore(plane: FakeControlPlane, broken: BrokenCase, port: number, upstreamPort: number): void {
  plane.delete(broken.typeUrl, broken.name);
  if (broken.name === '') return;
  const good: Record<string, NamedResource> = {
    [typeUrls.listener]: listener('l', port, 'r', 'first'),
    [typeUrls.routeConfiguration]: routes('r', 'a', 'first'),
    [typeUrls.cluster]: edsCluster('a'),
    [typeUrls.clusterLoadAssignment]: endpoints('a', upstreamPort),
  };
  const resource = good[broken.typeUrl];
  if (resource !== undefined) setResource(plane, resource);
}

function setResource(plane: FakeControlPlane, json: NamedResource): void {
  const { message, problems } = decode(json);
  assert.deepEqual(problems, []);
  plane.set(json['@type'], json.name ?? json.cluster_name ?? '', message);
}

/** The message of a resource as it is in files: broken in what it says, not in its form. */
function decode({ '@type': typeUrl, ...json }: NamedResource): { message: object; problems: ProtoProblem[] } {
  const problems: ProtoProblem[] = [];
  const message = fromJson(typeNameOf(typeUrl), json, problems);
  assert.ok(message !== undefined, JSON.stringify(problems));
  return { message, problems };
}

function readBroken(): readonly BrokenCase[] {
  const files = readdirSync(BROKEN)
    .filter((file) => !file.endsWith('.golden.json'))
    .sort();
  return files.map((file) => {
    const json = JSON.parse(readFileSync(join(BROKEN, file), 'utf8')) as NamedResource;
    const golden = readFileSync(join(BROKEN, file.replace(/\.json$/, '.golden.json')), 'utf8');
    return {
      file,
      typeUrl: json['@type'],
      name: json.name ?? json.cluster_name ?? '',
      json,
      problems: JSON.parse(golden) as BrokenCase['problems'],
    };
  });
}

const ADS = { ads: {}, resource_api_version: 'V3' };

function listener(name: string, port: number, routeName: string, serverName: string): NamedResource {
  return {
    '@type': typeUrls.listener,
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              stat_prefix: name,
              server_name: serverName,
              rds: { route_config_name: routeName, config_source: ADS },
              http_filters: [
                {
                  name: 'envoy.filters.http.router',
                  typed_config: {
                    '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                  },
                },
              ],
            },
          },
        ],
      },
    ],
  } as NamedResource;
}

function routes(name: string, cluster: string, mark: string): NamedResource {
  return {
    '@type': typeUrls.routeConfiguration,
    name,
    response_headers_to_add: [{ header: { key: 'x-generation', value: mark } }],
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [
          {
            match: { prefix: '/', headers: [{ name: 'x-cluster', present_match: true }] },
            route: { cluster_header: 'x-cluster' },
          },
          { match: { prefix: '/' }, route: { cluster } },
        ],
      },
    ],
  } as NamedResource;
}

function edsCluster(name: string): NamedResource {
  return {
    '@type': typeUrls.cluster,
    name,
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config: ADS },
  } as NamedResource;
}

function staticCluster(name: string, port: number): NamedResource {
  const { '@type': _, ...assignment } = endpoints(name, port);
  return {
    '@type': typeUrls.cluster,
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: assignment,
  } as NamedResource;
}

function endpoints(name: string, port: number): NamedResource {
  return {
    '@type': typeUrls.clusterLoadAssignment,
    cluster_name: name,
    endpoints: [
      {
        lb_endpoints: [
          { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } },
        ],
      },
    ],
  } as NamedResource;
}

function bootstrap(adminPort: number, xdsPort: number, variant: 'sotw' | 'delta'): unknown {
  const xds = staticCluster('xds', xdsPort) as NamedResource & Record<string, unknown>;
  const { '@type': _, ...cluster } = xds;
  return {
    node: { id: 'broken-resources', cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    dynamic_resources: {
      ads_config: {
        api_type: variant === 'sotw' ? 'GRPC' : 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: ADS,
      lds_config: ADS,
    },
    static_resources: {
      clusters: [
        {
          ...cluster,
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
}
