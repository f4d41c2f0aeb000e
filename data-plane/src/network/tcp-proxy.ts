import type { Socket } from 'node:net';
import type { Clock, Random, Timer } from '@heddle/common';
import {
  chooseWeighted,
  type FormatContext,
  type IstioStatsConfig,
  type TcpProxyConfig,
  type TlsInfo,
  type TrafficDirection,
} from '@heddle/engine';
import { createAccessLogs, type AccessLog } from '../access-log/access-log.js';
import type { AccessLogFiles } from '../access-log/access-log-files.js';
import { tellGone } from '../cluster/client-connection.js';
import type { Cluster } from '../cluster/cluster.js';
import type { ClusterManager } from '../cluster/cluster-manager.js';
import type { Host } from '../cluster/host.js';
import { HOST_COUNTER } from '../cluster/host-counters.js';
import { passedOn } from '../cluster/internal-listeners.js';
import { connectEventOf, openSocket, type SocketMakers } from '../cluster/open-socket.js';
import { createDeadline, type Deadline, type Deadlines } from '../codec/http1/deadline-queue.js';
import { adoptUsedSocket, connectSocket, receiveBytes } from '../codec/socket-reads.js';
import { RefusedConnection, type ConnectionRefusal } from '../http/refused-connection.js';
import { socketText, StreamState, type ConnectionInfo } from '../http/stream-state.js';
import type { TcpSeries } from '../stats/istio/istio-metrics.js';
import type { IstioTelemetry } from '../stats/istio/istio-telemetry.js';
import type { StatsStore } from '../stats/stats-store.js';
import { tlsInfoOf } from '../tls/tls-socket-info.js';
import type { HeldConnection, NetworkConnection, NetworkFilter } from './network-connection.js';
import { RelayWay } from './relay-way.js';
import { TcpMetrics } from './tcp-metrics.js';
import { TcpProxyStats } from './tcp-proxy-stats.js';
import { TunnelRequest } from './tunnel-request.js';
import { TunnelSocket } from './tunnel-socket.js';
import { TurnCork } from './turn-cork.js';

/** TLS reads as Node does: what it gives is written on together, by TurnCork. */
const SOCKETS: SocketMakers = { connect: connectSocket, connectTls: undefined };

export interface TcpProxyOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatsStore;
  readonly clusters: ClusterManager;
  readonly accessLogFiles: AccessLogFiles;
  readonly formatContext: FormatContext;
  readonly deadlines: Deadlines;
  readonly telemetry: IstioTelemetry;
  readonly trafficDirection: TrafficDirection;
  /** Of the stats filters before it. */
  readonly istioStats: readonly IstioStatsConfig[];
}

/**
 * Relays TCP connections to a cluster.
 *
 * Source: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.
 */
export class TcpProxy implements NetworkFilter {
  readonly adoptsSockets = false;
  readonly config: TcpProxyConfig;
  readonly options: TcpProxyOptions;
  readonly stats: TcpProxyStats;
  readonly accessLogs: readonly AccessLog[];
  readonly metrics: readonly TcpMetrics[];
  /** undefined: connections are relayed as they are. */
  readonly tunnel: TunnelRequest | undefined;
  activeRequests = 0;

  constructor(config: TcpProxyConfig, options: TcpProxyOptions) {
    this.config = config;
    this.options = options;
    this.stats = new TcpProxyStats(options.stats, config.statPrefix);
    this.tunnel = config.tunneling && new TunnelRequest(config.tunneling, options.formatContext);
    this.accessLogs = createAccessLogs(config.accessLogs, options.accessLogFiles, options.formatContext);
    this.metrics = options.istioStats.map(
      (stats) => new TcpMetrics(stats, options.telemetry, options.trafficDirection),
    );
  }

  start(onWarm: () => void): void {
    onWarm();
  }

  accept(socket: Socket, info: ConnectionInfo, early: Buffer | undefined): NetworkConnection {
    const relay = new TcpRelay(this, socket, info);
    relay.take(early);
    relay.connect();
    return relay;
  }

  hold(socket: Socket, info: ConnectionInfo, onUpstreamSpeaks: () => void): HeldConnection {
    const relay = new TcpRelay(this, socket, info, onUpstreamSpeaks);
    relay.connect();
    return relay;
  }

  refuse(socket: Socket, info: ConnectionInfo, refusal: ConnectionRefusal): NetworkConnection {
    const { stats, accessLogs, metrics } = this;
    stats.cxTotal.inc();
    stats.cxActive.inc();
    return new RefusedConnection(socket, info, refusal, this.options.clock, (connection) => {
      stats.cxActive.dec();
      for (const metric of metrics) {
        const series = metric.find(connection, undefined);
        series.open();
        series.close();
      }
      for (const log of accessLogs) log.log(connection);
    });
  }

  beginDrain(): void {
    // A TCP connection has no point at which it could be asked to end.
  }

  close(): void {
    // Nothing is shared that would have to stop.
  }
}

/** One TCP connection through the proxy, and its line in the access log. */
class TcpRelay extends StreamState implements NetworkConnection, HeldConnection {
  readonly #proxy: TcpProxy;
  #downstream: Socket;
  #early: Buffer | undefined = undefined;
  /** Set while nobody knows whether the connection is for us. */
  #onUpstreamSpeaks: (() => void) | undefined;
  /** What the upstream said meanwhile. */
  #upstreamEarly: Buffer | undefined = undefined;
  readonly #idle: Deadline;
  readonly #connectDeadline: Deadline;
  #upstream: Socket | undefined = undefined;
  #up: RelayWay | undefined = undefined;
  #down: RelayWay | undefined = undefined;
  #connected = false;
  #cluster: Cluster | undefined = undefined;
  #host: Host | undefined = undefined;
  #maxDuration: Timer | undefined = undefined;
  #localText = '';
  #upstreamTls: TlsInfo | undefined = undefined;
  /** Empty until it is established. */
  #series: readonly TcpSeries[] = NO_SERIES;
  #ended = false;
  #connectError = '';

  constructor(proxy: TcpProxy, downstream: Socket, info: ConnectionInfo, onUpstreamSpeaks?: () => void) {
    const { clock } = proxy.options;
    super(info, clock.nowMs(), clock.monotonicMs());
    this.#proxy = proxy;
    this.#downstream = downstream;
    this.#onUpstreamSpeaks = onUpstreamSpeaks;
    this.dynamicMetadata = info.dynamicMetadata;
    this.#idle = createDeadline(() => this.#onIdle());
    this.#connectDeadline = createDeadline(() => this.#onConnectTimeout());
  }

  /** The connection is ours from now on. */
  take(early: Buffer | undefined): void {
    const proxy = this.#proxy;
    const downstream = this.#downstream;
    const { clock } = proxy.options;
    this.#early = early;
    proxy.activeRequests++;
    proxy.stats.cxTotal.inc();
    proxy.stats.cxActive.inc();
    // Nothing is read before there is somewhere to write it.
    downstream.pause();
    downstream.setNoDelay(true);
    downstream.on('error', ignore);
    downstream.on('close', () => this.#onDownstreamClose());
    const { maxDownstreamConnectionDurationMs } = proxy.config;
    if (maxDownstreamConnectionDurationMs > 0) {
      this.#maxDuration = clock.setTimer(maxDownstreamConnectionDurationMs, () => {
        this.#maxDuration = undefined;
        proxy.stats.maxDurationReached.inc();
        this.addFlag('DT');
        this.reason = 'the connection lasted as long as a connection may';
        this.#end();
      });
    }
  }

  release(early: Buffer | undefined): NetworkConnection {
    this.#onUpstreamSpeaks = undefined;
    this.take(early);
    const upstream = this.#upstream;
    // One that failed meanwhile is tried again, for now it counts.
    if (upstream === undefined) {
      this.attemptCount = 0;
      this.connect();
    } else if (this.#connected) {
      upstream.removeListener('data', this.#onEarlyData);
      this.#relay(upstream);
      // Its end came while nobody listened for it.
      if (upstream.readableEnded) this.#downstream.end();
    }
    return this;
  }

  abandon(): void {
    this.#ended = true;
    this.#upstream?.destroy();
    this.#releaseUpstream();
    tellGone(this.connectionInfo);
  }

  override get upstreamLocalAddress(): string {
    return this.#localText;
  }

  override get upstreamTls(): TlsInfo | undefined {
    return this.#upstreamTls;
  }

  monotonicMs(): number {
    return this.#proxy.options.clock.monotonicMs();
  }

  connect(): void {
    const { config, options, stats } = this.#proxy;
    const chosen = chooseWeighted(config.clusters, Math.floor(options.random() * config.totalWeight));
    const name = chosen?.name ?? '';
    const cluster = options.clusters.cluster(name);
    if (cluster === undefined) {
      stats.cxNoRoute.inc();
      this.addFlag('NC');
      this.reason = `the cluster "${name}" is not known`;
      this.#end();
      return;
    }
    this.clusterName = name;
    this.#cluster = cluster;
    this.#attempt();
  }

  drain(): void {
    // Goes on until an end closes it or the listener's drain time is over.
  }

  close(): void {
    this.#end();
  }

  #attempt(): void {
    const cluster = this.#cluster as Cluster;
    const { connections } = cluster.resources.default;
    this.attemptCount++;
    const host = cluster.pickHost(cluster.destinationOf(this));
    if (host === undefined) {
      cluster.stats.cxNoneHealthy.inc();
      this.addFlag('UH');
      this.reason = 'the cluster has no endpoint that may be used';
      this.#end();
      return;
    }
    if (!connections.canCreate()) {
      cluster.stats.cxOverflow.inc();
      this.addFlag('UO');
      this.reason = 'a limit of the cluster (circuit breaker) is reached';
      this.#end();
      return;
    }
    connections.inc();
    this.#host = host;
    this.upstreamHost = host.addressText;
    this.upstreamWorkload = host.workload;
    this.#connectError = '';
    cluster.stats.cxTotal.inc();
    cluster.stats.cxActive.inc();
    host.count(HOST_COUNTER.cxTotal);
    host.count(HOST_COUNTER.cxActive);
    host.count(HOST_COUNTER.rqActive);
    const upstream = this.#open(cluster, host);
    this.#upstream = upstream;
    upstream.on('error', (error) => {
      this.#connectError = error.message;
    });
    upstream.once(this.#proxy.tunnel === undefined ? connectEventOf(host) : 'connect', () =>
      this.#onConnected(upstream),
    );
    upstream.once('close', () => this.#onUpstreamClose(upstream));
    this.#proxy.options.deadlines.set(this.#connectDeadline, cluster.config.connectTimeoutMs);
  }

  #sockets(): SocketMakers {
    const { clientAddress } = this.connectionInfo;
    return clientAddress === undefined ? SOCKETS : { ...SOCKETS, connect: clientAddress.sockets.connect };
  }

  /** Begins a connection of its own to the host, or a tunnel through one that others may share. */
  #open(cluster: Cluster, host: Host): Socket {
    const { tunnel } = this.#proxy;
    if (tunnel === undefined)
      return openSocket(cluster.config, host, 'any', {
        makers: this.#sockets(),
        filterState: passedOn(this.filterState),
        client: this.connectionInfo,
      });
    const socket = new TunnelSocket(tunnel.headFor(this));
    // Whoever waits for it to open listens only from then on.
    process.nextTick(() => {
      if (socket.destroyed) return;
      socket.open(cluster.pool(host, cluster.poolProtocol(true), 'default', this.connectionInfo));
    });
    return socket;
  }

  #onConnectTimeout(): void {
    this.#connectError = 'the connection was not made in time';
    this.#cluster?.stats.cxConnectTimeout.inc();
    this.#upstream?.destroy();
  }

  #onConnected(upstream: Socket): void {
    const { options, stats } = this.#proxy;
    options.deadlines.clear(this.#connectDeadline);
    this.#connected = true;
    const tunnelled = upstream instanceof TunnelSocket ? upstream.connection : undefined;
    const { localAddress = '', localPort = 0 } = tunnelled ?? upstream;
    this.#upstreamTls = tunnelled === undefined ? tlsInfoOf(upstream) : tunnelled.tls;
    this.#localText = socketText(localAddress, localPort);
    stats.cxConnected.inc();
    if (this.#onUpstreamSpeaks === undefined) this.#relay(upstream);
    else upstream.once('data', this.#onEarlyData);
  }

  readonly #onEarlyData = (chunk: Buffer): void => {
    this.#upstream?.pause();
    this.#upstreamEarly = chunk;
    this.#onUpstreamSpeaks?.();
  };

  #relay(upstream: Socket): void {
    const { options, config, stats } = this.#proxy;
    this.#openSeries();
    if (this.#host !== undefined) this.#cluster?.outlier?.onRelay(this.#host);
    if (config.idleTimeoutMs > 0) options.deadlines.set(this.#idle, config.idleTimeoutMs);
    if (this.#early !== undefined) {
      this.bytesReceived += this.#early.length;
      for (const series of this.#series) series.received(this.#early.length);
      this.upstreamBytesSent += this.#early.length;
      upstream.write(this.#early);
    }
    const downstream = this.#downstream;
    // What was encrypted on one side and is not on the other.
    const isDownstreamTls = this.downstreamTls !== undefined;
    const isUpstreamTls = this.#upstreamTls !== undefined;
    this.#up = new RelayWay({
      source: downstream,
      target: upstream,
      output: isDownstreamTls && !isUpstreamTls ? new TurnCork(upstream) : upstream,
      stats,
      onBytes: (count) => this.#onDownstreamBytes(count),
      onPlainBulk: isDownstreamTls ? undefined : () => process.nextTick(this.#adoptDownstream),
    });
    this.#down = new RelayWay({
      source: upstream,
      target: downstream,
      output: this.#outputTo(downstream),
      stats,
      onBytes: (count) => this.#onUpstreamBytes(count),
      onPlainBulk: undefined,
    });
    this.#relayFrom(downstream, this.#up);
    receiveBytes(upstream, this.#down);
    upstream.on('end', () => this.#downstream.end());
    upstream.on('drain', () => this.#downstream.resume());
    if (this.#upstreamEarly !== undefined) {
      this.#down.receive(this.#upstreamEarly);
      upstream.resume();
    }
    downstream.resume();
  }

  #relayFrom(downstream: Socket, way: RelayWay): void {
    receiveBytes(downstream, way);
    downstream.on('end', () => this.#upstream?.end());
    downstream.on('drain', () => this.#upstream?.resume());
  }

  #outputTo(downstream: Socket): Pick<Socket, 'write'> {
    const isPlainFromTls = this.#upstreamTls !== undefined && this.downstreamTls === undefined;
    return isPlainFromTls ? new TurnCork(downstream) : downstream;
  }

  /** Bulk comes from the client, by a socket that allocates memory for each read: another one takes its connection over. */
  readonly #adoptDownstream = (): void => {
    const used = this.#downstream;
    const up = this.#up;
    const down = this.#down;
    if (this.#ended || up?.source !== used || down === undefined) return;
    const adopted = adoptUsedSocket(used);
    if (adopted === undefined) return;
    this.#downstream = adopted;
    adopted.on('error', ignore);
    adopted.on('close', () => this.#onDownstreamClose());
    up.source = adopted;
    down.target = adopted;
    down.output = this.#outputTo(adopted);
    this.#relayFrom(adopted, up);
    if (used.isPaused()) adopted.pause();
  };

  #onDownstreamBytes(count: number): void {
    this.bytesReceived += count;
    this.upstreamBytesSent += count;
    this.#proxy.stats.rxBytes.add(count);
    for (const series of this.#series) series.received(count);
    this.#cluster?.stats.cxTxBytes.add(count);
    this.#touch();
  }

  #onUpstreamBytes(count: number): void {
    this.bytesSent += count;
    this.upstreamBytesReceived += count;
    this.#proxy.stats.txBytes.add(count);
    for (const series of this.#series) series.sent(count);
    this.#cluster?.stats.cxRxBytes.add(count);
    this.#touch();
  }

  /** Flags that come later do not change what it is counted as: it was opened without them. */
  #openSeries(): void {
    const { metrics } = this.#proxy;
    if (metrics.length === 0) return;
    this.#series = metrics.map((one) => one.find(this, this.#cluster?.config.istio));
    for (const series of this.#series) series.open();
  }

  #touch(): void {
    const { config, options } = this.#proxy;
    if (config.idleTimeoutMs > 0) options.deadlines.set(this.#idle, config.idleTimeoutMs);
  }

  #onIdle(): void {
    this.#proxy.stats.idleTimeout.inc();
    this.reason = 'nothing was sent for the idle timeout';
    this.#end();
  }

  #onUpstreamClose(upstream: Socket): void {
    const host = this.#host;
    this.#releaseUpstream();
    if (this.#ended || this.#upstream !== upstream) return;
    this.#upstream = undefined;
    if (this.#onUpstreamSpeaks !== undefined) {
      if (!this.#connected) this.#countFailure(host);
      this.#connected = false;
      return;
    }
    if (this.#connected) {
      if (this.#connectError !== '') {
        this.addFlag('UC');
        this.reason = `the upstream connection broke: ${this.#connectError}`;
        this.#end();
        return;
      }
      // What is still to be written goes out first; an end that was not sent yet is sent now.
      this.#downstream.destroySoon();
      return;
    }
    this.#countFailure(host);
    this.upstreamTransportFailureReason = this.#connectError;
    // As in Envoy also where another attempt follows.
    this.addFlag('UF');
    if (this.attemptCount < this.#proxy.config.maxConnectAttempts && !this.#downstream.destroyed) {
      this.#attempt();
      return;
    }
    this.#cluster?.stats.countConnectAttemptsExceeded();
    this.addFlag('URX');
    this.reason = `no connection to the upstream could be made: ${this.#connectError}`;
    this.#end();
  }

  #countFailure(host: Host | undefined): void {
    const cluster = this.#cluster as Cluster;
    cluster.stats.cxConnectFail.inc();
    if (host !== undefined) cluster.outlier?.onLocalFailure(host, 503);
  }

  #onDownstreamClose(): void {
    if (this.#ended) return;
    if (this.#upstream !== undefined && !this.#connected) {
      this.addFlag('DC');
      this.reason = 'the client closed before the upstream was reached';
    }
    this.#end();
  }

  #releaseUpstream(): void {
    const host = this.#host;
    const cluster = this.#cluster;
    if (host === undefined || cluster === undefined) return;
    this.#host = undefined;
    this.#proxy.options.deadlines.clear(this.#connectDeadline);
    if (!this.#connected) host.count(HOST_COUNTER.cxConnectFail);
    cluster.resources.default.connections.dec();
    cluster.stats.cxActive.dec();
    cluster.stats.cxDestroy.inc();
    host.count(HOST_COUNTER.cxActive, -1);
    host.onRequestEnd();
  }

  #end(): void {
    // What cannot be reached is told once the connection is ours.
    if (this.#ended || this.#onUpstreamSpeaks !== undefined) return;
    this.#ended = true;
    const { options, stats, accessLogs } = this.#proxy;
    this.endedAtMs = this.monotonicMs();
    options.deadlines.clear(this.#idle);
    options.deadlines.clear(this.#connectDeadline);
    this.#maxDuration?.cancel();
    this.#up?.end();
    this.#down?.end();
    const upstream = this.#upstream;
    // A client that ended in good order has its last bytes delivered.
    if (upstream !== undefined) {
      if (this.#connected && this.#downstream.readableEnded) upstream.destroySoon();
      else upstream.destroy();
    }
    this.#downstream.destroy();
    this.#proxy.activeRequests--;
    stats.cxActive.dec();
    if (!this.#connected) this.#openSeries();
    for (const series of this.#series) series.close();
    for (const log of accessLogs) log.log(this);
    tellGone(this.connectionInfo);
  }
}

const NO_SERIES: readonly TcpSeries[] = Object.freeze([]);

function ignore(): void {
  // 'close' follows every error.
}
