import type { Counter, Gauge, StatsStore, Tags } from '../../stats/stats-store.js';

/** What HTTP/2 connections of one kind count, under Envoy's names of its codec; those after `txReset` where Envoy has none. */
export class Http2Stats {
  readonly streamsActive: Gauge;
  readonly headerOverflow: Counter;
  readonly rxMessagingError: Counter;
  readonly rxReset: Counter;
  readonly txReset: Counter;
  readonly goawaySent: Counter;
  readonly keepaliveTimeout: Counter;
  readonly droppedUnderscores: Counter;
  readonly inboundEmptyFramesFlood: Counter;
  readonly inboundPriorityFramesFlood: Counter;
  readonly inboundWindowUpdateFramesFlood: Counter;
  readonly outboundFlood: Counter;
  readonly outboundControlFlood: Counter;
  /** Connections that were closed because most of their streams were reset at once. */
  readonly resetFlood: Counter;
  /** Streams that were refused because as many as are allowed were open. */
  readonly refusedStreams: Counter;
  /** How often a connection was left without a window because its streams held too much for slow readers. */
  readonly windowStalls: Counter;

  /** `prefix`: `http2`, or `cluster.http2` with the cluster's tags. */
  constructor(store: StatsStore, prefix: string, tags: Tags) {
    const counter = (name: string): Counter => store.counter(`${prefix}.${name}`, tags);
    this.streamsActive = store.gauge(`${prefix}.streams_active`, tags);
    this.headerOverflow = counter('header_overflow');
    this.rxMessagingError = counter('rx_messaging_error');
    this.rxReset = counter('rx_reset');
    this.txReset = counter('tx_reset');
    this.goawaySent = counter('goaway_sent');
    this.keepaliveTimeout = counter('keepalive_timeout');
    this.droppedUnderscores = counter('dropped_headers_with_underscores');
    this.inboundEmptyFramesFlood = counter('inbound_empty_frames_flood');
    this.inboundPriorityFramesFlood = counter('inbound_priority_frames_flood');
    this.inboundWindowUpdateFramesFlood = counter('inbound_window_update_frames_flood');
    this.outboundFlood = counter('outbound_flood');
    this.outboundControlFlood = counter('outbound_control_flood');
    this.resetFlood = counter('inbound_reset_flood');
    this.refusedStreams = counter('refused_streams');
    this.windowStalls = counter('window_stalls');
  }
}
