import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { COLUMN, durationQuantile } from './call-columns.js';
import { ProxyMetrics } from './proxy-metrics.js';
import { TrafficStore, recentCounts, totalCounts, type CallRecord } from './traffic-store.js';

describe('what a proxy counts', () => {
  it('is kept by who called what, with failures and how it was secured', () => {
    const { store, read } = setup();
    read([requests({ code: '200' }, 7), requests({ code: '503' }, 2), requests({ code: '404' }, 1)]);
    const [record] = [...store.records];
    assert.equal(store.size, 1);
    assert.equal(record?.key.destination.version, 'v2');
    assert.equal(record?.totals[COLUMN.requests], 10);
    assert.equal(record?.totals[COLUMN.failed], 2);
    assert.equal(record?.totals[COLUMN.mutualTls], 10);
  });

  it('counts a caller that went away as nobody’s failure, and a gRPC status as one', () => {
    const { store, read } = setup();
    read([
      requests({ code: '0', flags: 'DC' }, 3),
      requests({ code: '0', flags: 'UC' }, 4),
      requests({ code: '200', grpc: '14' }, 5),
      requests({ code: '200', grpc: '5' }, 6),
    ]);
    assert.equal(all(store)[COLUMN.failed], 9);
  });

  it('had counted before heddled asked first: that is in the totals, and no part of the rate', () => {
    const { store, read } = setup();
    read([requests({}, 1000)], 0);
    read([requests({}, 1010)], 2_000);
    assert.equal(all(store)[COLUMN.requests], 1010);
    assert.equal(recentCounts(store.records, 4_000).counts[COLUMN.requests], 10);
    assert.equal(totalCounts(store.records, 'observed')[COLUMN.requests], 10);
  });

  it('goes on when a counter begins anew', () => {
    const { store, read } = setup();
    read([requests({}, 100)]);
    read([requests({}, 30)]);
    assert.equal(all(store)[COLUMN.requests], 130);
  });

  it('tells durations by buckets, of which each call is in one', () => {
    const { store, read } = setup();
    read([]);
    read([bucket('1', 5), bucket('5', 9), bucket('10', 10), bucket('+Inf', 10)]);
    const counts = all(store);
    assert.deepEqual([...counts.subarray(COLUMN.firstBucket, COLUMN.firstBucket + 4)], [0, 5, 4, 1]);
    assert.equal(durationQuantile(counts, 0.5), 1);
    assert.equal(durationQuantile(counts, 0.99)?.toFixed(3), '9.500');
  });

  it('tells of clusters what is not as it should be', () => {
    const { metrics, read } = setup();
    const cluster = 'envoy_cluster_name="outbound|80||a.example"';
    read([
      `envoy_cluster_upstream_rq_retry{${cluster}} 4`,
      `envoy_cluster_circuit_breakers_default_rq_pending_open{${cluster}} 1`,
      `envoy_cluster_outlier_detection_ejections_active{${cluster}} 2`,
      'envoy_cluster_upstream_rq_retry{envoy_cluster_name="fine"} 0',
    ]);
    assert.deepEqual(
      [...metrics.clusters],
      [['outbound|80||a.example', { retries: 4, open: ['rq_pending'], ejected: 2 }]],
    );
  });

  it('is bounded: a store that is full leaves new callers out, and counts that', () => {
    const store = new TrafficStore({ maxRecords: 1 });
    const metrics = new ProxyMetrics(store);
    metrics.read(`${requests({}, 1)}\n${requests({ version: 'v3' }, 1)}\n`, 0);
    assert.equal(store.size, 1);
    assert.equal(store.overflowed, 1);
    metrics.read(`${requests({}, 1)}\n${requests({ version: 'v3' }, 5)}\n`, 3_600_000);
    assert.equal(store.size, 1);
    assert.equal([...store.records][0]?.key.destination.version, 'v3');
  });

  it('may be any text: nothing throws, and no count becomes less or none', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom(
        requests({}, 5),
        bucket('5', 3),
        bucket('nonsense', 3),
        'istio_requests_total{',
        'x{} 1',
      ),
      fc
        .tuple(
          fc.constantFrom('istio_requests_total{', 'istio_request_duration_milliseconds_bucket{'),
          fc.string(),
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const { store, read } = setup();
        read(lines);
        for (const { totals } of store.records) assert.ok(totals.every((count) => count >= 0));
      }),
    );
  });
});

describe('recent figures', () => {
  it('forget what is older than their slots, also after a long silence', () => {
    const { store, read } = setup();
    read([]);
    read([requests({}, 50)], 10_000);
    const records = [...store.records];
    assert.equal(recentCounts(records, 12_000).counts[COLUMN.requests], 50);
    assert.equal(recentCounts(records, 60_000).counts[COLUMN.requests], 0);
    read([requests({}, 51)], 1_000_000);
    assert.equal(recentCounts(records, 1_002_000).counts[COLUMN.requests], 1);
  });
});

function setup(): {
  store: TrafficStore;
  metrics: ProxyMetrics;
  read: (lines: readonly string[], nowMs?: number) => void;
} {
  const store = new TrafficStore();
  const metrics = new ProxyMetrics(store);
  return { store, metrics, read: (lines, nowMs = 0) => metrics.read(`${lines.join('\n')}\n`, nowMs) };
}

function all(store: TrafficStore): Float64Array {
  return totalCounts(store.records as Iterable<CallRecord>, 'totals');
}

interface Labels {
  readonly code?: string;
  readonly flags?: string;
  readonly grpc?: string;
  readonly version?: string;
}

function labels({ code = '200', flags = '-', grpc = '', version = 'v2' }: Labels): string {
  return (
    'reporter="source",source_workload="web",source_workload_namespace="shop",source_canonical_service="web",source_version="v1",' +
    `destination_workload="reviews-${version}",destination_workload_namespace="shop",destination_canonical_service="reviews",` +
    `destination_version="${version}",destination_service="reviews.shop.svc.cluster.local",response_code="${code}",` +
    `grpc_response_status="${grpc}",response_flags="${flags}",connection_security_policy="mutual_tls"`
  );
}

function requests(wanted: Labels, count: number): string {
  return `istio_requests_total{${labels(wanted)}} ${count}`;
}

function bucket(le: string, count: number): string {
  return `istio_request_duration_milliseconds_bucket{${labels({})},le="${le}"} ${count}`;
}
