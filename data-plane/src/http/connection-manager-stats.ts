import type { Counter, Gauge, Histogram, StatsStore, Tags } from '../stats/stats-store.js';

/** Every metric of one connection manager, looked up once. The names are Envoy's. */
export class ConnectionManagerStats {
  readonly rqTotal: Counter;
  readonly rqActive: Gauge;
  readonly rqHttp1: Counter;
  readonly rqHttp2: Counter;
  readonly rqCompleted: Counter;
  readonly rqRxReset: Counter;
  readonly rqTxReset: Counter;
  readonly rqIdleTimeout: Counter;
  readonly rqTimeout: Counter;
  readonly rqMaxDurationReached: Counter;
  readonly rqTooLarge: Counter;
  readonly rqNonRelativePath: Counter;
  readonly rqFailedPathNormalization: Counter;
  readonly rqRedirectedWithNormalizedPath: Counter;
  readonly rqTime: Histogram;
  readonly rsTooLarge: Counter;
  readonly noRoute: Counter;
  readonly noCluster: Counter;
  readonly rqDirectResponse: Counter;
  readonly rqRedirect: Counter;
  readonly rqRouted: Counter;
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly cxHttp1Total: Counter;
  readonly cxHttp2Total: Counter;
  readonly cxHttp1Active: Gauge;
  readonly cxHttp2Active: Gauge;
  readonly cxDestroy: Counter;
  readonly cxIdleTimeout: Counter;
  readonly cxMaxDurationReached: Counter;
  readonly cxMaxRequestsReached: Counter;
  readonly cxDrainClose: Counter;
  readonly cxOverloadDisableKeepalive: Counter;
  readonly rqOverloadClose: Counter;
  readonly cxProtocolError: Counter;
  readonly cxUpgradesTotal: Counter;
  readonly cxUpgradesActive: Gauge;
  /** By the first digit of the status; index 0 is unused. */
  readonly #rqClasses: readonly Counter[];

  constructor(store: StatsStore, statPrefix: string) {
    const tags: Tags = [['envoy_http_conn_manager_prefix', statPrefix]];
    const counter = (name: string): Counter => store.counter(`http.${name}`, tags);
    const gauge = (name: string): Gauge => store.gauge(`http.${name}`, tags);
    this.rqTotal = counter('downstream_rq_total');
    this.rqActive = gauge('downstream_rq_active');
    this.rqHttp1 = counter('downstream_rq_http1_total');
    this.rqHttp2 = counter('downstream_rq_http2_total');
    this.rqCompleted = counter('downstream_rq_completed');
    this.rqRxReset = counter('downstream_rq_rx_reset');
    this.rqTxReset = counter('downstream_rq_tx_reset');
    this.rqIdleTimeout = counter('downstream_rq_idle_timeout');
    this.rqTimeout = counter('downstream_rq_timeout');
    this.rqMaxDurationReached = counter('downstream_rq_max_duration_reached');
    this.rqTooLarge = counter('downstream_rq_too_large');
    this.rqNonRelativePath = counter('downstream_rq_non_relative_path');
    this.rqFailedPathNormalization = counter('downstream_rq_failed_path_normalization');
    this.rqRedirectedWithNormalizedPath = counter('downstream_rq_redirected_with_normalized_path');
    this.rqTime = store.histogram('http.downstream_rq_time', tags);
    this.rsTooLarge = counter('rs_too_large');
    this.noRoute = counter('no_route');
    this.noCluster = counter('no_cluster');
    this.rqDirectResponse = counter('rq_direct_response');
    this.rqRedirect = counter('rq_redirect');
    this.rqRouted = counter('rq_total');
    this.cxTotal = counter('downstream_cx_total');
    this.cxActive = gauge('downstream_cx_active');
    this.cxHttp1Total = counter('downstream_cx_http1_total');
    this.cxHttp2Total = counter('downstream_cx_http2_total');
    this.cxHttp1Active = gauge('downstream_cx_http1_active');
    this.cxHttp2Active = gauge('downstream_cx_http2_active');
    this.cxDestroy = counter('downstream_cx_destroy');
    this.cxIdleTimeout = counter('downstream_cx_idle_timeout');
    this.cxMaxDurationReached = counter('downstream_cx_max_duration_reached');
    this.cxMaxRequestsReached = counter('downstream_cx_max_requests_reached');
    this.cxDrainClose = counter('downstream_cx_drain_close');
    this.cxOverloadDisableKeepalive = counter('downstream_cx_overload_disable_keepalive');
    this.rqOverloadClose = counter('downstream_rq_overload_close');
    this.cxProtocolError = counter('downstream_cx_protocol_error');
    this.cxUpgradesTotal = counter('downstream_cx_upgrades_total');
    this.cxUpgradesActive = gauge('downstream_cx_upgrades_active');
    this.#rqClasses = ['0', '1', '2', '3', '4', '5'].map((digit) =>
      store.counter('http.downstream_rq_xx', [['envoy_response_code_class', digit], ...tags]),
    );
  }

  countStatus(status: number): void {
    if (status >= 100 && status < 600) (this.#rqClasses[(status / 100) | 0] as Counter).inc();
  }
}
