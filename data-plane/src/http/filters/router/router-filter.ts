import {
  applyHeaderChanges,
  clusterNotFound,
  directResponse,
  dropOverload,
  expectedTimeoutMs,
  formatGrpcTimeout,
  httpStatusOfGrpc,
  isGrpcContentType,
  isRetriable,
  isTimedByGrpc,
  LOCAL_REPLY,
  makeUpstreamHead,
  perTryTimeoutMs,
  redirect,
  redirectLocation,
  requestHash,
  requestTimeoutMs,
  retryPolicyOf,
  setHost,
  transportFailureText,
  upstreamReset,
  upstreamResetAfterStart,
  type AttemptFailure,
  type ForwardAction,
  type UpgradeConfig,
  type HeaderMap,
  type LocalReply,
  type RequestHash,
  type RequestHead,
  type ResponseHead,
  type RouteMatch,
  type WeightedChanges,
} from '@heddle/engine';
import type { Cluster } from '../../../cluster/cluster.js';
import { HOST_COUNTER } from '../../../cluster/host-counters.js';
import type { Host } from '../../../cluster/host.js';
import type { ConnectionPool, RequestSender, ResetReason } from '../../../codec/stream.js';
import type { TerminalFilter } from '../../filter.js';
import type { StreamState } from '../../stream-state.js';
import { StreamTimeout, type TimeoutOwner } from '../../stream-timeout.js';
import { AttemptTimeout, AttemptTimers } from './attempt-timers.js';
import { RetryState, RetryVerdict } from './retry-state.js';
import type { RouterShared } from './router-shared.js';
import { UpstreamRequest, type UpstreamRequestOwner } from './upstream-request.js';

/** Beside those of `AttemptTimeout`. */
const ROUTE_TIMEOUT = 0;

/** Methods whose requests may be sent again without harm. Source: RFC 9110 section 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** What the router needs of the stream that it ends. */
export interface RouterStream {
  readonly info: StreamState;
  readonly requestEnded: boolean;
  sendInformational(head: ResponseHead): void;
  encodeHeaders(head: ResponseHead, endStream: boolean): void;
  encodeData(chunk: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  pauseRequest(pause: boolean): void;
  sendLocalReply(reply: LocalReply): void;
  /** The response broke off. */
  resetDownstream(): void;
}

/**
 * The end of every filter chain: sends the request where its route says, and the response back.
 *
 * Source: envoy.extensions.filters.http.router.v3.Router.
 */
export class RouterFilter implements TerminalFilter, UpstreamRequestOwner, TimeoutOwner {
  readonly #stream: RouterStream;
  readonly #shared: RouterShared;
  #match: RouteMatch | undefined = undefined;
  #action: ForwardAction | undefined = undefined;
  #weighted: WeightedChanges | undefined = undefined;
  #head: RequestHead | undefined = undefined;
  #cluster: Cluster | undefined = undefined;
  #upstream: UpstreamRequest | undefined = undefined;
  /** Set where the route's requests are assigned by hash. */
  #hash: RequestHash | undefined = undefined;
  /** Set while another attempt may follow, which is never so without a retry policy. */
  #retry: RetryState | undefined = undefined;
  /** Of the request and of one attempt; 0: without a bound. */
  #timeoutMs = 0;
  /** Set where the deadline of a call by gRPC is the timeout. */
  #tellsGrpcTimeout = false;
  #perTryMs = 0;
  /** Set where whoever asks wants to be answered 204 when the time is up. */
  #hidesTimeout = false;
  #routeTimeout: StreamTimeout | undefined = undefined;
  #timers: AttemptTimers | undefined = undefined;
  #requestEnded = false;
  #bodySeen = false;
  /** Something of the request was handed to an upstream. */
  #requestStarted = false;
  #moved = false;
  #interimSeen = false;
  #responseStarted = false;
  #destroyed = false;

  constructor(stream: RouterStream, shared: RouterShared) {
    this.#stream = stream;
    this.#shared = shared;
  }

  decodeHeaders(head: RequestHead, endStream: boolean): void {
    const { info } = this.#stream;
    const { stats } = this.#shared;
    const match = info.route;
    this.#head = head;
    this.#requestEnded = endStream;
    if (match === undefined) {
      stats.noRoute.inc();
      this.#stream.sendLocalReply(LOCAL_REPLY.routeNotFound);
      return;
    }
    this.#match = match;
    stats.rqRouted.inc();
    const { action } = match.route;
    switch (action.kind) {
      case 'forward':
        this.#forward(match, action, head, endStream);
        return;
      case 'redirect':
        stats.rqRedirect.inc();
        this.#stream.sendLocalReply(redirect(action.status, redirectLocation(match.route, action, head)));
        return;
      case 'direct-response':
        stats.rqDirectResponse.inc();
        this.#stream.sendLocalReply(directResponse(action.status, action.body));
        return;
      case 'non-forwarding':
        stats.noRoute.inc();
        this.#stream.sendLocalReply(LOCAL_REPLY.routeNotFound);
        return;
    }
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    const retry = this.#retry;
    if (retry !== undefined && !retry.keep(chunk) && !this.#giveUpRetrying()) return;
    this.#bodySeen = true;
    if (this.#upstream !== undefined) {
      this.#stream.info.upstreamBytesSent += chunk.length;
      this.#upstream.sendData(chunk, endStream);
      this.#timers?.touch();
    }
    if (endStream) this.#onRequestEnd();
  }

  decodeTrailers(trailers: HeaderMap): void {
    this.#retry?.keepTrailers(trailers);
    this.#bodySeen = true;
    this.#upstream?.sendTrailers(trailers);
    this.#onRequestEnd();
  }

  onDownstreamWatermark(above: boolean): void {
    this.#upstream?.readDisable(above);
  }

  onDestroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#stopTimeouts();
    this.#retry?.release();
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    this.#upstream = undefined;
    this.#end(upstream);
  }

  onUpstreamReady(request: UpstreamRequest, sender: RequestSender): void {
    const { info } = this.#stream;
    info.upstreamHost = request.host.addressText;
    info.upstreamWorkload = request.host.workload;
    info.upstreamConnection = sender.connection;
    if (this.#requestEnded) this.#timers?.start(this.#responseStarted);
    request.cluster.outlier?.onConnection(request.host);
  }

  onUpstreamInformational(_request: UpstreamRequest, head: ResponseHead): void {
    this.#interimSeen = true;
    // What the client was told of one attempt may not hold for another.
    this.#retry?.release();
    this.#retry = undefined;
    this.#stream.sendInformational(head);
  }

  onUpstreamHeaders(request: UpstreamRequest, head: ResponseHead, endStream: boolean): void {
    const { outlier } = request.cluster;
    if (outlier !== undefined) outlier.onResponse(request.host, this.#judgedStatus(head));
    const { healthChecker } = request.cluster;
    if (healthChecker !== undefined && head.headers.has('x-envoy-immediate-health-check-fail')) {
      healthChecker.onPassiveFailure(request.host);
    }
    if (this.#retry !== undefined && this.#retriesResponse(request, head, endStream)) return;
    const { info } = this.#stream;
    const match = this.#match as RouteMatch;
    this.#responseStarted = true;
    this.#timers?.onResponse();
    if (head.status === 101 && this.#routeTimeout !== undefined) {
      this.#shared.deadlines.clear(this.#routeTimeout);
    }
    const { stats } = request.cluster;
    stats.countStatus(head.status);
    request.host.count(head.status >= 500 ? HOST_COUNTER.rqError : HOST_COUNTER.rqSuccess);
    info.codeDetails = 'via_upstream';
    const nowMs = this.#shared.clock.monotonicMs();
    const serviceMs = Math.max(0, nowMs - (info.requestEndedAtMs === -1 ? nowMs : info.requestEndedAtMs));
    info.upstreamServiceTimeMs = serviceMs;
    stats.rqTime.record(serviceMs);
    const { headers } = head;
    // What is added to the response may be made of it.
    info.response = head;
    info.responseCode = head.status;
    if (!this.#shared.suppressEnvoyHeaders) {
      headers.set('x-envoy-upstream-service-time', String(Math.round(serviceMs)));
    }
    if (this.#hash !== undefined) {
      for (const cookie of this.#hash.setCookies) headers.append('set-cookie', cookie);
    }
    if (match.virtualHost.includeAttemptCountInResponse) {
      headers.set('x-envoy-attempt-count', String(info.attemptCount));
    }
    if (this.#weighted !== undefined && match.weightedFirst) {
      applyHeaderChanges(this.#weighted.response, headers, info);
    }
    if (match.responseHeaders.length > 0) applyHeaderChanges(match.responseHeaders, headers, info);
    if (this.#weighted !== undefined && !match.weightedFirst) {
      applyHeaderChanges(this.#weighted.response, headers, info);
    }
    if (endStream) this.#onResponseEnd();
    this.#stream.encodeHeaders(head, endStream);
  }

  onUpstreamData(_request: UpstreamRequest, chunk: Buffer, endStream: boolean): void {
    this.#stream.info.upstreamBytesReceived += chunk.length;
    this.#timers?.touch();
    if (endStream) this.#onResponseEnd();
    this.#stream.encodeData(chunk, endStream);
  }

  onUpstreamTrailers(_request: UpstreamRequest, trailers: HeaderMap): void {
    this.#onResponseEnd();
    this.#stream.encodeTrailers(trailers);
  }

  onUpstreamFailure(request: UpstreamRequest, reason: AttemptFailure, details: string): void {
    if (this.#destroyed) return;
    this.#upstream = undefined;
    this.#timers?.stop();
    if (request.anythingSent) this.#requestStarted = true;
    const isHttp2 = this.#stream.info.upstreamProtocol === 'HTTP/2';
    // With HTTP/1.1 nobody resets a stream. Source: Envoy, which counts so as well.
    if (reason === 'remote-reset' && isHttp2) request.cluster.stats.rqRxReset.inc();
    if (this.#mayTryAnotherConnection(request, reason)) {
      this.#moved = true;
      request.cluster.stats.rqMoved.inc();
      this.#startUpstream(request.cluster, true);
      return;
    }
    if (reason !== 'overflow') request.cluster.outlier?.onLocalFailure(request.host, 503);
    if (this.#retry !== undefined && this.#retriesFailure(request, reason)) return;
    this.#stopTimeouts();
    const { info } = this.#stream;
    const { stats } = request.cluster;
    info.upstreamHost = request.host.addressText;
    info.upstreamWorkload = request.host.workload;
    if (this.#responseStarted) {
      // With HTTP/1.1 a message that is cut off breaks the protocol.
      const isCut = reason === 'remote-reset' && !isHttp2;
      const words = upstreamResetAfterStart(isCut ? 'protocol-error' : (reason as ResetReason));
      if (words.flag !== undefined) info.addFlag(words.flag);
      info.codeDetails = words.details;
      info.reason = words.reason;
      this.#stream.resetDownstream();
      return;
    }
    if (reason === 'overflow') info.upstreamHost = info.upstreamWorkload = '';
    const failure = transportFailureText(reason, details);
    info.upstreamTransportFailureReason = failure;
    request.host.count(HOST_COUNTER.rqError);
    const reply = upstreamReset(reason, failure, info.attemptCount > 1, this.#interimSeen);
    stats.countStatus(reply.status);
    this.#reply(reply);
  }

  onUpstreamWatermark(above: boolean): void {
    this.#stream.pauseRequest(above);
  }

  onTimeout(kind: number): void {
    const upstream = this.#upstream;
    const cluster = this.#cluster;
    if (this.#destroyed || cluster === undefined) return;
    const { stats } = cluster;
    if (upstream === undefined) {
      // The time is up while a retry waits for its turn.
      if (kind === ROUTE_TIMEOUT) this.#reply(this.#timeoutReply(LOCAL_REPLY.responseTimeout));
      return;
    }
    let reply: LocalReply = LOCAL_REPLY.responseTimeout;
    if (kind === AttemptTimeout.MaxDuration) {
      reply = LOCAL_REPLY.upstreamMaxDuration;
      stats.rqMaxDurationReached.inc();
    } else {
      upstream.host.count(HOST_COUNTER.rqTimeout);
      if (kind !== ROUTE_TIMEOUT || !this.#responseStarted)
        cluster.outlier?.onLocalFailure(upstream.host, 504);
      if (kind === AttemptTimeout.PerTry) {
        reply = LOCAL_REPLY.perTryTimeout;
        stats.rqPerTryTimeout.inc();
      } else if (kind === AttemptTimeout.PerTryIdle) {
        reply = LOCAL_REPLY.perTryIdleTimeout;
        stats.rqPerTryIdleTimeout.inc();
      } else stats.rqTimeout.inc();
    }
    reply = this.#timeoutReply(reply);
    this.#stream.info.upstreamHost = upstream.host.addressText;
    this.#stream.info.upstreamWorkload = upstream.host.workload;
    if (kind !== ROUTE_TIMEOUT && this.#retry !== undefined && !this.#responseStarted) {
      if (upstream.anythingSent) this.#requestStarted = true;
      if (this.#retriesFailure(upstream, 'local-reset', kind !== AttemptTimeout.MaxDuration)) return;
    }
    // As Envoy, which counts those that ran too long apart.
    if (!this.#responseStarted && kind !== AttemptTimeout.MaxDuration) {
      stats.countStatus(reply.status);
      upstream.host.count(HOST_COUNTER.rqError);
    }
    this.#reply(reply);
  }

  #forward(match: RouteMatch, action: ForwardAction, head: RequestHead, endStream: boolean): void {
    const { info } = this.#stream;
    const { clusters, random, stats } = this.#shared;
    this.#action = action;
    const name = info.clusterName;
    const cluster = name === '' ? undefined : clusters.cluster(name);
    if (cluster === undefined) {
      stats.noCluster.inc();
      info.clusterName = '';
      this.#stream.sendLocalReply(clusterNotFound(action.clusterNotFoundStatus, name));
      return;
    }
    const weighted = info.weightedCluster;
    if (weighted !== undefined) this.#weighted = this.#shared.weightedChanges(weighted);
    if (cluster.dropRatio > 0 && random() < cluster.dropRatio) {
      cluster.stats.dropOverload.inc();
      cluster.stats.countStatus(503);
      this.#stream.sendLocalReply(dropOverload());
      return;
    }
    this.#cluster = cluster;
    if (action.hashPolicies.length > 0 && cluster.picksByHash)
      this.#hash = requestHash(action.hashPolicies, head, info);
    this.#prepareRequest(match, action, head);
    this.#startUpstream(cluster, false);
    if (endStream && !this.#destroyed) this.#onRequestEnd();
  }

  /** What the upstream may count on. */
  #tellTimeout({ headers }: RequestHead, elapsedMs: number): void {
    const expectedMs = expectedTimeoutMs(this.#timeoutMs, this.#perTryMs, elapsedMs);
    if (expectedMs <= 0) return;
    if (!this.#shared.suppressEnvoyHeaders) headers.set('x-envoy-expected-rq-timeout-ms', String(expectedMs));
    if (this.#tellsGrpcTimeout) headers.set('grpc-timeout', formatGrpcTimeout(expectedMs));
  }

  #prepareRequest(match: RouteMatch, action: ForwardAction, head: RequestHead): void {
    const { info } = this.#stream;
    const { suppressEnvoyHeaders, bufferLimitBytes } = this.#shared;
    const { retry } = action;
    const trusted = info.trustsEnvoyHeaders;
    const timeoutMs = requestTimeoutMs(action, head, info, this.#shared.respectsExpectedTimeout);
    const perTryMs = perTryTimeoutMs(action, head, info, timeoutMs);
    this.#timeoutMs = timeoutMs;
    this.#perTryMs = perTryMs;
    this.#tellsGrpcTimeout = isTimedByGrpc(action, head);
    if (trusted) this.#takeOrders(head);
    this.#tellTimeout(head, 0);
    makeUpstreamHead(match, action, head, info, this.#weighted, suppressEnvoyHeaders);
    const idleMs = retry === undefined ? 0 : retry.perTryIdleTimeoutMs;
    const maxMs = (this.#cluster as Cluster).config.protocol.maxStreamDurationMs;
    if (perTryMs + idleMs + maxMs > 0) {
      this.#timers = new AttemptTimers(this, this.#shared.deadlines, perTryMs, idleMs, maxMs);
    }
    if (retry === undefined && !trusted) return;
    const policy = trusted ? retryPolicyOf(retry, head) : retry;
    if (policy === undefined || policy.conditions === 0 || !isRetriable(policy, head)) return;
    const limitBytes = Math.min(bufferLimitBytes, action.retryBufferLimitBytes);
    this.#retry = new RetryState(policy, this.#shared, action.priority, limitBytes);
  }

  /** What a trusted client may ask for beside timeouts and retries; what cannot be done does not go on either. */
  #takeOrders({ headers }: RequestHead): void {
    this.#hidesTimeout = headers.has('x-envoy-upstream-rq-timeout-alt-response');
    headers.remove('x-envoy-upstream-rq-timeout-alt-response');
    headers.remove('x-envoy-upstream-alt-stat-name');
    headers.remove('x-envoy-hedge-on-per-try-timeout');
  }

  #startUpstream(cluster: Cluster, fresh: boolean): void {
    const { info } = this.#stream;
    const { suppressEnvoyHeaders, bufferLimitBytes } = this.#shared;
    const action = this.#action as ForwardAction;
    const head = this.#head as RequestHead;
    const retry = this.#retry;
    const host =
      retry === undefined
        ? cluster.pickHost(cluster.destinationOf(info), this.#hash?.hash)
        : retry.pickHost(cluster, cluster.destinationOf(info), this.#hash?.hash);
    if (host === undefined) {
      cluster.stats.cxNoneHealthy.inc();
      cluster.stats.countStatus(503);
      this.#reply(LOCAL_REPLY.noHealthyUpstream);
      return;
    }
    if (action.hostRewrite.kind === 'auto' && host.hostname !== '') {
      if (info.attemptCount === 0) setHost(action, head, host.hostname, info, suppressEnvoyHeaders);
      else head.authority = host.hostname;
    }
    info.attemptCount++;
    const isWhole = this.#requestEnded && (retry === undefined || retry.isBodiless);
    const upstream = new UpstreamRequest(this, cluster, host, head, isWhole, bufferLimitBytes);
    this.#upstream = upstream;
    upstream.start(this.#poolFor(cluster, host, action, head), fresh);
    if (retry !== undefined && this.#bodySeen && this.#upstream === upstream) {
      retry.replay(upstream, this.#requestEnded);
    }
  }

  #poolFor(cluster: Cluster, host: Host, action: ForwardAction, head: RequestHead): ConnectionPool {
    const { connectionInfo, filterState } = this.#stream.info;
    if (head.method === 'CONNECT' && action.upgradeTypes.some(endsTunnels))
      return cluster.tunnelPool(host, action.priority, filterState, connectionInfo);
    const protocol = cluster.poolProtocol(head.version === 'HTTP/2');
    return cluster.pool(host, protocol, action.priority, connectionInfo);
  }

  /** Sends a response's attempt away and has another one follow, if the policy says so. */
  #retriesResponse(request: UpstreamRequest, head: ResponseHead, endStream: boolean): boolean {
    const retry = this.#retry as RetryState;
    const { cluster, host } = request;
    if (!this.#retryAfter(retry.onResponse(head, cluster))) return false;
    cluster.stats.countRetried(head.status);
    host.count(HOST_COUNTER.rqError);
    this.#upstream = undefined;
    this.#timers?.stop();
    if (endStream && this.#requestEnded) request.complete();
    else request.cancel();
    retry.wait(cluster, () => this.#tryAgain(false));
    return true;
  }

  #retriesFailure(request: UpstreamRequest, reason: AttemptFailure, timedOut = false): boolean {
    const retry = this.#retry as RetryState;
    const { cluster, host } = request;
    if (!this.#retryAfter(retry.onFailure(reason, this.#requestStarted, cluster))) return false;
    host.count(HOST_COUNTER.rqError);
    this.#upstream = undefined;
    this.#timers?.stop();
    // After a failure this does nothing: it is over already.
    request.cancel();
    retry.wait(cluster, () => this.#tryAgain(timedOut));
    return true;
  }

  /** Whether another attempt follows. If not, none ever will. */
  #retryAfter(verdict: RetryVerdict): boolean {
    if (verdict === RetryVerdict.Yes) return true;
    const { info } = this.#stream;
    if (verdict === RetryVerdict.Overflow) info.addFlag('UO');
    else if (verdict === RetryVerdict.LimitExceeded) info.addFlag('URX');
    this.#retry?.release();
    this.#retry = undefined;
    return false;
  }

  /** The body is too large to be sent again. False: there is nobody to send it to any more, and the request is answered. */
  #giveUpRetrying(): boolean {
    this.#cluster?.stats.retryAbandoned.inc();
    this.#retry?.release();
    this.#retry = undefined;
    if (this.#upstream !== undefined) return true;
    this.#reply(LOCAL_REPLY.retryBufferExceeded);
    return false;
  }

  #tryAgain(timedOut: boolean): void {
    const { info } = this.#stream;
    const { clock, clusters } = this.#shared;
    const match = this.#match as RouteMatch;
    const head = this.#head as RequestHead;
    // It may have been replaced or removed meanwhile.
    const cluster = clusters.cluster(info.clusterName);
    if (cluster === undefined) {
      this.#reply(LOCAL_REPLY.noHealthyUpstream);
      return;
    }
    this.#cluster = cluster;
    const { virtualHost } = match;
    if (virtualHost.includeRequestAttemptCount) {
      head.headers.set('x-envoy-attempt-count', String(info.attemptCount + 1));
    }
    if (virtualHost.includeIsTimeoutRetryHeader) {
      head.headers.set('x-envoy-is-timeout-retry', String(timedOut));
    }
    this.#tellTimeout(head, this.#requestEnded ? clock.monotonicMs() - info.requestEndedAtMs : 0);
    this.#startUpstream(cluster, false);
  }

  /**
   * A connection that was idle may be closed in the very moment it is used. Another one takes the request then, once: while
   * nothing of it has left, or when its method is one of those that may be sent twice. So it does when the server says that it has not
   * looked at the request (HTTP/2: it goes away, or has streams enough), unless that is what the retry policy is for. Anything else would
   * be a retry.
   */
  #mayTryAnotherConnection(request: UpstreamRequest, reason: AttemptFailure): boolean {
    if (this.#moved || this.#interimSeen || this.#responseStarted || !this.#requestEnded) return false;
    if (this.#bodySeen && this.#retry === undefined) return false;
    if (reason === 'remote-refused')
      return this.#retry === undefined || !this.#retry.wants(reason, this.#requestStarted);
    return (
      reason === 'connection-termination' &&
      request.connectionWasReused &&
      (!request.anythingSent || IDEMPOTENT.has((this.#head as RequestHead).method))
    );
  }

  /** By what a response is judged: of a gRPC that failed at once, its own status. */
  #judgedStatus(head: ResponseHead): number {
    const grpcStatus = head.headers.get('grpc-status');
    if (grpcStatus === undefined) return head.status;
    const contentType = (this.#head as RequestHead).headers.get('content-type');
    return isGrpcContentType(contentType) ? httpStatusOfGrpc(grpcStatus) : head.status;
  }

  #timeoutReply(reply: LocalReply): LocalReply {
    return this.#hidesTimeout ? { ...reply, status: 204, body: '' } : reply;
  }

  #reply(reply: LocalReply): void {
    const { info } = this.#stream;
    const inResponse = this.#match?.virtualHost.includeAttemptCountInResponse === true;
    if (!inResponse || info.attemptCount === 0) this.#stream.sendLocalReply(reply);
    else {
      const count = ['x-envoy-attempt-count', String(info.attemptCount)] as const;
      this.#stream.sendLocalReply({ ...reply, headers: [...reply.headers, count] });
    }
  }

  #onRequestEnd(): void {
    this.#requestEnded = true;
    const upstream = this.#upstream;
    if (upstream?.responseEnded === true) {
      upstream.complete();
      return;
    }
    if (this.#responseStarted && (this.#head as RequestHead).upgrade !== '') return;
    if (this.#timeoutMs > 0) {
      this.#routeTimeout = new StreamTimeout(this, ROUTE_TIMEOUT);
      this.#shared.deadlines.set(this.#routeTimeout, this.#timeoutMs);
    }
    if (upstream?.isReady === true) this.#timers?.start(this.#responseStarted);
  }

  #onResponseEnd(): void {
    this.#stopTimeouts();
    if (this.#requestEnded) this.#upstream?.complete();
  }

  #end(upstream: UpstreamRequest): void {
    if (upstream.responseEnded && this.#requestEnded) upstream.complete();
    else upstream.cancel();
  }

  #stopTimeouts(): void {
    if (this.#routeTimeout !== undefined) this.#shared.deadlines.clear(this.#routeTimeout);
    this.#timers?.stop();
  }
}

/** Source: `connect_config`. */
function endsTunnels({ type, enabled, terminates }: UpgradeConfig): boolean {
  return terminates && enabled && type === 'connect';
}
