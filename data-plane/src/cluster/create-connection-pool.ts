import { http2WithRuntime, type RuntimeSettings } from '@heddle/engine';
import type { Deadlines } from '../codec/http1/deadline-queue.js';
import { connectSocket, connectTlsSocket } from '../codec/socket-reads.js';
import type { ConnectionPool } from '../codec/stream.js';
import type { Cluster } from './cluster.js';
import type { PoolOptions } from './conn-pool/base-pool.js';
import { AutoPool } from './conn-pool/auto-pool.js';
import { Http1Pool } from './conn-pool/http1-pool.js';
import { Http2Pool } from './conn-pool/http2-pool.js';
import { TunnelPool } from './conn-pool/tunnel-pool.js';
import type { PoolObserver, Retirement } from './conn-pool/pool-observer.js';
import { HOST_COUNTER } from './host-counters.js';
import type { Host } from './host.js';
import { tlsInfoOf } from '../tls/tls-socket-info.js';
import { connectEventOf, openSocket, type SocketMakers } from './open-socket.js';
import { passedOn } from './internal-listeners.js';
import type { PoolRequest, SpokenUpstream } from './pool-factory.js';

const SOCKETS: SocketMakers = { connect: connectSocket, connectTls: connectTlsSocket };

let lastConnectionId = 0;

/** Numbers of upstream connections, unique in this process. */
export function nextUpstreamConnectionId(): number {
  return ++lastConnectionId;
}

/** The pool of real connections to one host. */
export function createConnectionPool(
  request: PoolRequest,
  deadlines: Deadlines,
  runtime: RuntimeSettings | undefined,
): ConnectionPool {
  const { cluster, host, priority, client } = request;
  const makers = client?.clientAddress?.sockets ?? SOCKETS;
  const { config } = cluster;
  const { protocol } = config;
  const speaks = request.protocol;
  const observer = new PoolStats(cluster, host, speaks);
  const options: PoolOptions = {
    connect:
      speaks === 'tcp'
        ? () => openSocket(config, host, 'any', { filterState: passedOn(request.filterState), client })
        : () => openSocket(config, host, speaks, { makers, client }),
    connectEvent: connectEventOf(host),
    tlsInfoOf,
    resources: priority === 'high' ? cluster.resources.high : cluster.resources.default,
    deadlines,
    connectTimeoutMs: config.connectTimeoutMs,
    idleTimeoutMs: protocol.idleTimeoutMs,
    maxConnectionDurationMs: protocol.maxConnectionDurationMs,
    maxRequestsPerConnection: protocol.maxRequestsPerConnection,
    observer,
    nextConnectionId: nextUpstreamConnectionId,
  };
  const limits = {
    bufferLimitBytes: config.perConnectionBufferLimitBytes,
    maxResponseHeadersBytes: protocol.maxResponseHeadersBytes,
    maxHeadersCount: protocol.maxHeadersCount,
  };
  const http1 = { ...limits, preserveHeaderCase: protocol.preserveHeaderCase, enableTrailers: true };
  const http2 = {
    ...limits,
    http2: runtime === undefined ? protocol.http2 : http2WithRuntime(protocol.http2, runtime),
    stats: cluster.stats.http2,
  };
  switch (speaks) {
    case 'tcp':
      return new TunnelPool(options);
    case 'http1':
      return new Http1Pool({ ...options, codec: http1 });
    case 'http2':
      return new Http2Pool({ ...options, codec: http2 });
    case 'auto':
      return new AutoPool({ ...options, http1, http2, onAgreed: (agreed) => observer.countProtocol(agreed) });
  }
}

/** Counts what a pool does, for its cluster and its host. */
class PoolStats implements PoolObserver {
  readonly #cluster: Cluster;
  readonly #host: Host;
  readonly #speaks: SpokenUpstream;

  constructor(cluster: Cluster, host: Host, speaks: SpokenUpstream) {
    this.#cluster = cluster;
    this.#host = host;
    this.#speaks = speaks;
  }

  onConnection(): void {
    const { stats } = this.#cluster;
    stats.cxTotal.inc();
    if (this.#speaks === 'http1' || this.#speaks === 'http2') this.countProtocol(this.#speaks);
    stats.cxActive.inc();
    this.#host.count(HOST_COUNTER.cxTotal);
    this.#host.count(HOST_COUNTER.cxActive);
  }

  /** Where that is agreed on, once it is. */
  countProtocol(protocol: 'http1' | 'http2'): void {
    const { stats } = this.#cluster;
    (protocol === 'http2' ? stats.cxHttp2Total : stats.cxHttp1Total).inc();
  }

  onConnected(durationMs: number): void {
    this.#cluster.stats.cxConnectMs.record(durationMs);
  }

  onConnectFailure(timedOut: boolean): void {
    this.#cluster.stats.cxConnectFail.inc();
    if (timedOut) this.#cluster.stats.cxConnectTimeout.inc();
    this.#host.count(HOST_COUNTER.cxConnectFail);
  }

  onConnectionClosed(durationMs: number): void {
    const { stats } = this.#cluster;
    stats.cxDestroy.inc();
    stats.cxActive.dec();
    stats.cxLengthMs.record(durationMs);
    this.#host.count(HOST_COUNTER.cxActive, -1);
  }

  onIdleTimeout(): void {
    this.#cluster.stats.cxIdleTimeout.inc();
  }

  onRetired(why: Retirement): void {
    const { stats } = this.#cluster;
    if (why === 'duration') stats.cxMaxDurationReached.inc();
    else if (why === 'requests') stats.cxMaxRequests.inc();
    else stats.cxCloseNotify.inc();
  }

  onConnectionOverflow(): void {
    this.#cluster.stats.cxOverflow.inc();
  }

  onPendingOverflow(): void {
    this.#cluster.stats.rqPendingOverflow.inc();
  }

  onActiveOverflow(): void {
    this.#cluster.stats.rqActiveOverflow.inc();
  }

  onPending(change: 1 | -1): void {
    const { stats } = this.#cluster;
    if (change === 1) {
      stats.rqPendingTotal.inc();
      stats.rqPendingActive.inc();
    } else stats.rqPendingActive.dec();
  }

  onPendingFailure(): void {
    this.#cluster.stats.rqPendingFailureEject.inc();
  }

  onActive(change: 1 | -1): void {
    const { stats } = this.#cluster;
    if (change === 1) stats.rqActive.inc();
    else stats.rqActive.dec();
  }
}
