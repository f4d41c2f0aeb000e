import {
  appendVia,
  applyHeaderChanges,
  chooseCluster,
  filterOverride,
  filterOverrides,
  encodeGrpcMessage,
  formatGrpcTimeout,
  grpcStatusOf,
  HeaderMap,
  isGrpcContentType,
  LOCAL_REPLY,
  normalizeRequest,
  parseGrpcTimeout,
  pathForMatching,
  prepareRequestHeaders,
  type GrpcTimeoutConfig,
  type LocalReply,
  type RequestHead,
  type ResponseHead,
  type RouteTable,
} from '@heddle/engine';
import type { RequestReceiver, ResetReason, ResponseSender } from '../codec/stream.js';
import type { ConnectionManagerRuntime } from './connection-manager-runtime.js';
import { FilterChain, type FilterChainOwner } from './filter-chain.js';
import { RouterFilter } from './filters/router/router-filter.js';
import { GrpcMessages } from './grpc-messages.js';
import { isShed } from '../overload/overload-state.js';
import { StreamState, type ConnectionInfo } from './stream-state.js';
import { StreamTimeout, type TimeoutOwner } from './stream-timeout.js';

const IDLE = 0;
const REQUEST = 1;
const MAX_DURATION = 2;
const NO_NAMES: readonly string[] = Object.freeze([]);

/** Told when a request is over. */
export interface ActiveStreamOwner {
  onStreamEnd(stream: ActiveStream): void;
}

/**
 * One request from its head to the last byte of its response: receives it from the codec, sends it through the filters, and
 * sends what comes back.
 */
export class ActiveStream extends StreamState implements RequestReceiver, FilterChainOwner, TimeoutOwner {
  readonly #runtime: ConnectionManagerRuntime;
  readonly #owner: ActiveStreamOwner;
  readonly #sender: ResponseSender;
  readonly #chain: FilterChain;
  readonly #idle: StreamTimeout;
  #idleTimeoutMs: number;
  #requestTimeout: StreamTimeout | undefined = undefined;
  #maxDuration: StreamTimeout | undefined = undefined;
  #requestEnded = false;
  #headersSent = false;
  #responseEnded = false;
  #ended = false;
  #upgraded = false;
  #headMethod = false;
  #isConnect = false;
  /** How often the request is paused by filters and the router. */
  #aboveWatermark = false;
  /** The routes among which this request found its own. */
  #routeTable: RouteTable | undefined = undefined;

  constructor(
    runtime: ConnectionManagerRuntime,
    owner: ActiveStreamOwner,
    sender: ResponseSender,
    connectionInfo: ConnectionInfo,
  ) {
    super(connectionInfo, runtime.clock.nowMs(), runtime.clock.monotonicMs());
    this.#runtime = runtime;
    this.#owner = owner;
    this.#sender = sender;
    this.#idle = new StreamTimeout(this, IDLE);
    this.#idleTimeoutMs = runtime.config.streamIdleTimeoutMs;
    this.#chain = new FilterChain(this, runtime.bufferLimitBytes);
    this.#chain.terminal = new RouterFilter(this, runtime.router);
    runtime.activeRequests++;
    runtime.stats.rqTotal.inc();
    runtime.stats.rqActive.inc();
  }

  override get requestHeadBytes(): number {
    return this.#sender.requestHeadBytes;
  }

  override get responseHeadBytes(): number {
    return this.#sender.responseHeadBytes;
  }

  get info(): StreamState {
    return this;
  }

  override get routedPath(): string {
    const ignoresParameters = this.#routeTable?.config.ignorePathParametersInPathMatching === true;
    return pathForMatching(this.request?.path ?? '', ignoresParameters);
  }

  /** Whether the whole request has arrived. */
  get requestEnded(): boolean {
    return this.#requestEnded;
  }

  monotonicMs(): number {
    return this.#runtime.clock.monotonicMs();
  }

  onRequestHeaders(head: RequestHead, endStream: boolean): void {
    const runtime = this.#runtime;
    const { config, stats } = runtime;
    this.request = head;
    if (head.version === 'HTTP/2') stats.rqHttp2.inc();
    else stats.rqHttp1.inc();
    this.#headMethod = head.method === 'HEAD';
    this.isGrpc = isGrpcContentType(head.headers.get('content-type'));
    if (this.isGrpc && runtime.observesEnds) {
      this.requestMessages = new GrpcMessages();
      this.responseMessages = new GrpcMessages();
    }
    if (endStream) this.#endRequest();
    else if (config.requestTimeoutMs > 0) {
      this.#requestTimeout = new StreamTimeout(this, REQUEST);
      runtime.deadlines.set(this.#requestTimeout, config.requestTimeoutMs);
    }
    if (isShed(runtime.overload.requests, runtime.random)) {
      stats.rqOverloadClose.inc();
      this.sendLocalReply(LOCAL_REPLY.overloaded);
      return;
    }
    const refused = normalizeRequest(head, this, config);
    if (refused !== undefined) {
      if (refused === LOCAL_REPLY.relativePath) stats.rqNonRelativePath.inc();
      else if (refused === LOCAL_REPLY.invalidPath) stats.rqFailedPathNormalization.inc();
      else if (refused.status === 307) stats.rqRedirectedWithNormalizedPath.inc();
      this.sendLocalReply(refused);
      return;
    }
    const routeTable = runtime.routesFor(head);
    this.#routeTable = routeTable;
    this.#chain.begin(runtime.filtersFor(routeTable));
    const internalOnlyHeaders = routeTable === undefined ? NO_NAMES : routeTable.config.internalOnlyHeaders;
    prepareRequestHeaders(head, this, config, internalOnlyHeaders, runtime.internalAddresses);
    if (!endStream && !config.proxy100Continue) this.#answerExpectation(head);
    this.#findRoute(head);
    if (head.method === 'CONNECT') this.#isConnect = true;
    const mayBeFound = this.route === undefined && runtime.findsRoutes;
    if (!mayBeFound && this.#refusesUpgrade(head)) return;
    this.#startTimeouts();
    const observers = runtime.requestObservers;
    for (let i = 0; i < observers.length; i++) observers[i]?.onRequestHeaders?.(head, this);
    this.#chain.decodeHeaders(head, endStream);
  }

  /** Nobody behind this proxy is asked whether the body may come: it may. */
  #answerExpectation(head: RequestHead): void {
    const { headers } = head;
    if (headers.get('expect')?.toLowerCase() !== '100-continue') return;
    headers.remove('expect');
    if (this.protocol !== 'HTTP/1.0') {
      this.#sender.sendInformational({ status: 100, headers: new HeaderMap(), upgrade: '' });
    }
  }

  onRequestData(chunk: Buffer, endStream: boolean): void {
    if (this.#ended) return;
    this.bytesReceived += chunk.length;
    if (this.requestMessages !== undefined) this.requestMessages.take(chunk);
    if (endStream) this.#endRequest();
    this.#touch();
    this.#chain.decodeData(chunk, endStream);
    // The other side of a tunnel was done already.
    if (endStream && this.#upgraded && this.#responseEnded) this.#end();
  }

  onRequestTrailers(trailers: HeaderMap): void {
    if (this.#ended) return;
    this.#endRequest();
    this.#touch();
    this.#chain.decodeTrailers(trailers);
  }

  onReset(reason: ResetReason, details: string): void {
    if (this.#ended) return;
    this.#runtime.stats.rqRxReset.inc();
    if (reason === 'protocol-error') {
      this.addFlag('DPE');
      this.codeDetails =
        this.protocol === 'HTTP/2' ? 'http2.violation.of.messaging.rule' : 'http1.codec_error';
      this.reason = details;
    } else if (reason === 'overflow' || reason === 'local-reset') {
      this.codeDetails = 'downstream_local_disconnect';
      this.reason = details;
    } else {
      this.addFlag('DC');
      this.codeDetails =
        reason === 'remote-reset' ? 'downstream_remote_reset' : 'downstream_remote_disconnect';
      this.reason = details;
    }
    this.#end();
  }

  onAboveWriteBufferHighWatermark(): void {
    if (this.#aboveWatermark || this.#ended) return;
    this.#aboveWatermark = true;
    this.#chain.onDownstreamWatermark(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    if (!this.#aboveWatermark || this.#ended) return;
    this.#aboveWatermark = false;
    this.#chain.onDownstreamWatermark(false);
  }

  /** 1xx from the upstream. */
  sendInformational(head: ResponseHead): void {
    if (!this.#ended && !this.#headersSent) this.#sender.sendInformational(head);
  }

  /** The response of the upstream enters the filters. */
  encodeHeaders(head: ResponseHead, endStream: boolean): void {
    this.#touch();
    this.#chain.encodeHeaders(head, endStream);
  }

  encodeData(chunk: Buffer, endStream: boolean): void {
    this.#touch();
    this.#chain.encodeData(chunk, endStream);
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.#touch();
    this.#chain.encodeTrailers(trailers);
  }

  sendHeaders(head: ResponseHead, endStream: boolean): void {
    if (this.#ended) return;
    const runtime = this.#runtime;
    const { config } = runtime;
    const { headers } = head;
    this.response = head;
    this.responseCode = head.status;
    this.responseStartedAtMs = this.monotonicMs();
    this.#headersSent = true;
    const observers = runtime.responseObservers;
    for (let i = 0; i < observers.length; i++) observers[i]?.onResponseHeaders?.(head, this);
    if (config.serverHeaderTransformation === 'overwrite') headers.set('server', config.serverName);
    else if (config.serverHeaderTransformation === 'append-if-absent' && !headers.has('server')) {
      headers.append('server', config.serverName);
    }
    if (!headers.has('date')) headers.append('date', runtime.date.text);
    if (config.alwaysSetRequestIdInResponse && this.requestId !== '')
      headers.set('x-request-id', this.requestId);
    if (config.via !== '') appendVia(headers, config.via);
    if (runtime.draining && head.status !== 101) {
      runtime.stats.cxDrainClose.inc();
      this.#sender.connection.drain(false);
    } else if (isShed(runtime.overload.keepalive, runtime.random) && head.status !== 101) {
      runtime.stats.cxOverloadDisableKeepalive.inc();
      this.#sender.connection.drain();
    }
    if (head.status === 101 || (this.#isConnect && head.status < 300 && this.#isForwarded))
      this.#beginTunnel();
    if (endStream) this.#responseEnded = true;
    this.#sender.sendResponseHeaders(head, endStream);
    if (endStream) this.#onResponseEnd();
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.#ended) return;
    this.bytesSent += chunk.length;
    if (this.responseMessages !== undefined) this.responseMessages.take(chunk);
    if (endStream) this.#responseEnded = true;
    this.#sender.sendResponseData(chunk, endStream);
    if (endStream) this.#onResponseEnd();
  }

  sendTrailers(trailers: HeaderMap): void {
    if (this.#ended) return;
    this.responseTrailers = trailers;
    this.#responseEnded = true;
    this.#sender.sendResponseTrailers(trailers);
    this.#onResponseEnd();
  }

  pauseRequest(pause: boolean): void {
    if (!this.#ended) this.#sender.readDisable(pause);
  }

  findRouteAgain(): boolean {
    const head = this.request as RequestHead;
    this.#routeTable = this.#runtime.routesFor(head);
    this.#findRoute(head);
    if (this.#refusesUpgrade(head)) return false;
    if (this.#maxDuration !== undefined) this.#runtime.deadlines.clear(this.#maxDuration);
    this.#startTimeouts();
    return true;
  }

  routeConfigOf(filterName: string): unknown {
    return filterOverride(filterName, this.route, this.weightedCluster, this.#routeTable?.config);
  }

  routeConfigsOf(filterName: string): readonly unknown[] {
    return filterOverrides(filterName, this.route, this.weightedCluster, this.#routeTable?.config);
  }

  sendLocalReply(reply: LocalReply): void {
    if (this.#ended) return;
    if (reply.flag !== undefined) this.addFlag(reply.flag);
    this.codeDetails = reply.details;
    this.reason = reply.reason;
    if (reply === LOCAL_REPLY.requestTooLarge) this.#runtime.stats.rqTooLarge.inc();
    else if (reply === LOCAL_REPLY.responseTooLarge) this.#runtime.stats.rsTooLarge.inc();
    if (this.#headersSent) {
      this.resetDownstream();
      return;
    }
    this.#chain.stopDecoding();
    if (this.#ended) return;
    const { head, body } = this.#localResponse(reply);
    if (this.#chain.responseBegun) {
      this.#chain.dropResponse();
      this.sendHeaders(head, body === undefined);
      if (body !== undefined) this.sendData(body, true);
      return;
    }
    this.#chain.encodeHeaders(head, body === undefined);
    if (body !== undefined && !this.#ended) this.#chain.encodeData(body, true);
  }

  /** Nothing sensible can be sent any more: the client sees the stream break off. */
  resetDownstream(): void {
    if (this.#ended) return;
    this.#runtime.stats.rqTxReset.inc();
    this.#sender.reset('local-reset');
    this.#end();
  }

  onTimeout(kind: number): void {
    if (this.#ended) return;
    const { stats } = this.#runtime;
    switch (kind) {
      case IDLE:
        stats.rqIdleTimeout.inc();
        this.sendLocalReply(
          this.#requestEnded ? LOCAL_REPLY.idleAfterRequestEnd : LOCAL_REPLY.idleBeforeRequestEnd,
        );
        return;
      case REQUEST:
        stats.rqTimeout.inc();
        this.sendLocalReply(LOCAL_REPLY.requestTimeout);
        return;
      case MAX_DURATION:
        stats.rqMaxDurationReached.inc();
        this.sendLocalReply(
          this.#requestEnded
            ? LOCAL_REPLY.maxDurationAfterRequestEnd
            : LOCAL_REPLY.maxDurationBeforeRequestEnd,
        );
        return;
    }
  }

  #findRoute(head: RequestHead): void {
    const { random } = this.#runtime;
    const routeTable = this.#routeTable;
    if (routeTable === undefined) return;
    const found = routeTable.find(head, random, head.scheme === 'https');
    if (!found.matched) return;
    this.route = found;
    const { action } = found.route;
    if (action.kind !== 'forward') return;
    // Chosen here and not in the router, because filters may be configured for one weighted cluster.
    const chosen = chooseCluster(action.target, head, random);
    this.clusterName = chosen.name;
    this.weightedCluster = chosen.weighted;
  }

  /** Answers a request for another protocol that its route does not let through. */
  #refusesUpgrade(head: RequestHead): boolean {
    if (!this.#wantsTunnel(head) || this.#mayUpgrade(head.upgrade || 'connect')) return false;
    this.sendLocalReply(LOCAL_REPLY.upgradeRefused);
    return true;
  }

  /** A CONNECT that no route takes is answered as any other request. */
  #wantsTunnel(head: RequestHead): boolean {
    return head.upgrade !== '' || (this.#isConnect && this.#isForwarded);
  }

  get #isForwarded(): boolean {
    return this.route?.route.action.kind === 'forward';
  }

  #mayUpgrade(upgrade: string): boolean {
    const action = this.route?.route.action;
    if (action?.kind === 'forward') {
      const own = action.upgradeTypes.find((one) => one.type === upgrade);
      if (own !== undefined) return own.enabled;
    }
    return this.#runtime.config.upgradeTypes.includes(upgrade);
  }

  #startTimeouts(): void {
    const { config, deadlines } = this.#runtime;
    const action = this.route?.route.action;
    let { maxStreamDurationMs } = config;
    if (action?.kind === 'forward') {
      if (action.idleTimeoutMs !== undefined) this.#idleTimeoutMs = action.idleTimeoutMs;
      if (action.maxStreamDurationMs !== undefined) maxStreamDurationMs = action.maxStreamDurationMs;
      if (action.grpcTimeout?.of === 'stream') {
        maxStreamDurationMs = this.#grpcDuration(action.grpcTimeout, maxStreamDurationMs);
      }
    }
    if (this.#idleTimeoutMs > 0) deadlines.set(this.#idle, this.#idleTimeoutMs);
    if (maxStreamDurationMs > 0) {
      this.#maxDuration = new StreamTimeout(this, MAX_DURATION);
      deadlines.set(this.#maxDuration, maxStreamDurationMs);
    }
  }

  /** How long a call by gRPC may last by its own deadline; `otherwiseMs` where it has none. The upstream is told. */
  #grpcDuration({ mostMs, offsetMs }: GrpcTimeoutConfig, otherwiseMs: number): number {
    const { headers } = this.request as RequestHead;
    let durationMs = parseGrpcTimeout(headers.get('grpc-timeout'));
    if (durationMs === undefined) durationMs = otherwiseMs;
    else {
      if (mostMs > 0) durationMs = Math.min(durationMs, mostMs);
      durationMs = Math.max(1, durationMs - offsetMs);
    }
    if (durationMs > 0 && this.isGrpc) headers.set('grpc-timeout', formatGrpcTimeout(durationMs));
    return durationMs;
  }

  /** Something was read or written: the idle time-out begins anew. */
  #touch(): void {
    if (this.#idleTimeoutMs > 0 && !this.#ended) this.#runtime.deadlines.set(this.#idle, this.#idleTimeoutMs);
  }

  #endRequest(): void {
    this.#requestEnded = true;
    this.requestEndedAtMs = this.monotonicMs();
    if (this.#requestTimeout !== undefined) this.#runtime.deadlines.clear(this.#requestTimeout);
  }

  #beginTunnel(): void {
    this.#upgraded = true;
    this.#runtime.stats.cxUpgradesTotal.inc();
    this.#runtime.stats.cxUpgradesActive.inc();
    // A tunnel has no end of the request to wait for.
    if (this.#requestTimeout !== undefined) this.#runtime.deadlines.clear(this.#requestTimeout);
  }

  #onResponseEnd(): void {
    // A tunnel closes one way at a time.
    if (this.#upgraded && !this.#requestEnded) return;
    this.#end();
  }

  #localResponse(reply: LocalReply): { head: ResponseHead; body: Buffer | undefined } {
    const headers = new HeaderMap();
    for (const [name, value] of reply.headers) headers.append(name, value);
    const isConfigured = reply.details === 'direct_response';
    this.responseCode = reply.status;
    if (this.isGrpc) {
      headers.append('content-type', 'application/grpc');
      headers.append('grpc-status', String(reply.grpcStatus ?? grpcStatusOf(reply.status)));
      if (reply.body !== '') headers.append('grpc-message', encodeGrpcMessage(reply.body));
      if (isConfigured && this.route !== undefined) {
        applyHeaderChanges(this.route.responseHeaders, headers, this);
      }
      return { head: { status: 200, headers, upgrade: '' }, body: undefined };
    }
    const head: ResponseHead = { status: reply.status, headers, upgrade: '' };
    const body = reply.body === '' ? undefined : Buffer.from(reply.body);
    if (body !== undefined) {
      headers.append('content-length', String(body.length));
      headers.append('content-type', 'text/plain');
    }
    if (isConfigured && this.route !== undefined)
      applyHeaderChanges(this.route.responseHeaders, headers, this);
    return { head, body: this.#headMethod ? undefined : body };
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const runtime = this.#runtime;
    const { deadlines, stats } = runtime;
    this.endedAtMs = this.monotonicMs();
    deadlines.clear(this.#idle);
    if (this.#requestTimeout !== undefined) deadlines.clear(this.#requestTimeout);
    if (this.#maxDuration !== undefined) deadlines.clear(this.#maxDuration);
    this.#chain.destroy();
    runtime.activeRequests--;
    stats.rqActive.dec();
    if (this.#upgraded) stats.cxUpgradesActive.dec();
    if (this.responseCode !== 0) {
      stats.rqCompleted.inc();
      stats.countStatus(this.responseCode);
      stats.rqTime.record(this.endedAtMs - this.startedAtMs);
    }
    runtime.tellStreamEnd(this);
    const logs = runtime.accessLogs;
    for (let i = 0; i < logs.length; i++) (logs[i] as (typeof logs)[number]).log(this);
    this.#owner.onStreamEnd(this);
  }
}
