import type { Socket } from 'node:net';
import {
  clientCertificateText,
  HeaderMap,
  type HttpConnectionManagerConfig,
  type TlsInfo,
} from '@heddle/engine';
import { tellGone } from '../cluster/client-connection.js';
import { ServerCodecHttp1 } from '../codec/http1/server-codec.js';
import { ServerCodecHttp2 } from '../codec/http2/server-codec.js';
import type { ByteReceiver } from '../codec/socket-reads.js';
import type { RequestReceiver, ResponseSender, ServerConnectionCallbacks } from '../codec/stream.js';
import type { Gauge } from '../stats/stats-store.js';
import { isHttp2Protocol } from '../tls/transport.js';
import { ActiveStream, type ActiveStreamOwner } from './active-stream.js';
import { CodecChoice } from './codec-choice.js';
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

/** What a connection manager does with a codec. */
interface Codec extends ByteReceiver {
  drain(closesIdle: boolean): void;
  close(): void;
}

/** One downstream HTTP connection. */
class HttpConnection implements ServerConnectionCallbacks, ActiveStreamOwner {
  readonly #runtime: ConnectionManagerRuntime;
  readonly #info: ConnectionInfo;
  readonly #socket: Socket;
  /** What stands for the codec until the first bytes say which it is. */
  #codec: Codec;
  #active: Gauge | undefined = undefined;
  #isHttp2 = false;
  #isDraining = false;
  #closesIdle = false;

  constructor(
    runtime: ConnectionManagerRuntime,
    socket: Socket,
    info: ConnectionInfo,
    early: Buffer | undefined,
  ) {
    this.#runtime = runtime;
    this.#socket = socket;
    const text = clientCertificateText(info.tls, runtime.config.clientCertificate);
    this.#info = text === '' ? info : { ...info, clientCertificateText: text };
    const { stats, config, deadlines } = runtime;
    stats.cxTotal.inc();
    stats.cxActive.inc();
    const isHttp2 = speaksHttp2(config.codecType, info.tls);
    this.#codec =
      isHttp2 !== undefined
        ? this.#createCodec(isHttp2)
        : new CodecChoice(socket, {
            deadlines,
            idleTimeoutMs: config.idleTimeoutMs,
            onChosen: (chosen) => this.#choose(chosen),
            onClose: () => this.onClose(),
          });
    // From here on the codec alone says whether its socket is read.
    if (early !== undefined) this.#codec.receive(early);
  }

  #choose(isHttp2: boolean): Codec {
    const codec = this.#createCodec(isHttp2);
    this.#codec = codec;
    if (this.#isDraining) codec.drain(this.#closesIdle);
    return codec;
  }

  #createCodec(isHttp2: boolean): Codec {
    const runtime = this.#runtime;
    const info = this.#info;
    const { stats, config } = runtime;
    this.#isHttp2 = isHttp2;
    this.#active = isHttp2 ? stats.cxHttp2Active : stats.cxHttp1Active;
    this.#active.inc();
    (isHttp2 ? stats.cxHttp2Total : stats.cxHttp1Total).inc();
    const options = {
      config,
      bufferLimitBytes: runtime.bufferLimitBytes === Infinity ? 0 : runtime.bufferLimitBytes,
      deadlines: runtime.deadlines,
      id: info.id,
      scheme: info.tls !== undefined ? 'https' : 'http',
    };
    return isHttp2
      ? new ServerCodecHttp2(this.#socket, this, {
          ...options,
          config: runtime.http2Config(),
          stats: runtime.http2Stats(),
        })
      : new ServerCodecHttp1(this.#socket, this, options);
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
    // A head that does not come in time breaks no protocol, and what is wrong with one stream not that of the connection.
    const isTooLate = status === 408;
    if (!isTooLate && !this.#isHttp2) stats.cxProtocolError.inc();
    stats.rqTotal.inc();
    stats.rqCompleted.inc();
    stats.countStatus(status);
    if (accessLogs.length === 0 && !runtime.observesEnds) return;
    const nowMs = clock.monotonicMs();
    const refused = new RefusedRequest(this.#info, clock.nowMs(), nowMs, this.#isHttp2);
    refused.endedAtMs = nowMs;
    refused.responseCode = status;
    if (!isTooLate) refused.addFlag('DPE');
    refused.codeDetails = details;
    refused.reason = reason;
    refused.bytesSent = bodyBytes;
    if (status !== 0) {
      const headers = new HeaderMap();
      headers.append('content-length', String(bodyBytes));
      if (bodyBytes > 0) headers.append('content-type', 'text/plain');
      refused.response = { status, headers, upgrade: '' };
    }
    runtime.tellStreamEnd(refused);
    for (const log of accessLogs) log.log(refused);
  }

  onConnectionLimit(limit: 'idle' | 'duration' | 'requests'): void {
    const { stats } = this.#runtime;
    if (limit === 'idle') stats.cxIdleTimeout.inc();
    else if (limit === 'duration') stats.cxMaxDurationReached.inc();
    else stats.cxMaxRequestsReached.inc();
  }

  onConnectionError(): void {
    this.#runtime.stats.cxProtocolError.inc();
  }

  onClose(): void {
    const { stats } = this.#runtime;
    stats.cxActive.dec();
    this.#active?.dec();
    stats.cxDestroy.inc();
    tellGone(this.#info);
  }

  drain(closesIdle: boolean): void {
    this.#isDraining = true;
    if (closesIdle) this.#closesIdle = true;
    this.#codec.drain(closesIdle);
  }

  close(): void {
    this.#codec.close();
  }
}

/** Which codec is wanted, where that is known before the first byte. Source: Envoy's autoCreateCodec. */
function speaksHttp2(
  codecType: HttpConnectionManagerConfig['codecType'],
  tls: TlsInfo | undefined,
): boolean | undefined {
  if (codecType !== 'auto') return codecType === 'http2';
  const agreed = tls?.applicationProtocol ?? '';
  return agreed === '' ? undefined : isHttp2Protocol(agreed);
}

/** Bytes that were no request: known only by their connection and the answer. */
class RefusedRequest extends StreamState {
  readonly #isHttp2: boolean;

  constructor(info: ConnectionInfo, startTimeMs: number, startedAtMs: number, isHttp2: boolean) {
    super(info, startTimeMs, startedAtMs);
    this.#isHttp2 = isHttp2;
  }

  /** What the codec takes every connection for, until a head says otherwise. */
  override get protocol(): 'HTTP/1.1' | 'HTTP/2' {
    return this.#isHttp2 ? 'HTTP/2' : 'HTTP/1.1';
  }

  monotonicMs(): number {
    return this.startedAtMs;
  }
}
