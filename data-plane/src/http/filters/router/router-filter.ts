import {
  applyHeaderChanges,
  redirectLocation,
  rewriteHost,
  rewritePath,
  type ForwardAction,
  type HeaderMap,
  type RequestHead,
  type ResponseHead,
  type RouteMatch,
} from '@heddle/engine';
import type { Cluster } from '../../../cluster/cluster.js';
import { HOST_COUNTER } from '../../../cluster/host-counters.js';
import type { PoolFailureReason, RequestSender, ResetReason } from '../../../codec/stream.js';
import type { TerminalFilter } from '../../filter.js';
import {
  clusterNotFound,
  directResponse,
  dropOverload,
  LOCAL_REPLY,
  redirect,
  transportFailureText,
  upstreamReset,
  upstreamResetAfterStart,
  type LocalReply,
} from '../../local-reply.js';
import type { StreamState } from '../../stream-state.js';
import { StreamTimeout, type TimeoutOwner } from '../../stream-timeout.js';
import type { RouterShared, WeightedChanges } from './router-shared.js';
import { UpstreamRequest, type UpstreamRequestOwner } from './upstream-request.js';

const ROUTE_TIMEOUT = 0;
const PER_TRY_TIMEOUT = 1;
const UPSTREAM_MAX_DURATION = 2;

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
  #upstream: UpstreamRequest | undefined = undefined;
  #timeoutMs = 0;
  #routeTimeout: StreamTimeout | undefined = undefined;
  #perTryTimeout: StreamTimeout | undefined = undefined;
  #maxDuration: StreamTimeout | undefined = undefined;
  #requestEnded = false;
  #bodySeen = false;
  #moved = false;
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
    if (this.#upstream === undefined) return;
    this.#bodySeen = true;
    this.#stream.info.upstreamBytesSent += chunk.length;
    this.#upstream.sendData(chunk, endStream);
    if (endStream) this.#onRequestEnd();
  }

  decodeTrailers(trailers: HeaderMap): void {
    if (this.#upstream === undefined) return;
    this.#bodySeen = true;
    this.#upstream.sendTrailers(trailers);
    this.#onRequestEnd();
  }

  onDownstreamWatermark(above: boolean): void {
    this.#upstream?.readDisable(above);
  }

  onDestroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#stopTimeouts();
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    this.#upstream = undefined;
    if (upstream.responseEnded && this.#requestEnded) upstream.complete();
    else {
      upstream.cluster.stats.rqCancelled.inc();
      upstream.cancel();
    }
  }

  onUpstreamReady(request: UpstreamRequest, sender: RequestSender): void {
    const { info } = this.#stream;
    info.upstreamHost = request.host.addressText;
    info.upstreamConnection = sender.connection;
  }

  onUpstreamInformational(_request: UpstreamRequest, head: ResponseHead): void {
    this.#stream.sendInformational(head);
  }

  onUpstreamHeaders(request: UpstreamRequest, head: ResponseHead, endStream: boolean): void {
    const { info } = this.#stream;
    const match = this.#match as RouteMatch;
    this.#responseStarted = true;
    if (this.#perTryTimeout !== undefined) this.#shared.deadlines.clear(this.#perTryTimeout);
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
    if (endStream) this.#onResponseEnd();
    this.#stream.encodeData(chunk, endStream);
  }

  onUpstreamTrailers(_request: UpstreamRequest, trailers: HeaderMap): void {
    this.#onResponseEnd();
    this.#stream.encodeTrailers(trailers);
  }

  onUpstreamFailure(
    request: UpstreamRequest,
    reason: ResetReason | PoolFailureReason,
    details: string,
  ): void {
    if (this.#destroyed) return;
    this.#upstream = undefined;
    if (this.#mayTryAnotherConnection(request, reason)) {
      this.#moved = true;
      this.#startUpstream(request.cluster, this.#head as RequestHead, this.#requestEnded);
      return;
    }
    this.#stopTimeouts();
    const { info } = this.#stream;
    const { stats } = request.cluster;
    info.upstreamHost = request.host.addressText;
    if (this.#responseStarted) {
      stats.rqRxReset.inc();
      // With HTTP/1.1 a message that is cut off breaks the protocol; only HTTP/2 resets a stream.
      const isCut = reason === 'remote-reset' && info.upstreamProtocol === 'HTTP/1.1';
      const words = upstreamResetAfterStart(isCut ? 'protocol-error' : (reason as ResetReason));
      if (words.flag !== undefined) info.addFlag(words.flag);
      info.codeDetails = words.details;
      info.reason = words.reason;
      this.#stream.resetDownstream();
      return;
    }
    const failedToConnect = reason === 'connection-failure' || reason === 'connect-timeout';
    if (reason === 'overflow') info.upstreamHost = '';
    else if (!failedToConnect) stats.rqRxReset.inc();
    const failure = reason === 'connection-failure' ? transportFailureText(details) : '';
    info.upstreamTransportFailureReason = failure;
    request.host.count(HOST_COUNTER.rqError);
    const reply = upstreamReset(reason, failure);
    stats.countStatus(reply.status);
    this.#stream.sendLocalReply(reply);
  }

  onUpstreamWatermark(above: boolean): void {
    this.#stream.pauseRequest(above);
  }

  onTimeout(kind: number): void {
    const upstream = this.#upstream;
    if (this.#destroyed || upstream === undefined) return;
    const { stats } = upstream.cluster;
    upstream.host.count(HOST_COUNTER.rqTimeout);
    let reply: LocalReply = LOCAL_REPLY.responseTimeout;
    if (kind === PER_TRY_TIMEOUT) {
      reply = LOCAL_REPLY.perTryTimeout;
      stats.rqPerTryTimeout.inc();
    } else if (kind === UPSTREAM_MAX_DURATION) {
      reply = LOCAL_REPLY.upstreamMaxDuration;
      stats.rqMaxDurationReached.inc();
    } else stats.rqTimeout.inc();
    if (!this.#responseStarted) {
      stats.countStatus(reply.status);
      upstream.host.count(HOST_COUNTER.rqError);
    }
    this.#stream.info.upstreamHost = upstream.host.addressText;
    this.#stream.sendLocalReply(reply);
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
    this.#timeoutMs = action.timeoutMs;
    this.#prepareRequest(match, action, head);
    this.#startUpstream(cluster, head, endStream);
    if (endStream && this.#upstream !== undefined) this.#onRequestEnd();
  }

  #prepareRequest(match: RouteMatch, action: ForwardAction, head: RequestHead): void {
    const { info } = this.#stream;
    const { headers } = head;
    const asked = headers.get('x-envoy-upstream-rq-timeout-ms');
    if (asked !== undefined) {
      if (/^\d{1,9}$/.test(asked)) this.#timeoutMs = Number(asked);
      headers.remove('x-envoy-upstream-rq-timeout-ms');
    }
    if (!this.#shared.suppressEnvoyHeaders && this.#timeoutMs > 0) {
      const perTryMs = action.retry?.perTryTimeoutMs ?? 0;
      const expectedMs = perTryMs > 0 ? Math.min(perTryMs, this.#timeoutMs) : this.#timeoutMs;
      headers.set('x-envoy-expected-rq-timeout-ms', String(expectedMs));
    }
    if (match.virtualHost.includeRequestAttemptCount) headers.set('x-envoy-attempt-count', '1');
    if (this.#weighted !== undefined && match.weightedFirst) {
      applyHeaderChanges(this.#weighted.request, headers, info);
    }
    if (match.requestHeaders.length > 0) applyHeaderChanges(match.requestHeaders, headers, info);
    if (this.#weighted !== undefined && !match.weightedFirst) {
      applyHeaderChanges(this.#weighted.request, headers, info);
    }
    const host = rewriteHost(action, head, info.weightedCluster?.hostRewriteLiteral);
    if (host !== undefined) this.#setHost(action, head, host);
    const path = rewritePath(match.route, action, head.path);
    if (path !== undefined) {
      info.originalPath = head.path;
      if (!this.#shared.suppressEnvoyHeaders) headers.set('x-envoy-original-path', head.path);
      head.path = path;
    }
  }

  #setHost(action: ForwardAction, head: RequestHead, host: string): void {
    const { info } = this.#stream;
    if (host === head.authority) return;
    if (action.appendXForwardedHost) {
      const before = head.headers.joined('x-forwarded-host');
      head.headers.set(
        'x-forwarded-host',
        before === undefined ? head.authority : `${before},${head.authority}`,
      );
    }
    // As Envoy: not where the rewrite is one of a weighted cluster.
    if (!this.#shared.suppressEnvoyHeaders && (info.weightedCluster?.hostRewriteLiteral ?? '') === '') {
      head.headers.set('x-envoy-original-host', head.authority);
    }
    head.authority = host;
  }

  #startUpstream(cluster: Cluster, head: RequestHead, endStream: boolean): void {
    const { info } = this.#stream;
    const action = this.#action as ForwardAction;
    const host = cluster.pickHost(info.originalDestination);
    if (host === undefined) {
      cluster.stats.cxNoneHealthy.inc();
      cluster.stats.countStatus(503);
      this.#stream.sendLocalReply(LOCAL_REPLY.noHealthyUpstream);
      return;
    }
    if (action.hostRewrite.kind === 'auto' && host.hostname !== '')
      this.#setHost(action, head, host.hostname);
    info.attemptCount++;
    const upstream = new UpstreamRequest(this, cluster, host, head, endStream, this.#shared.bufferLimitBytes);
    this.#upstream = upstream;
    upstream.start(cluster.pool(host, 'http1', action.priority));
  }

  /**
   * A connection that was idle may close in the moment it is used. While nothing of the request has left, another connection
   * may take it, once; anything else would be a retry.
   */
  #mayTryAnotherConnection(request: UpstreamRequest, reason: ResetReason | PoolFailureReason): boolean {
    return (
      !this.#moved &&
      !this.#bodySeen &&
      this.#requestEnded &&
      reason === 'connection-termination' &&
      request.connectionWasReused &&
      request.mayMove
    );
  }

  #onRequestEnd(): void {
    this.#requestEnded = true;
    const action = this.#action;
    const upstream = this.#upstream;
    if (upstream === undefined || action === undefined) return;
    if (upstream.responseEnded) {
      upstream.complete();
      return;
    }
    const { deadlines } = this.#shared;
    if (this.#responseStarted && (this.#head as RequestHead).upgrade !== '') return;
    if (this.#timeoutMs > 0) {
      this.#routeTimeout = new StreamTimeout(this, ROUTE_TIMEOUT);
      deadlines.set(this.#routeTimeout, this.#timeoutMs);
    }
    const perTryMs = action.retry?.perTryTimeoutMs ?? 0;
    if (perTryMs > 0 && !this.#responseStarted) {
      this.#perTryTimeout = new StreamTimeout(this, PER_TRY_TIMEOUT);
      deadlines.set(this.#perTryTimeout, perTryMs);
    }
    const maxMs = upstream.cluster.config.protocol.maxStreamDurationMs;
    if (maxMs > 0) {
      this.#maxDuration = new StreamTimeout(this, UPSTREAM_MAX_DURATION);
      deadlines.set(this.#maxDuration, maxMs);
    }
  }

  #onResponseEnd(): void {
    this.#stopTimeouts();
    if (this.#requestEnded) this.#upstream?.complete();
  }

  #stopTimeouts(): void {
    const { deadlines } = this.#shared;
    if (this.#routeTimeout !== undefined) deadlines.clear(this.#routeTimeout);
    if (this.#perTryTimeout !== undefined) deadlines.clear(this.#perTryTimeout);
    if (this.#maxDuration !== undefined) deadlines.clear(this.#maxDuration);
  }
}
