import { BUCKETS, COLUMN, DURATION_BOUNDS_MS } from './call-columns.js';
import type { CallKey, CallParty, CallRecord, TrafficStore } from './traffic-store.js';

/** What is asked of a proxy's `/stats/prometheus`: Istio's metrics of calls, and of clusters what tells of trouble. */
export const METRICS_FILTER =
  '^istio_(requests_total|request_duration_milliseconds|tcp_connections_opened_total|tcp_sent_bytes_total|tcp_received_bytes_total)$' +
  '|^cluster\\.outbound.*\\.(upstream_rq_retry|circuit_breakers\\.default\\.(rq|cx|rq_pending|rq_retry)_open|outlier_detection\\.ejections_active)$';

/** What a proxy says about one of its clusters. */
export interface ClusterFigures {
  retries: number;
  /** Names of the thresholds that are reached: `rq`, `cx`, `rq_pending`, `rq_retry`. */
  open: string[];
  ejected: number;
}

interface Series {
  readonly record: CallRecord;
  /** undefined: a histogram. */
  readonly columns: readonly number[] | undefined;
  /** As last read; of a histogram each bucket alone. */
  readonly last: Float64Array;
}

const MAX_SERIES = 8_000;
const MAX_CLUSTERS = 5_000;
const REQUESTS = 'istio_requests_total{';
const DURATION = 'istio_request_duration_milliseconds_bucket{';
const TCP_COLUMNS: Readonly<Record<string, number>> = {
  'istio_tcp_connections_opened_total{': COLUMN.connections,
  'istio_tcp_sent_bytes_total{': COLUMN.bytes,
  'istio_tcp_received_bytes_total{': COLUMN.bytes,
};
const BUCKET_OF = new Map<string, number>([
  ...DURATION_BOUNDS_MS.map((bound, i): [string, number] => [String(bound), i]),
  ['+Inf', DURATION_BOUNDS_MS.length],
]);
/** Of gRPC, the codes that are the server's failure. Source: OpenTelemetry's conventions for gRPC server spans. */
const GRPC_FAILURES = new Set(['2', '4', '12', '13', '14', '15']);

/**
 * Reads what one proxy counts, again and again, and adds what is new to the store.
 *
 * A counter that is smaller than before began anew, as when the proxy was started again.
 * Errors: none; lines that are not understood are passed over, and counted.
 * Bounds: 8,000 series, 5,000 clusters; what is above is counted.
 */
export class ProxyMetrics {
  readonly #store: TrafficStore;
  readonly #series = new Map<string, Series>();
  #clusters = new Map<string, ClusterFigures>();
  #isFirst = true;
  #ignored = 0;

  constructor(store: TrafficStore) {
    this.#store = store;
  }

  /** By cluster name, as of the last reading; those without trouble are absent. */
  get clusters(): ReadonlyMap<string, ClusterFigures> {
    return this.#clusters;
  }

  /** Lines that were not understood, or found no room. */
  get ignored(): number {
    return this.#ignored;
  }

  /** `text`: Prometheus's text format. */
  read(text: string, nowMs: number): void {
    const clusters = new Map<string, ClusterFigures>();
    let histogram: { readonly labels: string; below: number; readonly series: Series } | undefined;
    for (let start = 0; start < text.length;) {
      let end = text.indexOf('\n', start);
      if (end < 0) end = text.length;
      if (text.startsWith(DURATION, start)) {
        const labelsStart = start + DURATION.length;
        const le = text.lastIndexOf(',le="', end);
        const close = text.indexOf('"} ', le + 5);
        const bucket = BUCKET_OF.get(text.slice(le + 5, close));
        const cumulated = Number(text.slice(close + 3, end));
        if (le < labelsStart || close < 0 || close > end || bucket === undefined || !(cumulated >= 0)) {
          this.#ignored++;
        } else {
          const labels = text.slice(labelsStart, le);
          if (histogram?.labels !== labels) {
            const series = this.#seriesOf(DURATION, labels, nowMs);
            histogram = series === undefined ? undefined : { labels, below: 0, series };
          }
          if (histogram !== undefined) {
            const { series, below } = histogram;
            this.#advance(
              series,
              bucket,
              Math.max(0, cumulated - below),
              [COLUMN.firstBucket + bucket],
              nowMs,
            );
            histogram.below = cumulated;
          }
        }
      } else if (text.startsWith('istio_', start)) this.#readCounter(text, start, end, nowMs);
      else if (text.startsWith('envoy_cluster_', start)) readCluster(text.slice(start, end), clusters);
      start = end + 1;
    }
    this.#clusters = clusters;
    this.#isFirst = false;
  }

  #readCounter(text: string, start: number, end: number, nowMs: number): void {
    const open = text.indexOf('{', start) + 1;
    const close = text.lastIndexOf('} ', end);
    if (open <= start || close < open || close > end) return;
    const name = text.slice(start, open);
    if (name !== REQUESTS && TCP_COLUMNS[name] === undefined) return;
    const value = Number(text.slice(close + 2, end));
    const series = value >= 0 ? this.#seriesOf(name, text.slice(open, close), nowMs) : undefined;
    if (series?.columns === undefined) this.#ignored++;
    else this.#advance(series, 0, value, series.columns, nowMs);
  }

  #advance(series: Series, slot: number, value: number, columns: readonly number[], nowMs: number): void {
    const last = series.last[slot] as number;
    const added = value < last ? value : value - last;
    series.last[slot] = value;
    for (const column of columns) series.record.add(nowMs, column, added, this.#isFirst);
  }

  #seriesOf(name: string, labels: string, nowMs: number): Series | undefined {
    const key = name + labels;
    const known = this.#series.get(key);
    if (known !== undefined && this.#store.holds(known.record)) return known;
    if (known === undefined && this.#series.size >= MAX_SERIES) return undefined;
    const values = readLabels(labels);
    const record = this.#store.recordOf(callKeyOf(values), nowMs);
    if (record === undefined) return undefined;
    const isHistogram = name === DURATION;
    const series: Series = {
      record,
      columns: isHistogram ? undefined : columnsOf(name, values),
      // A record that made room and comes back goes on from where its counter stood.
      last: known?.last ?? new Float64Array(isHistogram ? BUCKETS : 1),
    };
    this.#series.set(key, series);
    return series;
  }
}

function columnsOf(name: string, labels: ReadonlyMap<string, string>): readonly number[] {
  const tcp = TCP_COLUMNS[name];
  if (tcp !== undefined) {
    const isSecure = tcp === COLUMN.connections && isMutualTls(labels);
    return isSecure ? [tcp, COLUMN.mutualTls] : [tcp];
  }
  const columns: number[] = [COLUMN.requests];
  if (isFailure(labels)) columns.push(COLUMN.failed);
  if (isMutualTls(labels)) columns.push(COLUMN.mutualTls);
  return columns;
}

function isMutualTls(labels: ReadonlyMap<string, string>): boolean {
  return labels.get('connection_security_policy') === 'mutual_tls';
}

/** A caller that went away (DC) is nobody's failure here. */
function isFailure(labels: ReadonlyMap<string, string>): boolean {
  const code = labels.get('response_code') ?? '';
  if (code === '0') return labels.get('response_flags') !== 'DC';
  return code.startsWith('5') || GRPC_FAILURES.has(labels.get('grpc_response_status') ?? '');
}

const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;

function readLabels(text: string): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(LABEL)) {
    labels.set(
      name,
      value.includes('\\') ? value.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)) : value,
    );
  }
  return labels;
}

function callKeyOf(labels: ReadonlyMap<string, string>): CallKey {
  const party = (side: 'source' | 'destination'): CallParty => ({
    namespace: labels.get(`${side}_workload_namespace`) ?? 'unknown',
    workload: labels.get(`${side}_workload`) ?? 'unknown',
    canonicalService: labels.get(`${side}_canonical_service`) ?? 'unknown',
    version: labels.get(`${side}_version`) ?? labels.get(`${side}_canonical_revision`) ?? 'unknown',
  });
  return {
    reporter: labels.get('reporter') === 'destination' ? 'destination' : 'source',
    source: party('source'),
    destination: party('destination'),
    host: labels.get('destination_service') ?? 'unknown',
  };
}

const CLUSTER = /^envoy_cluster_([a-z_]+)\{.*?envoy_cluster_name="([^"]*)".*\} (\S+)$/;

function readCluster(line: string, clusters: Map<string, ClusterFigures>): void {
  const [, metric = '', name = '', text = ''] = CLUSTER.exec(line) ?? [];
  const value = Number(text);
  if (name === '' || !(value > 0)) return;
  let figures = clusters.get(name);
  if (figures === undefined) {
    if (clusters.size >= MAX_CLUSTERS) return;
    clusters.set(name, (figures = { retries: 0, open: [], ejected: 0 }));
  }
  const threshold = /^circuit_breakers_default_([a-z_]+)_open$/.exec(metric)?.[1];
  if (threshold !== undefined) figures.open.push(threshold);
  else if (metric === 'upstream_rq_retry') figures.retries = value;
  else if (metric === 'outlier_detection_ejections_active') figures.ejected = value;
}
