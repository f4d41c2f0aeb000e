/** How one side speaks HTTP/2. Source: envoy.config.core.v3.Http2ProtocolOptions. Times in ms, 0 disables. */
export interface Http2Config {
  /** Streams that the peer may have open at once; upstream: that we open at once. */
  readonly maxConcurrentStreams: number;
  /** What a peer may send of one stream before it is taken on. */
  readonly initialStreamWindowBytes: number;
  readonly initialConnectionWindowBytes: number;
  readonly hpackTableBytes: number;
  /** Extended CONNECT, which tunnels WebSocket. Source: RFC 8441. */
  readonly allowConnect: boolean;
  /** Frames that may wait because the peer does not read. */
  readonly maxOutboundFrames: number;
  readonly maxOutboundControlFrames: number;
  readonly maxConsecutiveInboundEmptyFrames: number;
  readonly maxInboundPriorityFramesPerStream: number;
  readonly maxInboundWindowUpdatesPerDataFrameSent: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  /** By so much of it an interval may be longer, 0..1. */
  readonly keepaliveJitterRatio: number;
  /** On a connection that was silent for so long a stream begins with a ping. */
  readonly keepaliveIdleMs: number;
  /**
   * What the streams of a connection may hold together for readers that do not take it, where its window is not larger: then its
   * window is left to run out.
   */
  readonly mostHeldBytes: number;
  /** Of so many streams of a connection at most half may have been given up at once, and within that time that is at once. */
  readonly judgedStreams: number;
  readonly prematureResetMs: number;
}

/** Envoy's defaults, but for the windows: what a stream may hold in memory is bounded tighter here. */
export const DEFAULT_HTTP2_CONFIG: Http2Config = Object.freeze({
  maxConcurrentStreams: 1024,
  initialStreamWindowBytes: 256 * 1024,
  initialConnectionWindowBytes: 1024 * 1024,
  hpackTableBytes: 4096,
  allowConnect: false,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundEmptyFrames: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdatesPerDataFrameSent: 10,
  keepaliveIntervalMs: 0,
  keepaliveTimeoutMs: 0,
  keepaliveJitterRatio: 0.15,
  keepaliveIdleMs: 0,
  mostHeldBytes: 16 * 1024 * 1024,
  judgedStreams: 500,
  prematureResetMs: 1000,
});
