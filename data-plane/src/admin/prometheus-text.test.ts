import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { prometheusLines } from './prometheus-text.js';
import { dottedName, escapeLabelValue, prometheusLabels } from '../stats/stat-names.js';
import { StatsStore } from '../stats/stats-store.js';

/** Reads a label's value back as Prometheus's own parser does. */
function unescape(value: string): string {
  return value.replace(/\\(.)/gs, (_, letter: string) => (letter === 'n' ? '\n' : letter));
}

describe('names of statistics', () => {
  it('are put together as Envoy does', () => {
    const cases: readonly (readonly [string, [string, string][], string])[] = [
      ['cluster.upstream_rq_total', [['envoy_cluster_name', 'a.b']], 'cluster.a.b.upstream_rq_total'],
      [
        'cluster.upstream_rq_xx',
        [
          ['envoy_response_code_class', '2'],
          ['envoy_cluster_name', 'a'],
        ],
        'cluster.a.upstream_rq_2xx',
      ],
      [
        'cluster.upstream_rq',
        [
          ['envoy_response_code', '503'],
          ['envoy_cluster_name', 'a'],
        ],
        'cluster.a.upstream_rq_503',
      ],
      [
        'listener.http.downstream_rq_xx',
        [
          ['envoy_response_code_class', '4'],
          ['envoy_http_conn_manager_prefix', 'in'],
          ['envoy_listener_address', '127.0.0.1:80'],
        ],
        'listener.127.0.0.1_80.http.in.downstream_rq_4xx',
      ],
      ['tcp.downstream_cx_total', [['envoy_tcp_prefix', 'p']], 'tcp.p.downstream_cx_total'],
      ['server.live', [], 'server.live'],
      ['x.y', [['other', 'v']], 'x.y.other.v'],
    ];
    for (const [name, tags, expected] of cases) assert.equal(dottedName(name, tags), expected);
  });

  it('have label values that read back as they were, whatever is in them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const escaped = escapeLabelValue(value);
        assert.equal(unescape(escaped), value);
        assert.ok(!escaped.includes('\n'));
        assert.ok(!/(^|[^\\])(\\\\)*"/.test(escaped), 'an unescaped quote ends the label');
      }),
    );
  });

  it('cannot forge a line or a label', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (name, value) => {
        const store = new StatsStore();
        store.counter('cluster.x', [
          ['envoy_cluster_name', value],
          [name, value],
        ]);
        const lines = [...prometheusLines([...store.entries()])].join('').split('\n');
        assert.equal(lines.length, 3);
        assert.match(
          lines[1] ?? '',
          /^envoy_cluster_x\{envoy_cluster_name="(?:[^"\\\n]|\\.)*",[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*"\} 0$/u,
        );
      }),
    );
  });

  it('have no braces without labels', () => {
    assert.equal(prometheusLabels([]), '');
  });
});

describe('Prometheus text', () => {
  it('groups metrics of one name under one type, and cumulates buckets', () => {
    const store = new StatsStore();
    store
      .counter('cluster.upstream_rq_xx', [
        ['envoy_response_code_class', '2'],
        ['envoy_cluster_name', 'x'],
      ])
      .add(3);
    store.gauge('server.live').set(1);
    store.counter('cluster.upstream_rq_xx', [
      ['envoy_response_code_class', '5'],
      ['envoy_cluster_name', 'x'],
    ]);
    const time = store.histogram('cluster.upstream_rq_time', [['envoy_cluster_name', 'x']]);
    for (const value of [0.2, 3, 3, 4e9]) time.record(value);
    const lines = [...prometheusLines([...store.entries()])].join('').trimEnd().split('\n');
    assert.deepEqual(
      lines.filter((line) => !line.includes('_bucket')),
      [
        '# TYPE envoy_cluster_upstream_rq_time histogram',
        'envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="x"} 4000000006.2',
        'envoy_cluster_upstream_rq_time_count{envoy_cluster_name="x"} 4',
        '# TYPE envoy_cluster_upstream_rq_xx counter',
        'envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="x"} 3',
        'envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="x"} 0',
        '# TYPE envoy_server_live gauge',
        'envoy_server_live 1',
      ],
    );
    const buckets = lines.filter((line) => line.includes('_bucket'));
    assert.equal(buckets[0], 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="x",le="0.5"} 1');
    assert.equal(buckets[2], 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="x",le="5"} 3');
    assert.equal(
      buckets.at(-2),
      'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="x",le="3600000"} 3',
    );
    assert.equal(buckets.at(-1), 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="x",le="+Inf"} 4');
  });
});
