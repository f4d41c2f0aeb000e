import type { Counter, Gauge, StatsStore, Tags } from '../stats/stats-store.js';

/** Every metric of one TCP proxy. The names are Envoy's where it has them. */
export class TcpProxyStats {
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly cxNoRoute: Counter;
  readonly cxConnected: Counter;
  readonly rxBytes: Counter;
  readonly txBytes: Counter;
  readonly idleTimeout: Counter;
  readonly maxDurationReached: Counter;
  /** Ways of connections, one each direction, that have large memory. Ours. */
  readonly bulkActive: Gauge;
  /** How often one would have had it, had there been any left. Ours. */
  readonly bulkOverflow: Counter;

  constructor(store: StatsStore, statPrefix: string) {
    const tags: Tags = [['envoy_tcp_prefix', statPrefix]];
    this.cxTotal = store.counter('tcp.downstream_cx_total', tags);
    this.cxActive = store.gauge('tcp.downstream_cx_active', tags);
    this.cxNoRoute = store.counter('tcp.downstream_cx_no_route', tags);
    this.cxConnected = store.counter('tcp.upstream_cx_connected', tags);
    this.rxBytes = store.counter('tcp.downstream_cx_rx_bytes_total', tags);
    this.txBytes = store.counter('tcp.downstream_cx_tx_bytes_total', tags);
    this.idleTimeout = store.counter('tcp.idle_timeout', tags);
    this.maxDurationReached = store.counter('tcp.max_downstream_connection_duration', tags);
    this.bulkActive = store.gauge('tcp.bulk_active', tags);
    this.bulkOverflow = store.counter('tcp.bulk_overflow', tags);
  }
}
