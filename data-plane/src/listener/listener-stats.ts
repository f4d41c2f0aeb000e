import type { Counter, Gauge, StatsStore, Tags } from '../stats/stats-store.js';

/** Every metric of one listener. The names are Envoy's. */
export class ListenerStats {
  readonly tags: Tags;
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly cxDestroy: Counter;
  readonly cxOverflow: Counter;
  readonly globalCxOverflow: Counter;
  readonly cxOverloadReject: Counter;
  readonly noFilterChainMatch: Counter;
  readonly preCxTimeout: Counter;
  readonly transportSocketTimeout: Counter;
  /** Connections whose server spoke while it was awaited what the client speaks. Ours. */
  readonly serverFirst: Counter;
  /** Connections upstream that were to come from the client's address, and do not. Ours. */
  readonly clientAddressFailures: Counter;

  constructor(store: StatsStore, address: string) {
    const tags: Tags = [['envoy_listener_address', address]];
    this.tags = tags;
    this.cxTotal = store.counter('listener.downstream_cx_total', tags);
    this.cxActive = store.gauge('listener.downstream_cx_active', tags);
    this.cxDestroy = store.counter('listener.downstream_cx_destroy', tags);
    this.cxOverflow = store.counter('listener.downstream_cx_overflow', tags);
    this.globalCxOverflow = store.counter('listener.downstream_global_cx_overflow', tags);
    this.cxOverloadReject = store.counter('listener.downstream_cx_overload_reject', tags);
    this.noFilterChainMatch = store.counter('listener.no_filter_chain_match', tags);
    this.preCxTimeout = store.counter('listener.downstream_pre_cx_timeout', tags);
    this.transportSocketTimeout = store.counter(
      'listener.downstream_cx_transport_socket_connect_timeout',
      tags,
    );
    this.serverFirst = store.counter('listener.server_first', tags);
    this.clientAddressFailures = store.counter('listener.client_address_failures', tags);
  }
}
