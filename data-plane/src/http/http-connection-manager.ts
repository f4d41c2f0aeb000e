import type { Socket } from 'node:net';
import { clientCertificateText, HeaderMap, type HttpConnectionManagerConfig } from '@heddle/engine';
import { ServerCodecHttp1 } from '../codec/http1/server-codec.js';
import type { RequestReceiver, ResponseSender, ServerConnectionCallbacks } from '../codec/stream.js';
import { ActiveStream, type ActiveStreamOwner } from './active-stream.js';
import { ConnectionManagerRuntime, type ConnectionManagerOptions } from './connection-manager-runtime.js';
import { RefusedConnection, type ConnectionRefusal } from './refused-connection.js';
import { StreamState, type ConnectionInfo } from './stream-state.js';

/**
 * The connection manager of one filter chain: makes a codec for each connection and a stream for each request.
 *
 * Source: envoy.extensions.filters.network.http_connection_manager.v3. Implements `NetworkFilter` of the network folder.
 */
export class HttpConnectionManager {
  readonly adoptsSockets = true;
  readonly #runtime: ConnectionManagerRuntime;

  constructor(config: HttpConnectionManagerConfig, options: ConnectionManagerOptions) {
    this.#runtime = new ConnectionManagerRuntime(config, options);
  }

  start(onWarm: () => void): void {
    this.#runtime.start(onWarm);
  }

  accept(socket: Socket, info: ConnectionInfo, early: Buffer | undefined): HttpConnection {
    return new HttpConnection(this.#runtime, socket, info, early);
  }

  /** Without a line in the access log, as in Envoy: there was no request. */
  refuse(socket: Socket, info: ConnectionInfo, refusal: ConnectionRefusal): RefusedConnection {
    return new RefusedConnection(socket, info, refusal, this.#runtime.clock);
  }

  beginDrain(): void {
    this.#runtime.draining = true;
  }

  get activeRequests(): number {
    return this.#runtime.activeRequests;
  }

  close(): void {
    this.#runtime.close();
  }
}

/** One downstream HTTP connection. */
class HttpConnection implements ServerConnectionCallbacks, ActiveStreamOwner {
  readonly #runtime: ConnectionManagerRuntime;
  readonly #info: ConnectionInfo;
  readonly #codec: ServerCodecHttp1;

  constructor(
    runtime: ConnectionManagerRuntime,
    socket: Socket,
    info: ConnectionInfo,
    early: Buffer | undefined,
  ) {
    this.#runtime = runtime;
    const text = clientCertificateText(info.tls, runtime.config.clientCertificate);
    this.#info = text === '' ? info : { ...info, clientCertificateText: text };
    const { stats } = runtime;
    stats.cxTotal.inc();
    stats.cxActive.inc();
    stats.cxHttp1Active.inc();
    this.#codec = new ServerCodecHttp1(socket, this, {
      config: runtime.config,
      bufferLimitBytes: runtime.bufferLimitBytes === Infinity ? 0 : runtime.bufferLimitBytes,
      deadlines: runtime.deadlines,
      id: info.id,
      scheme: info.tls !== undefined ? 'https' : 'http',
    });
    // From here on the codec alone says whether its socket is read.
    if (early !== undefined) this.#codec.receive(early);
  }

  newStream(sender: ResponseSender): RequestReceiver {
    return new ActiveStream(this.#runtime, this, sender, this.#info);
  }

  onStreamEnd(): void {
    // The codec keeps the connection; there is nothing to do for one stream.
  }

  onProtocolError(status: number, details: string, reason: string, bodyBytes: number): void {
    const runtime = this.#runtime;
    const { stats, accessLogs, clock } = runtime;
    // A head that does not come in time breaks no protocol.
    const isTooLate = status === 408;
    if (!isTooLate) stats.cxProtocolError.inc();
    stats.rqTotal.inc();
    stats.rqCompleted.inc();
    stats.countStatus(status);
    if (accessLogs.length === 0 && !runtime.observesEnds) return;
    const nowMs = clock.monotonicMs();
    const refused = new RefusedRequest(this.#info, clock.nowMs(), nowMs);
    refused.endedAtMs = nowMs;
    refused.responseCode = status;
    if (!isTooLate) refused.addFlag('DPE');
    refused.codeDetails = details;
    refused.reason = reason;
    refused.bytesSent = bodyBytes;
    const headers = new HeaderMap();
    headers.append('content-length', String(bodyBytes));
    if (bodyBytes > 0) headers.append('content-type', 'text/plain');
    refused.response = { status, headers, upgrade: '' };
    runtime.tellStreamEnd(refused);
    for (const log of accessLogs) log.log(refused);
  }

  onClose(): void {
    const { stats } = this.#runtime;
    stats.cxActive.dec();
    stats.cxHttp1Active.dec();
    stats.cxDestroy.inc();
  }

  drain(): void {
    this.#codec.drain();
  }

  close(): void {
    this.#codec.close();
  }
}

/** Bytes that were no request: known only by their connection and the answer. */
class RefusedRequest extends StreamState {
  /** What the codec takes every connection for, until a head says otherwise. */
  override get protocol(): 'HTTP/1.1' {
    return 'HTTP/1.1';
  }

  monotonicMs(): number {
    return this.startedAtMs;
  }
}
