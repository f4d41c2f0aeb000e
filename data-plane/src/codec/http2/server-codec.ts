import type { Socket } from 'node:net';
import type { Http2Config } from '@heddle/engine';
import { HeaderMap } from '@heddle/engine';
import { createDeadline } from '../http1/deadline-queue.js';
import type { ServerCodecConfig, ServerCodecOptions } from '../http1/server-codec.js';
import { LingeringClose } from '../lingering-close.js';
import type { DownstreamConnection, ServerConnectionCallbacks } from '../stream.js';
import type { FieldSection } from './field-section.js';
import { CLIENT_PREFACE, ErrorCode, MAX_STREAM_ID, SettingId } from './frame.js';
import { Http2Connection } from './http2-connection.js';
import type { Http2Stats } from './http2-stats.js';
import { Http2ServerStream } from './server-stream.js';
import type { TurnFlusher } from './turn-flusher.js';

/** The part of a connection manager's configuration that its HTTP/2 codec keeps. */
export type Http2ServerConfig = Pick<
  ServerCodecConfig,
  | 'maxRequestHeadersBytes'
  | 'maxHeadersCount'
  | 'headersWithUnderscoresAction'
  | 'requestHeadersTimeoutMs'
  | 'idleTimeoutMs'
  | 'delayedCloseTimeoutMs'
  | 'maxConnectionDurationMs'
  | 'maxRequestsPerConnection'
> & {
  readonly http2: Http2Config;
  readonly drainTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
};

export interface Http2ServerOptions extends Omit<ServerCodecOptions, 'config'> {
  readonly config: Http2ServerConfig;
  readonly stats: Http2Stats;
  readonly flusher?: TurnFlusher;
}

/**
 * One downstream HTTP/2 connection.
 *
 * It ends in two steps: clients are told that no more streams are welcome, and once they know it, up to where streams were
 * taken. What was taken is answered.
 * Source: RFC 9113 sections 3.4, 5.1.1, 5.1.2, 6.8.
 */
export class ServerCodecHttp2 extends Http2Connection implements DownstreamConnection {
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly protocol = 'HTTP/2';
  readonly connectedAtMs: number;
  readonly config: Http2ServerConfig;
  readonly #callbacks: ServerConnectionCallbacks;
  readonly #scheme: string;
  #requests = 0;
  #isDraining = false;
  /** Streams above it are not taken any more. */
  #lastTaken = MAX_STREAM_ID;
  /** The last of those. */
  #lastRefused = 0;
  #wasGraceful = false;
  readonly #idle = createDeadline(() => this.#onIdleTimeout());
  readonly #headDeadline = createDeadline(() => this.#onHeadTimeout());
  readonly #lifetime = createDeadline(() => this.#onOld());
  readonly #drained = createDeadline(() => this.onDrainAcknowledged());
  readonly #lingering: LingeringClose;

  constructor(socket: Socket, callbacks: ServerConnectionCallbacks, options: Http2ServerOptions) {
    const { config, deadlines } = options;
    super(socket, CLIENT_PREFACE, {
      ...options,
      config: config.http2,
      limits: {
        maxHeadersBytes: config.maxRequestHeadersBytes,
        maxHeadersCount: config.maxHeadersCount,
        underscores: config.headersWithUnderscoresAction,
      },
    });
    this.config = config;
    this.#lingering = new LingeringClose(socket, deadlines, config.delayedCloseTimeoutMs);
    this.#callbacks = callbacks;
    this.#scheme = options.scheme;
    this.id = options.id;
    this.remoteAddress = options.remoteAddress ?? socket.remoteAddress ?? '';
    this.remotePort = options.remotePort ?? socket.remotePort ?? 0;
    this.localAddress = options.localAddress ?? socket.localAddress ?? '';
    this.localPort = options.localPort ?? socket.localPort ?? 0;
    this.connectedAtMs = deadlines.clock.monotonicMs();
    // 'close' follows every error.
    socket.on('error', ignore);
    // It may have been accepted paused.
    socket.resume();
    const { http2 } = config;
    this.begin([
      [SettingId.HeaderTableSize, http2.hpackTableBytes],
      [SettingId.MaxConcurrentStreams, http2.maxConcurrentStreams],
      [SettingId.InitialWindowSize, this.ownStreamWindow],
      ...(http2.allowConnect ? [[SettingId.EnableConnectProtocol, 1] as const] : []),
    ]);
    deadlines.set(this.#idle, config.idleTimeoutMs);
    deadlines.set(this.#lifetime, config.maxConnectionDurationMs);
  }

  drain(closesIdle = true): void {
    if (this.isClosing) return;
    if (!this.#isDraining) {
      this.#isDraining = true;
      this.sendGoAway(MAX_STREAM_ID, ErrorCode.NoError);
      this.sendDrainPing();
    }
    // Else a client that takes its time to answer has it.
    if (closesIdle && !this.#wasGraceful && this.#drained.queue === undefined)
      this.options.deadlines.set(this.#drained, Math.max(1, this.config.drainTimeoutMs));
  }

  close(): void {
    this.stopReading();
    this.socket.destroy();
  }

  protected onHeaderBlock(streamId: number, endStream: boolean, section: FieldSection): void {
    if (streamId % 2 === 0) {
      this.fail(ErrorCode.ProtocolError, 'a client begins a stream with an even number');
      return;
    }
    if (streamId <= this.lastPeerId) {
      this.fail(ErrorCode.StreamClosed, 'HEADERS of a stream that has ended');
      return;
    }
    if (this.guard.isOutputFlood()) {
      this.fail(ErrorCode.EnhanceYourCalm, 'too many answers wait for a client that does not read');
      return;
    }
    if (streamId > this.#lastTaken) {
      // The client may try it elsewhere, and what it has sent of it breaks no rule.
      this.#lastRefused = streamId;
      this.sendReset(streamId, ErrorCode.RefusedStream);
      return;
    }
    this.lastPeerId = streamId;
    const { http2, maxRequestsPerConnection } = this.config;
    if (this.streams.size >= http2.maxConcurrentStreams) {
      this.options.stats.refusedStreams.inc();
      this.sendReset(streamId, ErrorCode.RefusedStream);
      this.judge(true);
      return;
    }
    const head = section.toRequest(this.#scheme, http2.allowConnect);
    if (!('method' in head)) {
      this.#refuse(streamId, endStream, head.details, head.reason, section.isTooLarge);
      return;
    }
    this.#requests++;
    if (maxRequestsPerConnection > 0 && this.#requests >= maxRequestsPerConnection) {
      this.#callbacks.onConnectionLimit?.('requests');
      this.drain();
    }
    const stream = new Http2ServerStream(this, streamId, head, section, endStream);
    this.addStream(stream);
    stream.begin(this.#callbacks.newStream(stream), head, endStream);
  }

  /** A request that must not be passed on. One that is only too large is answered. */
  #refuse(streamId: number, endStream: boolean, details: string, reason: string, isTooLarge: boolean): void {
    if (isTooLarge) {
      this.heads.response(streamId, 431, new HeaderMap(), true);
      if (!endStream) this.sendReset(streamId, ErrorCode.NoError);
    } else {
      this.options.stats.rxMessagingError.inc();
      this.sendReset(streamId, ErrorCode.ProtocolError);
    }
    this.judge(true);
    this.#callbacks.onProtocolError(isTooLarge ? 431 : 0, details, reason, 0);
  }

  override judge(isReset: boolean): void {
    if (!this.guard.isResetFlood(isReset)) return;
    this.fail(ErrorCode.EnhanceYourCalm, 'most streams were reset as soon as they had begun');
  }

  protected onGoAway(): void {
    // The client begins no more streams; what it has begun goes on.
    this.drain();
  }

  protected isIdleStream(streamId: number): boolean {
    return streamId % 2 === 0 || streamId > Math.max(this.lastPeerId, this.#lastRefused);
  }

  protected override onDrainAcknowledged(): void {
    if (!this.#isDraining || this.#wasGraceful || this.isClosing) return;
    this.#wasGraceful = true;
    this.options.deadlines.clear(this.#drained);
    this.#lastTaken = this.lastPeerId;
    this.sendGoAway(this.lastPeerId, ErrorCode.NoError);
    if (this.streams.size === 0) this.#closeAfterWrites();
  }

  protected onStreamOver(): void {
    if (this.streams.size > 0 || this.isClosing) return;
    if (this.#wasGraceful) this.#closeAfterWrites();
    else this.options.deadlines.set(this.#idle, this.config.idleTimeoutMs);
  }

  protected onConnectionError(_code: number, reason: string): void {
    this.loseStreams('protocol-error', reason);
    this.#callbacks.onConnectionError?.(reason);
    this.#closeAfterWrites();
  }

  protected override afterRead(isWithin: boolean, hasFinished: boolean): void {
    const { deadlines } = this.options;
    if (!isWithin) {
      if (this.#headDeadline.queue !== undefined) deadlines.clear(this.#headDeadline);
    } else if (hasFinished || this.#headDeadline.queue === undefined) {
      // A client that is never silent has always something under way: each has its own time.
      deadlines.set(this.#headDeadline, this.config.requestHeadersTimeoutMs);
    }
  }

  protected onPeerEnd(): void {
    if (this.streams.size > 0) this.close();
    else this.#closeAfterWrites();
  }

  protected onSocketClose(): void {
    const { deadlines } = this.options;
    for (const deadline of [this.#idle, this.#headDeadline, this.#lifetime, this.#drained])
      deadlines.clear(deadline);
    this.#lingering.cancel();
    this.loseStreams('connection-termination', 'the client closed the connection');
    this.#callbacks.onClose();
  }

  /** Sends what is written, then our end, and gives the client time to read it. */
  #closeAfterWrites(): void {
    if (this.socket.writableEnded) return;
    this.stopReading();
    this.output.flush();
    this.#lingering.begin();
  }

  #onOld(): void {
    this.#callbacks.onConnectionLimit?.('duration');
    this.drain();
  }

  /** Its client may be about to begin a stream. */
  #onIdleTimeout(): void {
    if (this.streams.size > 0 || this.isClosing || this.#isDraining) return;
    this.#callbacks.onConnectionLimit?.('idle');
    this.drain();
  }

  #onHeadTimeout(): void {
    this.fail(ErrorCode.EnhanceYourCalm, 'a frame or a header block did not arrive in time');
  }
}

function ignore(): void {
  // Nothing to do.
}
