import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { HttpConnectionManagerConfig, IstioClusterConfig, NetworkFilterConfig } from '@heddle/engine';
import {
  DEFAULT_METRICS,
  nodeMetadata,
  samplesOf,
  telemetryFilters,
  type Sample,
} from '../../../testing/istio-samples.js';
import {
  clusterConfig,
  endpoint,
  eventually,
  forwardRoute,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  ROUTER,
  startBackend,
  TestProxy,
} from '../../../testing/proxy-under-test.js';
import {
  clientTls,
  forgeRoot,
  forgeWorkload,
  identity,
  serverTls,
  TestTls,
} from '../../../testing/tls-under-test.js';

const root = forgeRoot('root');
const CART: IstioClusterConfig = {
  service: { host: 'cart.default.svc.cluster.local', name: 'cart', namespace: 'default' },
  external: false,
  disableMetadataExchange: false,
};

/** Two sidecars in this process, with mutual TLS between them. */
describe('metrics over mutual TLS', () => {
  let web: TestProxy;
  let cart: TestProxy;
  let backend: Awaited<ReturnType<typeof startBackend>>;
  const seen: string[][] = [];

  beforeEach(async () => {
    backend = await startBackend((request, response) => {
      seen.push(Object.keys(request.headers));
      response.end('hello');
    });
    cart = new TestProxy({
      tls: new TestTls().use(forgeWorkload('server', root), root),
      node: nodeOf('cart-v2', 'default', { app: 'cart', version: 'v2' }),
    });
  });

  afterEach(async () => {
    await web.close();
    await cart.close();
    await backend.close();
  });

  it('name both workloads and both principals at both sides', async () => {
    await start('web-v1', 'default');
    for (let i = 0; i < 3; i++) await call();
    const client = only(web, 'istio_requests_total');
    const server = only(cart, 'istio_requests_total');
    assert.deepEqual([client.value, server.value], [3, 3]);
    const ofServer = { reporter: 'destination', connection_security_policy: 'mutual_tls' };
    const ofClient = { reporter: 'source', connection_security_policy: 'unknown' };
    assert.deepEqual({ ...client.labels, ...ofServer }, { ...server.labels });
    assert.deepEqual({ ...server.labels, ...ofClient }, { ...client.labels });
    assert.deepEqual(pick(server, 'source'), {
      source_workload: 'web-v1',
      source_workload_namespace: 'default',
      source_principal: identity('client'),
      source_app: 'web',
      source_version: 'unknown',
      source_cluster: 'Kubernetes',
      source_canonical_service: 'web',
      source_canonical_revision: 'latest',
    });
    assert.deepEqual(pick(client, 'destination_p', 'destination_w', 'destination_v', 'destination_a'), {
      destination_principal: identity('server'),
      destination_workload: 'cart-v2',
      destination_workload_namespace: 'default',
      destination_version: 'v2',
      destination_app: 'cart',
    });
    assert.deepEqual(
      seen.flat().filter((name) => name.startsWith('x-envoy-peer-metadata')),
      [],
    );
  });

  it('do not believe a sidecar that claims another namespace than its certificate’s', async () => {
    await start('vault', 'bank');
    await call();
    assert.deepEqual(pick(only(cart, 'istio_requests_total'), 'source'), {
      source_workload: 'unknown',
      source_workload_namespace: 'default',
      source_principal: identity('client'),
      source_app: 'unknown',
      source_version: 'unknown',
      source_cluster: 'unknown',
      source_canonical_service: 'unknown',
      source_canonical_revision: 'latest',
    });
  });

  it('name the principals of TCP connections', async () => {
    await start('web-v1', 'default', true);
    await call();
    for (const [proxy, reporter] of [
      [web, 'source'],
      [cart, 'destination'],
    ] as const) {
      await eventually(
        () => samplesOf(proxy.telemetry.metrics, 'istio_tcp_connections_closed_total')[0]?.value === 1,
      );
      const { labels } = only(proxy, 'istio_tcp_connections_opened_total');
      assert.equal(labels['reporter'], reporter);
      assert.equal(labels['source_principal'], identity('client'));
      assert.equal(labels['destination_principal'], identity('server'));
      assert.equal(labels['source_workload_namespace'], 'default');
    }
  });

  async function start(workload: string, namespace: string, asTcp = false): Promise<void> {
    web = new TestProxy({
      tls: new TestTls().use(forgeWorkload('client', root), root),
      node: nodeOf(workload, namespace, { app: 'web' }),
    });
    cart.clusters.apply([clusterConfig('upstream', [endpoint(backend.port)], { istio: CART })], []);
    await listen(cart, 'inbound', asTcp);
    const toCart = { istio: CART, transportSocket: clientTls() };
    web.clusters.apply([clusterConfig('upstream', [endpoint(cart.port())], toCart)], []);
    await listen(web, 'outbound', asTcp);
  }

  async function listen(proxy: TestProxy, direction: 'inbound' | 'outbound', asTcp: boolean): Promise<void> {
    const base = listenerConfig(httpManager(direction), { trafficDirection: direction });
    const [chain] = base.filterChains;
    assert.ok(chain);
    const secured = {
      ...chain,
      ...(asTcp ? { filters: tcpFilters } : {}),
      ...(direction === 'inbound' ? { transportSocket: serverTls() } : {}),
    };
    assert.deepEqual(await proxy.listeners.apply([{ ...base, filterChains: [secured] }], []), []);
  }

  async function call(): Promise<void> {
    const client = new RawClient(web.port());
    client.write('GET / HTTP/1.1\r\nhost: cart\r\nconnection: close\r\n\r\n');
    assert.match(await client.untilEnd(), /^HTTP\/1\.1 200 OK.*hello$/s);
    client.close();
  }
});

function only(proxy: TestProxy, name: string): Sample {
  const samples = samplesOf(proxy.telemetry.metrics, name);
  assert.equal(samples.length, 1, JSON.stringify(samples.map(({ labels }) => labels)));
  return samples[0] as Sample;
}

function pick({ labels }: Sample, ...prefixes: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(([name]) => prefixes.some((prefix) => name.startsWith(prefix))),
  );
}

function nodeOf(workload: string, namespace: string, labels: Readonly<Record<string, string>>) {
  return {
    id: `sidecar~127.0.0.1~${workload}-0.${namespace}~${namespace}.svc.cluster.local`,
    metadata: nodeMetadata({
      WORKLOAD_NAME: workload,
      NAMESPACE: namespace,
      CLUSTER_ID: 'Kubernetes',
      LABELS: labels,
    }),
  };
}

function httpManager(direction: 'inbound' | 'outbound'): HttpConnectionManagerConfig {
  const httpFilters = [...telemetryFilters(direction), ROUTER];
  return managerConfig(routeConfig([forwardRoute('/', 'upstream')]), { httpFilters });
}

const tcpFilters: readonly NetworkFilterConfig[] = [
  { kind: 'istio-stats', name: 'istio.stats', config: DEFAULT_METRICS },
  {
    kind: 'tcp-proxy',
    name: 'tcp',
    config: {
      statPrefix: 'tcp',
      clusters: [{ name: 'upstream', weight: 1 }],
      totalWeight: 1,
      idleTimeoutMs: 0,
      maxConnectAttempts: 1,
      maxDownstreamConnectionDurationMs: 0,
      accessLogs: [],
    },
  },
];
