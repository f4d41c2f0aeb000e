import { Http2Stats } from '../codec/http2/http2-stats.js';
import type { Counter, Gauge, Histogram, StatsStore, Tags } from '../stats/stats-store.js';

/** Every metric of one cluster, looked up once. The names are Envoy's; the same name and tags survive updates. */
export class ClusterStats {
  readonly rqTotal: Counter;
  readonly rqActive: Gauge;
  readonly rqCompleted: Counter;
  readonly rqTimeout: Counter;
  readonly rqPerTryTimeout: Counter;
  readonly rqCancelled: Counter;
  readonly rqTxReset: Counter;
  readonly rqRxReset: Counter;
  readonly rqMaxDurationReached: Counter;
  readonly rqPerTryIdleTimeout: Counter;
  readonly rqRetry: Counter;
  readonly rqRetrySuccess: Counter;
  readonly rqRetryOverflow: Counter;
  readonly rqRetryLimitExceeded: Counter;
  readonly rqRetryBackoffExponential: Counter;
  readonly rqRetryBackoffRatelimited: Counter;
  readonly retryAbandoned: Counter;
  /** Requests that another connection took, because the first had been closed while it was idle. */
  readonly rqMoved: Counter;
  readonly rqPendingFailureEject: Counter;
  readonly rqPendingOverflow: Counter;
  readonly rqActiveOverflow: Counter;
  readonly rqPendingTotal: Counter;
  readonly rqPendingActive: Gauge;
  readonly rqTime: Histogram;
  readonly cxNoneHealthy: Counter;
  readonly cxConnectFail: Counter;
  readonly cxConnectTimeout: Counter;
  readonly cxTotal: Counter;
  readonly cxHttp1Total: Counter;
  readonly cxHttp2Total: Counter;
  readonly cxDestroy: Counter;
  readonly cxIdleTimeout: Counter;
  readonly cxMaxDurationReached: Counter;
  readonly cxMaxRequests: Counter;
  readonly cxCloseNotify: Counter;
  readonly cxConnectMs: Histogram;
  readonly cxLengthMs: Histogram;
  readonly cxActive: Gauge;
  readonly cxOverflow: Counter;
  readonly cxRxBytes: Counter;
  readonly cxTxBytes: Counter;
  readonly membershipTotal: Gauge;
  readonly membershipHealthy: Gauge;
  readonly membershipDegraded: Gauge;
  readonly membershipChange: Counter;
  readonly updateAttempt: Counter;
  readonly updateSuccess: Counter;
  readonly updateFailure: Counter;
  readonly updateEmpty: Counter;
  readonly dropOverload: Counter;
  /** Requests that a priority in panic sent to any of its hosts. */
  readonly lbHealthyPanic: Counter;
  #http2: Http2Stats | undefined = undefined;
  readonly #store: StatsStore;
  readonly tags: Tags;
  readonly #rqClasses: readonly Counter[];
  /** By status; made when first seen. Only 100..599 are counted. */
  readonly #rqCodes: (Counter | undefined)[] = [];

  constructor(store: StatsStore, statName: string) {
    const tags: Tags = [['envoy_cluster_name', statName]];
    this.#store = store;
    this.tags = tags;
    const counter = (name: string): Counter => store.counter(`cluster.${name}`, tags);
    const gauge = (name: string): Gauge => store.gauge(`cluster.${name}`, tags);
    this.rqTotal = counter('upstream_rq_total');
    this.rqActive = gauge('upstream_rq_active');
    this.rqCompleted = counter('upstream_rq_completed');
    this.rqTimeout = counter('upstream_rq_timeout');
    this.rqPerTryTimeout = counter('upstream_rq_per_try_timeout');
    this.rqCancelled = counter('upstream_rq_cancelled');
    this.rqTxReset = counter('upstream_rq_tx_reset');
    this.rqRxReset = counter('upstream_rq_rx_reset');
    this.rqMaxDurationReached = counter('upstream_rq_max_duration_reached');
    this.rqPerTryIdleTimeout = counter('upstream_rq_per_try_idle_timeout');
    this.rqRetry = counter('upstream_rq_retry');
    this.rqRetrySuccess = counter('upstream_rq_retry_success');
    this.rqRetryOverflow = counter('upstream_rq_retry_overflow');
    this.rqRetryLimitExceeded = counter('upstream_rq_retry_limit_exceeded');
    this.rqRetryBackoffExponential = counter('upstream_rq_retry_backoff_exponential');
    this.rqRetryBackoffRatelimited = counter('upstream_rq_retry_backoff_ratelimited');
    this.retryAbandoned = counter('retry_or_shadow_abandoned');
    this.rqMoved = counter('upstream_rq_moved');
    this.rqPendingFailureEject = counter('upstream_rq_pending_failure_eject');
    this.rqPendingOverflow = counter('upstream_rq_pending_overflow');
    this.rqActiveOverflow = counter('upstream_rq_active_overflow');
    this.rqPendingTotal = counter('upstream_rq_pending_total');
    this.rqPendingActive = gauge('upstream_rq_pending_active');
    this.rqTime = store.histogram('cluster.upstream_rq_time', tags);
    this.cxNoneHealthy = counter('upstream_cx_none_healthy');
    this.cxConnectFail = counter('upstream_cx_connect_fail');
    this.cxConnectTimeout = counter('upstream_cx_connect_timeout');
    this.cxHttp1Total = counter('upstream_cx_http1_total');
    this.cxHttp2Total = counter('upstream_cx_http2_total');
    this.cxDestroy = counter('upstream_cx_destroy');
    this.cxIdleTimeout = counter('upstream_cx_idle_timeout');
    this.cxMaxDurationReached = counter('upstream_cx_max_duration_reached');
    this.cxMaxRequests = counter('upstream_cx_max_requests');
    this.cxCloseNotify = counter('upstream_cx_close_notify');
    this.cxConnectMs = store.histogram('cluster.upstream_cx_connect_ms', tags);
    this.cxLengthMs = store.histogram('cluster.upstream_cx_length_ms', tags);
    this.cxTotal = counter('upstream_cx_total');
    this.cxActive = gauge('upstream_cx_active');
    this.cxOverflow = counter('upstream_cx_overflow');
    this.cxRxBytes = counter('upstream_cx_rx_bytes_total');
    this.cxTxBytes = counter('upstream_cx_tx_bytes_total');
    this.membershipTotal = gauge('membership_total');
    this.membershipHealthy = gauge('membership_healthy');
    this.membershipDegraded = gauge('membership_degraded');
    this.membershipChange = counter('membership_change');
    this.updateAttempt = counter('update_attempt');
    this.updateSuccess = counter('update_success');
    this.updateFailure = counter('update_failure');
    this.updateEmpty = counter('update_empty');
    this.lbHealthyPanic = counter('lb_healthy_panic');
    this.dropOverload = counter('upstream_rq_drop_overload');
    this.#rqClasses = ['0', '1', '2', '3', '4', '5'].map((digit) =>
      store.counter('cluster.upstream_rq_xx', [['envoy_response_code_class', digit], ...tags]),
    );
  }

  /** What its connections of HTTP/2 count; made with the first of them. */
  get http2(): Http2Stats {
    return (this.#http2 ??= new Http2Stats(this.#store, 'cluster.http2', this.tags));
  }

  /** Counts a connection for which no host could be reached as often as it may be tried. */
  countConnectAttemptsExceeded(): void {
    this.#store.counter('cluster.upstream_cx_connect_attempts_exceeded', this.tags).inc();
  }

  /** Counts an answer that was retried. */
  countRetried(status: number): void {
    const count = (name: string, label: string, value: string): void =>
      this.#store.counter(name, [[label, value], ...this.tags]).inc();
    this.#store.counter('cluster.retry.upstream_rq_completed', this.tags).inc();
    count('cluster.retry.upstream_rq_xx', 'envoy_response_code_class', String((status / 100) | 0));
    count('cluster.retry.upstream_rq', 'envoy_response_code', String(status));
  }

  /** Counts one answer of an upstream, or one that stands for it. */
  countStatus(status: number): void {
    if (status < 100 || status > 599) return;
    this.rqCompleted.inc();
    (this.#rqClasses[(status / 100) | 0] as Counter).inc();
    let counter = this.#rqCodes[status];
    if (counter === undefined) {
      counter = this.#store.counter('cluster.upstream_rq', [
        ['envoy_response_code', String(status)],
        ...this.tags,
      ]);
      this.#rqCodes[status] = counter;
    }
    counter.inc();
  }
}
