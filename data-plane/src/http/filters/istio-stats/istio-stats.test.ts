import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
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
  forwardRoute,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  ROUTER,
  startBackend,
  TestProxy,
} from '../../../testing/proxy-under-test.js';

const METRICS = { ...DEFAULT_METRICS, disableHostHeaderFallback: false };
const WORKLOAD = 'cart-v1;shop;cart;v1;Kubernetes';

describe('metrics of requests through a whole proxy', () => {
  let proxy: TestProxy;
  let backend: Awaited<ReturnType<typeof startBackend>>;
  /** Headers of requests as the upstream got them. */
  const seen: Record<string, unknown>[] = [];
  /** As the clients wrote and read them. */
  const bytes = { sent: 0, received: 0 };

  before(async () => {
    proxy = new TestProxy({
      node: {
        id: 'sidecar~127.0.0.1~web-0.front~front.svc.cluster.local',
        metadata: nodeMetadata({ WORKLOAD_NAME: 'web', NAMESPACE: 'front', LABELS: { app: 'web' } }),
      },
    });
    backend = await startBackend((request, response) => {
      seen.push(request.headers);
      if (request.url === '/grpc') {
        response.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': '5' });
        response.end();
      } else response.end('hello');
    });
    const cart = endpoint(backend.port, { metadata: { istio: { workload: WORKLOAD } } });
    proxy.clusters.apply(
      [
        clusterConfig('cart', [cart], {
          istio: {
            service: { host: 'cart.shop.svc.cluster.local', name: 'cart', namespace: 'shop' },
            external: false,
            disableMetadataExchange: false,
          },
        }),
        clusterConfig('nowhere', []),
      ],
      [],
    );
    const routes = routeConfig([
      forwardRoute('/nowhere', 'nowhere'),
      forwardRoute('/cart', 'cart'),
      forwardRoute('/grpc', 'cart'),
    ]);
    const listener = (name: string, direction: 'inbound' | 'outbound') =>
      listenerConfig(
        managerConfig(routes, { httpFilters: [...telemetryFilters(direction, METRICS), ROUTER] }),
        {
          name,
          trafficDirection: direction,
        },
      );
    assert.deepEqual(
      await proxy.listeners.apply([listener('in', 'inbound'), listener('out', 'outbound')], []),
      [],
    );
  });

  after(async () => {
    await proxy.close();
    await backend.close();
  });

  it('are counted once for each request by the source, with the destination that the control plane tells', async () => {
    const before = { ...bytes };
    for (let i = 0; i < 3; i++) await call('out', 'GET /cart HTTP/1.1');
    const { labels, value } = only({
      reporter: 'source',
      destination_service_name: 'cart',
      response_code: '200',
    });
    assert.equal(value, 3);
    assert.equal(labels['source_workload'], 'web');
    assert.equal(labels['destination_workload'], 'cart-v1');
    assert.equal(labels['destination_service_namespace'], 'shop');
    for (const [name, total] of [
      ['istio_request_bytes', bytes.sent - before.sent],
      ['istio_response_bytes', bytes.received - before.received],
    ] as const) {
      const [sample] = samplesOf(proxy.telemetry.metrics, name);
      assert.deepEqual([sample?.value, sample?.sum], [3, total], name);
    }
  });

  it('are counted by the destination as of somebody unknown, whatever a plain-text client claims', async () => {
    const claimed = `x-envoy-peer-metadata: ${proxy.telemetry.localHeader}`;
    const answer = await call('in', `GET /cart HTTP/1.1\r\n${claimed}`);
    assert.equal('x-envoy-peer-metadata' in (seen.at(-1) ?? {}), false);
    assert.match(answer, /x-envoy-peer-metadata-id: sidecar~127\.0\.0\.1~web-0/);
    const { labels } = only({ reporter: 'destination' });
    assert.equal(labels['source_workload'], 'unknown');
    assert.equal(labels['destination_workload'], 'web');
    assert.equal(labels['connection_security_policy'], 'none');
  });

  it('tell gRPC by its own status', async () => {
    await call('out', 'POST /grpc HTTP/1.1\r\ncontent-type: application/grpc\r\ncontent-length: 0');
    const { labels } = only({ request_protocol: 'grpc' });
    assert.deepEqual([labels['response_code'], labels['grpc_response_status']], ['200', '5']);
  });

  it('count the messages of calls by gRPC', async () => {
    const messages = '\0\0\0\0\x02ab\0\0\0\0\0';
    await call(
      'out',
      'POST /grpc HTTP/1.1\r\ncontent-type: application/grpc\r\ncontent-length: 12',
      messages,
    );
    const labels = { request_protocol: 'grpc' };
    assert.equal(only(labels, 'istio_request_messages_total').value, 2);
    assert.equal(only(labels, 'istio_response_messages_total').value, 0);
  });

  it('count what the proxy answered itself, and bytes that were no request', async () => {
    await call('out', 'GET /nowhere HTTP/1.1');
    assert.equal(only({ response_flags: 'UH' }).labels['response_code'], '503');
    await call('out', 'GET /no-route HTTP/1.1');
    assert.equal(only({ response_flags: 'NR' }).labels['destination_service'], 'a');
    await call('out', 'NONSENSE');
    assert.equal(only({ response_flags: 'DPE' }).labels['response_code'], '400');
  });

  async function call(listener: string, head: string, body = ''): Promise<string> {
    const client = new RawClient(proxy.port(listener));
    const request = `${head}\r\nhost: a\r\nconnection: close\r\n\r\n${body}`;
    client.write(request);
    const answer = await client.untilEnd();
    client.close();
    bytes.sent += request.length;
    bytes.received += answer.length;
    return answer;
  }

  function only(wanted: Readonly<Record<string, string>>, metric = 'istio_requests_total'): Sample {
    const found = samplesOf(proxy.telemetry.metrics, metric).filter(({ labels }) =>
      Object.entries(wanted).every(([name, value]) => labels[name] === value),
    );
    assert.equal(found.length, 1, JSON.stringify(wanted));
    return found[0] as Sample;
  }
});
