import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { TcpProxyConfig, TrafficDirection } from '@heddle/engine';
import { DEFAULT_METRICS, nodeMetadata, samplesOf, type Sample } from '../testing/istio-samples.js';
import {
  clusterConfig,
  endpoint,
  eventually,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  TestProxy,
} from '../testing/proxy-under-test.js';

describe('metrics of TCP connections', () => {
  let proxy: TestProxy;
  let upstream: Server;
  let client: RawClient;

  beforeEach(async () => {
    proxy = new TestProxy({ node: { metadata: nodeMetadata({ WORKLOAD_NAME: 'web', NAMESPACE: 'front' }) } });
    upstream = createServer((socket: Socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => socket.write(`${chunk.toString()}, you say`));
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    client.close();
    await proxy.close();
    await new Promise((resolve) => upstream.close(resolve));
  });

  it('count a connection while it is open, and its bytes both ways', async () => {
    await start('outbound');
    client.write('hello');
    await client.until((text) => text.includes('you say'));
    assert.equal(read('istio_tcp_connections_opened_total').value, 1);
    assert.equal(read('istio_tcp_connections_closed_total').value, 0);
    assert.equal(read('istio_tcp_received_bytes_total').value, 5);
    assert.equal(read('istio_tcp_sent_bytes_total').value, 14);
    client.close();
    await eventually(() => read('istio_tcp_connections_closed_total').value === 1);
    const { labels } = read('istio_tcp_connections_opened_total');
    assert.deepEqual(
      [
        'reporter',
        'source_workload',
        'destination_workload',
        'destination_service_name',
        'response_flags',
      ].map((name) => labels[name]),
      ['source', 'web', 'cart-v1', 'cart', '-'],
    );
  });

  it('know of a plain-text caller nothing', async () => {
    await start('inbound');
    client.write('hello');
    await client.until((text) => text.includes('you say'));
    const { labels } = read('istio_tcp_connections_opened_total');
    assert.deepEqual(
      ['reporter', 'source_workload', 'destination_workload', 'connection_security_policy'].map(
        (name) => labels[name],
      ),
      ['destination', 'unknown', 'web', 'none'],
    );
  });

  it('count a connection that never reached its upstream as opened and closed, with the reason', async () => {
    await start('outbound', { clusters: [{ name: 'nowhere', weight: 1 }] });
    await client.untilEnd();
    const opened = read('istio_tcp_connections_opened_total');
    assert.deepEqual([opened.value, opened.labels['response_flags']], [1, 'NC']);
    assert.equal(read('istio_tcp_connections_closed_total').value, 1);
  });

  async function start(direction: TrafficDirection, config: Partial<TcpProxyConfig> = {}): Promise<void> {
    const { port } = upstream.address() as AddressInfo;
    const metadata = { istio: { workload: 'cart-v1;shop;cart;v1;Kubernetes' } };
    const service = { host: 'cart.shop.svc.cluster.local', name: 'cart', namespace: 'shop' };
    proxy.clusters.apply(
      [
        clusterConfig('backend', [endpoint(port, { metadata })], {
          istio: { service, external: false, disableMetadataExchange: false },
        }),
      ],
      [],
    );
    const tcp: TcpProxyConfig = {
      statPrefix: 'tcp',
      clusters: [{ name: 'backend', weight: 1 }],
      totalWeight: 1,
      idleTimeoutMs: 0,
      maxConnectAttempts: 1,
      maxDownstreamConnectionDurationMs: 0,
      accessLogs: [],
      ...config,
    };
    const base = listenerConfig(managerConfig(routeConfig([])), { trafficDirection: direction });
    const [chain] = base.filterChains;
    assert.ok(chain);
    const problems = await proxy.listeners.apply(
      [
        {
          ...base,
          filterChains: [
            {
              ...chain,
              filters: [
                {
                  kind: 'istio-stats',
                  name: 'stats',
                  config: DEFAULT_METRICS,
                },
                { kind: 'tcp-proxy', name: 'tcp', config: tcp },
              ],
            },
          ],
        },
      ],
      [],
    );
    assert.deepEqual(problems, []);
    client = new RawClient(proxy.port());
  }

  function read(name: string): Sample {
    const samples = samplesOf(proxy.telemetry.metrics, name);
    assert.equal(samples.length, 1, name);
    return samples[0] as Sample;
  }
});
