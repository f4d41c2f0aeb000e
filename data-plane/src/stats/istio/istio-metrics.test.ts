import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import { HeaderMap, type LabelExpression, type MetricOverride, type RequestHead } from '@heddle/engine';
import { DEFAULT_METRICS, nodeMetadata, samplesOf, type Sample } from '../../testing/istio-samples.js';
import { StatsStore } from '../stats-store.js';
import { UNKNOWN_PEER } from './edge-table.js';
import { flagBits, flagText, serviceKey } from './istio-labels.js';
import { grpcOutcome, HttpMetrics, httpOutcome, NO_GRPC, tcpSeriesTable } from './istio-metrics.js';
import { IstioTelemetry } from './istio-telemetry.js';
import { LabelledMetrics } from './labelled-metrics.js';
import { workloadMetadataOf } from './workload-metadata.js';

const CART = 'spiffe://cluster.local/ns/shop/sa/cart';
const WEB = 'spiffe://cluster.local/ns/front/sa/web';
const SERVICE = { host: 'cart.shop.svc.cluster.local', name: 'cart', namespace: 'shop' };
const OK = httpOutcome(200, NO_GRPC, 0);
const WEB_METADATA = workloadMetadataOf(
  nodeMetadata({
    WORKLOAD_NAME: 'web-v1',
    NAMESPACE: 'front',
    CLUSTER_ID: 'east',
    LABELS: {
      app: 'web',
      version: 'v1',
      'service.istio.io/canonical-name': 'web',
      'service.istio.io/canonical-revision': 'v1',
    },
  }),
);

describe("Istio's metrics", () => {
  it('have the labels of the destination as reporter, of both workloads and principals', () => {
    const telemetry = create();
    new HttpMetrics(telemetry, DEFAULT_METRICS, 'destination')
      .find(WEB_METADATA, SERVICE, CART, WEB, OK, undefined)
      .record(3, 10, 20);
    const [sample] = samplesOf(telemetry.metrics, 'istio_requests_total');
    assert.deepEqual(sample?.labels, {
      reporter: 'destination',
      source_workload: 'web-v1',
      source_canonical_service: 'web',
      source_canonical_revision: 'v1',
      source_workload_namespace: 'front',
      source_principal: WEB,
      source_app: 'web',
      source_version: 'v1',
      source_cluster: 'east',
      destination_workload: 'cart-v2',
      destination_workload_namespace: 'shop',
      destination_principal: CART,
      destination_app: 'cart',
      destination_version: 'v2',
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
      connection_security_policy: 'mutual_tls',
    });
    for (const [name, sum] of [
      ['istio_request_duration_milliseconds', 3],
      ['istio_request_bytes', 10],
      ['istio_response_bytes', 20],
    ] as const) {
      const [histogram] = samplesOf(telemetry.metrics, name);
      assert.deepEqual([histogram?.value, histogram?.sum], [1, sum], name);
      assert.deepEqual(histogram?.labels, sample?.labels);
    }
  });

  it('say unknown, and latest, of a caller that proved nothing', () => {
    const telemetry = create();
    new HttpMetrics(telemetry, DEFAULT_METRICS, 'destination')
      .find(UNKNOWN_PEER, SERVICE, '', '', OK, undefined)
      .record(1, 0, 0);
    const labels = only(samplesOf(telemetry.metrics, 'istio_requests_total')).labels;
    const source = Object.entries(labels).filter(([name]) => name.startsWith('source_'));
    assert.equal(source.length, 8);
    for (const [name, value] of source) {
      assert.equal(value, name === 'source_canonical_revision' ? 'latest' : 'unknown', name);
    }
    assert.equal(labels['connection_security_policy'], 'none');
  });

  it('take the namespace of a caller from its certificate, when it told nothing that could be believed', () => {
    const telemetry = create();
    new HttpMetrics(telemetry, DEFAULT_METRICS, 'destination')
      .find(UNKNOWN_PEER, SERVICE, CART, WEB, OK, undefined)
      .record(1, 0, 0);
    const { labels } = only(samplesOf(telemetry.metrics, 'istio_requests_total'));
    assert.equal(labels['source_workload'], 'unknown');
    assert.equal(labels['source_workload_namespace'], 'front');
    assert.equal(labels['source_principal'], WEB);
  });

  it('tell the destination by what the control plane says of the endpoint, for the source as reporter', () => {
    const telemetry = create();
    new HttpMetrics(telemetry, DEFAULT_METRICS, 'source')
      .find('web-v1;front;web;v1;east', { ...SERVICE, namespace: '' }, '', '', OK, undefined)
      .record(1, 0, 0);
    const { labels } = only(samplesOf(telemetry.metrics, 'istio_requests_total'));
    assert.equal(labels['source_workload'], 'cart-v2');
    assert.equal(labels['destination_workload'], 'web-v1');
    assert.equal(labels['destination_canonical_revision'], 'v1');
    assert.equal(labels['destination_cluster'], 'east');
    assert.equal(labels['destination_app'], 'unknown');
    assert.equal(labels['destination_service_namespace'], 'front');
    assert.equal(labels['connection_security_policy'], 'unknown');
  });

  it('name destinations that are no services as Istio does', () => {
    const cases: readonly (readonly [key: string, name: string, host: string])[] = [
      [serviceKey('PassthroughCluster', '', 'example.com'), 'PassthroughCluster', 'example.com'],
      [serviceKey('', 'block_all', 'example.com'), 'BlackHoleCluster', 'example.com'],
      [serviceKey('', 'allow_any', undefined), 'PassthroughCluster', 'unknown'],
      [serviceKey('some-cluster', '', 'example.com'), 'example.com', 'example.com'],
      [serviceKey('some-cluster', '', 'x'.repeat(300)), 'unknown', 'unknown'],
      [serviceKey('', '', undefined), 'unknown', 'unknown'],
    ];
    for (const [key, name, host] of cases) {
      const telemetry = create();
      new HttpMetrics(telemetry, DEFAULT_METRICS, 'source')
        .find(UNKNOWN_PEER, key, '', '', OK, undefined)
        .record(1, 0, 0);
      const { labels } = only(samplesOf(telemetry.metrics, 'istio_requests_total'));
      assert.deepEqual([labels['destination_service_name'], labels['destination_service']], [name, host]);
    }
  });

  it('tell requests apart by status, gRPC status and flags', () => {
    const telemetry = create();
    const table = new HttpMetrics(telemetry, DEFAULT_METRICS, 'source');
    const outcomes = [
      [0, NO_GRPC, flagBits(['DC'])],
      [503, NO_GRPC, flagBits(['UF', 'URX'])],
      [200, grpcOutcome('14'), 0],
      [200, grpcOutcome(undefined), 0],
      [200, grpcOutcome('99'), 0],
      [999, grpcOutcome('0'), flagBits(['DO'])],
    ] as const;
    for (const [status, grpc, flags] of outcomes) {
      table.find(UNKNOWN_PEER, SERVICE, '', '', httpOutcome(status, grpc, flags), undefined).record(1, 0, 0);
    }
    assert.deepEqual(
      samplesOf(telemetry.metrics, 'istio_requests_total').map(({ labels }) =>
        ['response_code', 'request_protocol', 'grpc_response_status', 'response_flags'].map(
          (name) => labels[name],
        ),
      ),
      [
        ['0', 'http', '', 'DC'],
        ['503', 'http', '', 'UF,URX'],
        ['200', 'grpc', '14', '-'],
        ['200', 'grpc', '', '-'],
        ['200', 'grpc', '-1', '-'],
        ['999', 'grpc', '0', 'DO'],
      ],
    );
  });

  it('write flags in one order', () => {
    assert.equal(flagText(flagBits(['URX', 'UF'])), 'UF,URX');
    assert.equal(flagText(0), '-');
  });

  it('are the same series by whichever table they are counted', () => {
    const telemetry = create();
    for (let i = 0; i < 2; i++) {
      new HttpMetrics(telemetry, DEFAULT_METRICS, 'source')
        .find(UNKNOWN_PEER, { ...SERVICE }, '', '', OK, undefined)
        .record(1, 0, 0);
    }
    assert.equal(only(samplesOf(telemetry.metrics, 'istio_requests_total')).value, 2);
  });

  it('of connections have no response code, and count bytes while they are open', () => {
    const telemetry = create();
    const series = tcpSeriesTable(telemetry, DEFAULT_METRICS, 'source').find(
      'web;front;web;v1;east',
      SERVICE,
      CART,
      WEB,
      0,
    );
    series.open();
    series.sent(7);
    series.received(5);
    const read = (name: string): number => only(samplesOf(telemetry.metrics, name)).value;
    assert.deepEqual(
      ['opened_total', 'closed_total'].map((what) => read(`istio_tcp_connections_${what}`)),
      [1, 0],
    );
    series.close();
    assert.equal(read('istio_tcp_connections_closed_total'), 1);
    assert.equal(read('istio_tcp_sent_bytes_total'), 7);
    assert.equal(read('istio_tcp_received_bytes_total'), 5);
    const { labels } = only(samplesOf(telemetry.metrics, 'istio_tcp_sent_bytes_total'));
    assert.equal(Object.keys(labels).length, 23);
    assert.equal(labels['request_protocol'], 'tcp');
    assert.ok(!('response_code' in labels));
  });

  it('are left out, lose labels and get constant ones as configured, each metric by itself', () => {
    const telemetry = create();
    const overrides = new Map<string, MetricOverride>([
      ['request_bytes', { drop: true, remove: [], set: new Map() }],
      [
        'requests_total',
        {
          drop: false,
          remove: ['source_principal'],
          set: new Map<string, LabelExpression>([
            ['team', { kind: 'text', value: 'a' }],
            ['source_app', { kind: 'text', value: 'x' }],
          ]),
        },
      ],
    ]);
    new HttpMetrics(telemetry, { ...DEFAULT_METRICS, overrides }, 'source')
      .find(UNKNOWN_PEER, SERVICE, CART, WEB, OK, undefined)
      .record(1, 2, 3);
    const { labels } = only(samplesOf(telemetry.metrics, 'istio_requests_total'));
    assert.deepEqual(
      [labels['team'], labels['source_app'], labels['source_principal']],
      ['a', 'x', undefined],
    );
    assert.deepEqual(samplesOf(telemetry.metrics, 'istio_request_bytes'), []);
    const other = only(samplesOf(telemetry.metrics, 'istio_response_bytes')).labels;
    assert.deepEqual([other['team'], other['source_principal']], [undefined, CART]);
  });

  it('tell requests apart by what they say, where a label asks for it, within the same bound', () => {
    const telemetry = create(4);
    const set = new Map<string, LabelExpression>([
      ['team', { kind: 'header', name: 'x-team' }],
      ['path', { kind: 'url-path' }],
      ['status', { kind: 'label', name: 'response_code' }],
    ]);
    const overrides = new Map([['requests_total', { drop: false, remove: [], set }]]);
    const metrics = new HttpMetrics(telemetry, { ...DEFAULT_METRICS, overrides }, 'source');
    const count = (request: RequestHead | undefined): void =>
      metrics.find(UNKNOWN_PEER, SERVICE, '', '', OK, request).record(1, 0, 0);
    count(requestOf('/a?x=1', 'blue'));
    count(requestOf('/a?x=2', 'blue'));
    count(requestOf('/b', 'x'.repeat(300)));
    count(undefined);
    for (let i = 0; i < 50; i++) count(requestOf(`/${i}`, 'red'));
    assert.deepEqual(
      samplesOf(telemetry.metrics, 'istio_requests_total').map(({ labels, value }) => [
        labels['team'],
        labels['path'],
        labels['status'],
        value,
      ]),
      [
        ['blue', '/a', '200', 2],
        ['unknown', '/b', '200', 1],
        ['unknown', 'unknown', '200', 1],
        ['red', '/0', '200', 1],
        ['_overflow', '_overflow', '_overflow', 49],
      ],
    );
    // Metrics that do not ask for it are told apart as always.
    assert.equal(only(samplesOf(telemetry.metrics, 'istio_request_bytes')).value, 54);
  });

  it('count everything beyond the bound in one series for each reporter, and lose no request', () => {
    const telemetry = create(5);
    const table = new HttpMetrics(
      telemetry,
      { ...DEFAULT_METRICS, disableHostHeaderFallback: false },
      'source',
    );
    for (let i = 0; i < 1000; i++) {
      table.find(UNKNOWN_PEER, serviceKey('', '', `host-${i}`), '', '', OK, undefined).record(1, 0, 0);
    }
    const samples = samplesOf(telemetry.metrics, 'istio_requests_total');
    assert.equal(samples.length, 6);
    assert.equal(
      samples.reduce((sum, { value }) => sum + value, 0),
      1000,
    );
    const overflow = samples.at(-1)?.labels ?? {};
    assert.equal(overflow['reporter'], 'source');
    assert.equal(overflow['destination_service'], '_overflow');
    assert.equal(overflow['response_code'], '_overflow');
  });

  it('count right after an eviction, whatever the tables still hold', () => {
    const clock = new FakeClock();
    const telemetry = create(2, clock);
    const table = new HttpMetrics(telemetry, DEFAULT_METRICS, 'source');
    const record = (host: string): void =>
      table.find(UNKNOWN_PEER, serviceKey('', '', host), '', '', OK, undefined).record(1, 0, 0);
    record('a');
    record('b');
    record('c');
    clock.advance(16 * 60_000);
    record('b');
    record('d');
    for (const host of ['a', 'b', 'd', 'd']) record(host);
    const byHost = samplesOf(telemetry.metrics, 'istio_requests_total').map(({ labels, value }) => [
      labels['destination_service'],
      value,
    ]);
    assert.deepEqual(byHost, [
      ['b', 3],
      ['d', 3],
      ['_overflow', 2],
    ]);
  });
});

function requestOf(path: string, team: string): RequestHead {
  const headers = new HeaderMap();
  headers.append('x-team', team);
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'cart',
    path,
    headers,
    version: 'HTTP/1.1',
    upgrade: '',
  };
}

function create(maxSeries = 100, clock = new FakeClock()): IstioTelemetry {
  const metadata = nodeMetadata({
    WORKLOAD_NAME: 'cart-v2',
    NAMESPACE: 'shop',
    CLUSTER_ID: 'Kubernetes',
    LABELS: {
      app: 'cart',
      version: 'v2',
      'service.istio.io/canonical-name': 'cart',
      'service.istio.io/canonical-revision': 'v2',
    },
  });
  return new IstioTelemetry(
    { id: 'sidecar~127.0.0.1~cart-0.shop~shop.svc.cluster.local', metadata },
    new LabelledMetrics({ clock, stats: new StatsStore(), maxSeries }),
  );
}

function only(samples: readonly Sample[]): Sample {
  assert.equal(samples.length, 1);
  return samples[0] as Sample;
}
