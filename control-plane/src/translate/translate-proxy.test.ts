import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { translateCluster, translateListener, translateSecret } from '@heddle/engine';
import { envoy, packAny, toJson, unpackAny } from '@heddle/xds-protos';
import { buildModel } from '../model/build-model.js';
import { diffModels } from '../model/diff-models.js';
import type { MeshModel } from '../model/mesh-model.js';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import type { ProxyResources } from './proxy-resources.js';
import type { ProxyView } from './proxy-view.js';
import { translateEndpoints, translateProxy } from './translate-proxy.js';

const root = fileURLToPath(new URL('../../testdata/translate/', import.meta.url));
const update = process.env['HEDDLE_UPDATE_GOLDENS'] === '1';
const cases = readdirSync(root).sort();
const hcmType = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

describe('translateProxy', () => {
  it('has at least fifteen golden cases', () => assert.ok(cases.length >= 15));

  for (const name of cases) {
    it(`gives the golden resources of ${name}`, () => {
      const { model, view } = readCase(name);
      const actual = `${JSON.stringify(resourcesAsJson(translateProxy(model, view)), null, 2)}\n`;
      const golden = join(root, name, 'golden.json');
      if (update) writeFileSync(golden, actual);
      assert.equal(actual, readFileSync(golden, 'utf8'));
    });

    it(`gives equal bytes for ${name} read in another order`, () => {
      const { view } = readCase(name);
      const forwards = encoded(translateProxy(readCase(name).model, view));
      const backwards = encoded(translateProxy(readCase(name, true).model, view));
      assert.deepEqual(backwards, forwards);
    });

    it(`gives each EDS cluster of ${name} its endpoints, alone and as part of the whole`, () => {
      const { model, view } = readCase(name);
      const { clusters, loadAssignments } = translateProxy(model, view);
      for (const [cluster, { edsClusterConfig }] of clusters) {
        assert.equal(loadAssignments.has(cluster), edsClusterConfig != null, cluster);
        if (edsClusterConfig == null) continue;
        assert.deepEqual(translateEndpoints(model, cluster, view), loadAssignments.get(cluster));
      }
    });
  }

  for (const name of cases) {
    it(`gives resources of ${name} that heddle-proxy accepts`, () => {
      const { model, view } = readCase(name);
      const { listeners, clusters, secrets } = translateProxy(model, view);
      const { Listener } = envoy.config.listener.v3;
      const { Cluster } = envoy.config.cluster.v3;
      const { Secret } = envoy.extensions.transport_sockets.tls.v3;
      const translated = [
        ...[...listeners.values()].map((one) => translateListener(Listener.create(one))),
        ...[...clusters.values()].map((one) => translateCluster(Cluster.create(one))),
        ...[...secrets.values()].map((one) => translateSecret(Secret.create(one))),
      ];
      assert.deepEqual(
        translated.flatMap((one) => (one.ok ? [] : one.problems)),
        [],
      );
    });
  }

  const binary = findEnvoy();
  it(
    'gives resources that Envoy accepts',
    { skip: binary === undefined ? 'Envoy not found (HEDDLE_ENVOY, bench/peers)' : false },
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'heddle-translate-'));
      try {
        for (const name of cases) {
          const { model, view: written } = readCase(name);
          const view = { ...written, istioFilters: false };
          const file = join(folder, `${name}.json`);
          writeFileSync(file, withFixtures(JSON.stringify(staticBootstrap(translateProxy(model, view)))));
          const args = [
            '--mode',
            'validate',
            '-c',
            file,
            '--use-dynamic-base-id',
            '--concurrency',
            '1',
            '-l',
            'error',
          ];
          const { status, stderr } = spawnSync(binary ?? '', args, { encoding: 'utf8', timeout: 60_000 });
          assert.equal(status, 0, `${name}: ${stderr}`);
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
});

describe("Istio's filters", () => {
  for (const [name, type] of [
    ['telemetry-at-sidecar', 'sidecar'],
    ['telemetry-at-gateway', 'gateway'],
  ] as const) {
    it(`are given to a ${type} that has them, and kept from one that would refuse listeners with them`, () => {
      const { model, view } = readCase(name);
      const urls = ({ istioFilters }: { istioFilters: boolean }): boolean[] => {
        const { listeners } = translateProxy(model, { ...view, istioFilters });
        const text = JSON.stringify(listOf(listeners, envoy.config.listener.v3.Listener));
        return ['io.istio.http.peer_metadata.Config', 'stats.PluginConfig'].map((url) => text.includes(url));
      };
      assert.deepEqual(urls({ istioFilters: true }), [true, true]);
      assert.deepEqual(urls({ istioFilters: false }), [false, false]);
    });
  }
});

describe('callers of several localities', () => {
  it('get endpoints in the order that is theirs, whoever asked before', () => {
    const { model, view } = readCase('locality-failover');
    const name = 'outbound|9080||reviews.default.svc.cluster.local';
    const first = (region: string): unknown => {
      const locality = { region, zone: 'zone-1', subZone: '' };
      const { loadAssignments } = translateProxy(model, { ...view, locality });
      return loadAssignments.get(name)?.endpoints?.find(({ priority }) => priority === undefined)?.locality;
    };
    for (const region of ['us', 'asia', 'us'])
      assert.deepEqual(first(region), { region, zone: 'zone-1', subZone: '' });
  });
});

describe('intercepted connections that are for no service', () => {
  it('go where they were going, or nowhere where only the registry counts', () => {
    const { model, view } = readCase('captured-sidecar');
    const textOf = (outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY'): string => {
      const settings = { ...model.settings, outboundTrafficPolicy };
      // Another policy is another mesh.
      const resources = translateProxy({ ...model, settings, configHash: outboundTrafficPolicy }, view);
      return JSON.stringify([
        listOf(resources.listeners, envoy.config.listener.v3.Listener).filter((listener) =>
          JSON.stringify(listener).includes('"OUTBOUND"'),
        ),
        [...resources.routeConfigurations.values()],
      ]);
    };
    assert.match(textOf('ALLOW_ANY'), /"name":"allow_any"/);
    assert.match(textOf('ALLOW_ANY'), /"cluster":"PassthroughCluster"/);
    assert.match(textOf('REGISTRY_ONLY'), /"name":"block_all"/);
    assert.doesNotMatch(textOf('REGISTRY_ONLY'), /"cluster":"PassthroughCluster"/);
  });
});

describe('mirrors', () => {
  it('are kept from a proxy that would refuse routes with them', () => {
    const { model, view } = readCase('faults-mirrors-cors');
    const { routeConfigurations } = translateProxy(model, { ...view, mirrors: false });
    assert.ok(!JSON.stringify([...routeConfigurations.values()]).includes('"runtimeFraction"'));
    assert.ok(
      JSON.stringify([...translateProxy(model, view).routeConfigurations.values()]).includes(
        '"runtimeFraction"',
      ),
    );
  });
});

describe('diffModels', () => {
  it('sees that nothing but endpoints changed, and whose', () => {
    const before = modelOf(service('a') + entry('a-0', 'a', 1) + entry('a-1', 'a', 2) + service('b'));
    const after = modelOf(service('a') + entry('a-0', 'a', 1) + service('b'));
    assert.deepEqual(diffModels(before, after), {
      endpointsOnly: true,
      services: ['default/a.default.svc.cluster.local'],
      endpointRemoved: true,
    });
    assert.equal(diffModels(after, before).endpointRemoved, false);
  });

  it('sees a changed port as a changed configuration', () => {
    const before = modelOf(service('a'));
    const after = modelOf(service('a').replace('port: 9080', 'port: 9081'));
    assert.equal(diffModels(before, after).endpointsOnly, false);
  });
});

function service(name: string): string {
  return `---\napiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec:\n  selector: { app: ${name} }\n  ports: [{ name: http, port: 9080 }]\n`;
}

function entry(name: string, app: string, port: number): string {
  return `---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: { name: ${name} }\nspec: { address: 127.0.0.1, ports: { http: ${port} }, labels: { app: ${app} } }\n`;
}

function modelOf(source: string, reversed = false): MeshModel {
  const { resources, problems } = parseMeshFile(source, 'input.yaml');
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  );
  const ordered = reversed ? [...resources].reverse() : resources;
  return buildModel(new Map(ordered.map((resource) => [resource.key, resource]))).model;
}

function readCase(name: string, reversed = false): { model: MeshModel; view: ProxyView } {
  const source = readFileSync(join(root, name, 'input.yaml'), 'utf8');
  const view = JSON.parse(readFileSync(join(root, name, 'view.json'), 'utf8')) as ProxyView;
  return { model: modelOf(source, reversed), view };
}

function resourcesAsJson(resources: ProxyResources): unknown {
  return {
    listeners: listOf(resources.listeners, envoy.config.listener.v3.Listener),
    routeConfigurations: listOf(resources.routeConfigurations, envoy.config.route.v3.RouteConfiguration),
    clusters: listOf(resources.clusters, envoy.config.cluster.v3.Cluster),
    loadAssignments: listOf(resources.loadAssignments, envoy.config.endpoint.v3.ClusterLoadAssignment),
    ...(resources.nameTables.size === 0 ? {} : { nameTables: Object.fromEntries(resources.nameTables) }),
    ...(resources.secrets.size === 0 ? {} : { secrets: [...resources.secrets.values()].map(secretAsJson) }),
  };
}

/** The texts are those of the input. */
function secretAsJson({ name, tlsCertificate, validationContext }: Secret): unknown {
  const text = (source: envoy.config.core.v3.IDataSource | null | undefined): string =>
    Buffer.from(source?.inlineBytes ?? [])
      .toString('utf8')
      .replaceAll(/-----BEGIN ([A-Z ]+)-----[^-]+-----END [A-Z ]+-----\n/g, (block, kind: string) =>
        kind === 'CERTIFICATE' ? new X509Certificate(block).subject : kind,
      );
  return {
    name,
    ...(tlsCertificate == null
      ? {}
      : { certificate: text(tlsCertificate.certificateChain), key: text(tlsCertificate.privateKey) }),
    ...(validationContext == null ? {} : { authorities: text(validationContext.trustedCa) }),
  };
}

type Secret = envoy.extensions.transport_sockets.tls.v3.ISecret;

interface Codec<I, T> {
  encode(message: I): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

function listOf<I, T>(
  resources: ReadonlyMap<string, I>,
  type: Codec<I, T> & { readonly typeName: string },
): unknown[] {
  return [...resources.values()].map((resource) =>
    toJson(type.typeName, type.decode(type.encode(resource).finish()) as object),
  );
}

function encoded(resources: ProxyResources): string[] {
  const bytes = <I>(map: ReadonlyMap<string, I>, type: Codec<I, unknown>): string[] =>
    [...map].map(
      ([name, resource]) => `${name} ${Buffer.from(type.encode(resource).finish()).toString('base64')}`,
    );
  return [
    ...bytes(resources.listeners, envoy.config.listener.v3.Listener),
    ...bytes(resources.routeConfigurations, envoy.config.route.v3.RouteConfiguration),
    ...bytes(resources.clusters, envoy.config.cluster.v3.Cluster),
    ...bytes(resources.loadAssignments, envoy.config.endpoint.v3.ClusterLoadAssignment),
    ...bytes(resources.secrets, envoy.extensions.transport_sockets.tls.v3.Secret),
  ];
}

/** The same resources without a control plane: routes inside their listeners, endpoints inside their clusters. */
function staticBootstrap(resources: ProxyResources): unknown {
  const listeners = [...resources.listeners.values()].map((listener) => ({
    ...listener,
    filterChains: (listener.filterChains ?? []).map((chain) => {
      const [filter] = chain.filters ?? [];
      const manager =
        filter?.typedConfig == null ? undefined : unpackAny(filter.typedConfig as never, hcmType);
      if (manager?.rds == null) return chain;
      const { rds, ...rest } = manager;
      const routeConfig = resources.routeConfigurations.get(rds.routeConfigName);
      assert.ok(routeConfig !== undefined, `${listener.name ?? ''} names routes that are not there`);
      const typedConfig = packAny(hcmType, { ...rest, routeConfig });
      return { ...chain, filters: [{ name: filter?.name ?? '', typedConfig }] };
    }),
  }));
  const clusters = [...resources.clusters.values()].map((cluster) => {
    const { edsClusterConfig, ...rest } = cluster;
    const loadAssignment = resources.loadAssignments.get(cluster.name ?? '');
    if (edsClusterConfig == null || loadAssignment === undefined) return cluster;
    return { ...rest, type: envoy.config.cluster.v3.Cluster.DiscoveryType.STATIC, loadAssignment };
  });
  const bootstrap = {
    node: { id: 'test', cluster: 'test' },
    bootstrapExtensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typedConfig: packAny(envoy.extensions.bootstrap.internal_listener.v3.InternalListener, {}),
      },
    ],
    staticResources: {
      listeners,
      clusters: [...clusters, grpcCluster('sds-grpc')],
    },
  };
  const { Bootstrap } = envoy.config.bootstrap.v3;
  return toJson(Bootstrap.typeName, Bootstrap.decode(Bootstrap.encode(bootstrap).finish()));
}

/**
 * Envoy reads the files that a configuration names: certificates are there, whatever they are called. Secrets over ADS it cannot
 * have in a static cluster (1.40 falls over its own feet), so they come from where the workload's own come from.
 */
function withFixtures(json: string): string {
  const fixture = (name: string): string =>
    JSON.stringify(fileURLToPath(new URL(`../../testdata/certificates/${name}`, import.meta.url)));
  const ads = '"sds_config":{"ads":{},"resource_api_version":"V3"}';
  const own =
    '"sds_config":{"api_config_source":{"api_type":"GRPC","transport_api_version":"V3","grpc_services":[{"envoy_grpc":{"cluster_name":"sds-grpc"}}]}}';
  return json
    .replaceAll(ads, own)
    .replaceAll(/"\/etc\/certs\/[\w-]+\.key"/g, fixture('shop.key'))
    .replaceAll(/"\/etc\/certs\/[\w-]+\.pem"/g, fixture('shop.pem'))
    .replaceAll(/"\/etc\/certs\/[\w-]+\.crl"/g, fixture('revoked.crl'));
}

/** Where secrets come from: Envoy refuses a source that is not there. */
function grpcCluster(name: string): envoy.config.cluster.v3.ICluster {
  const { HttpProtocolOptions } = envoy.extensions.upstreams.http.v3;
  return {
    name,
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': packAny(HttpProtocolOptions, {
        explicitHttpConfig: { http2ProtocolOptions: {} },
      }),
    },
  };
}

function findEnvoy(): string | undefined {
  const fetched = fileURLToPath(new URL('../../../bench/peers/envoy', import.meta.url));
  const places = [process.env['HEDDLE_ENVOY'], fetched, join(fetched, 'envoy')];
  return places.find((place) => place !== undefined && statSync(place, { throwIfNoEntry: false })?.isFile());
}
