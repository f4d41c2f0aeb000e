import type { Socket } from 'node:net';
import { HeaderMap, type TlsInfo } from '@heddle/engine';
import { createDeadline, type Deadline } from '../../codec/http1/deadline-queue.js';
import type {
  Cancellable,
  ConnectionPool,
  PoolCallbacks,
  PoolFailureReason,
  RequestSender,
  ResponseReceiver,
  UpstreamConnection,
} from '../../codec/stream.js';
import type { PoolOptions } from './base-pool.js';

const NOTHING = Buffer.alloc(0);

/**
 * What a tunnel by CONNECT that ends here goes on by: a TCP connection of its own, whose bytes are the tunnel's. Used once.
 *
 * Source: Envoy's TCP upstream of `connect_config`: a connection that is there answers the request with 200.
 */
export class TunnelPool implements ConnectionPool {
  onIdle: (() => void) | undefined;
  readonly #options: PoolOptions;
  #tunnel: TunnelStream | undefined = undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get activeStreams(): number {
    return this.#tunnel === undefined || !this.#tunnel.isOpen ? 0 : 1;
  }

  get connections(): number {
    return this.#tunnel === undefined ? 0 : 1;
  }

  get pendingStreams(): number {
    return this.connections - this.activeStreams;
  }

  newStream(callbacks: PoolCallbacks): Cancellable | undefined {
    const { resources, observer } = this.#options;
    if (!resources.connections.canCreate()) {
      observer?.onConnectionOverflow?.();
      callbacks.onPoolFailure('overflow', 'max_connections is reached');
      return undefined;
    }
    this.#tunnel = new TunnelStream(this.#options, callbacks, () => {
      this.#tunnel = undefined;
      this.onIdle?.();
    });
    return this.#tunnel;
  }

  drain(): void {
    // A tunnel has no point at which it could be asked to end.
  }

  close(): void {
    this.#tunnel?.close();
  }
}

/** One such connection, from its first moment on. */
class TunnelStream implements RequestSender, UpstreamConnection, Cancellable {
  readonly id: number;
  readonly protocol = 'TCP';
  readonly requestsBefore = 0;
  readonly anythingSent = true;
  localAddress = '';
  localPort = 0;
  tls: TlsInfo | undefined = undefined;
  readonly #options: PoolOptions;
  readonly #callbacks: PoolCallbacks;
  readonly #onGone: () => void;
  readonly #socket: Socket;
  readonly #deadline: Deadline;
  readonly #startedAtMs: number;
  #receiver: ResponseReceiver | undefined = undefined;
  #isOver = false;
  #wasOpened = false;
  #timedOut = false;
  #errorText = '';
  #hasEnded = false;
  #pauses = 0;
  #isAbove = false;

  constructor(options: PoolOptions, callbacks: PoolCallbacks, onGone: () => void) {
    const { deadlines, resources, observer, connectEvent = 'connect' } = options;
    this.#options = options;
    this.#callbacks = callbacks;
    this.#onGone = onGone;
    this.id = options.nextConnectionId();
    this.#startedAtMs = deadlines.clock.monotonicMs();
    this.#deadline = createDeadline(() => this.#onConnectTimeout());
    resources.connections.inc();
    observer?.onConnection?.();
    const socket = options.connect();
    this.#socket = socket;
    socket.on('error', (error: Error) => (this.#errorText = error.message));
    socket.once('close', () => this.#onClose());
    socket.once(connectEvent, () => this.#onConnected());
    deadlines.set(this.#deadline, options.connectTimeoutMs);
  }

  get isOpen(): boolean {
    return this.#receiver !== undefined;
  }

  get connection(): UpstreamConnection {
    return this;
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  cancel(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  close(): void {
    this.#socket.destroy();
  }

  sendRequestHeaders(): void {
    // What was asked for is there.
  }

  sendRequestData(chunk: Buffer, endStream: boolean): void {
    if (this.#isOver || this.#socket.writableEnded) return;
    if (chunk.length > 0 && !this.#socket.write(chunk) && !this.#isAbove) {
      this.#isAbove = true;
      this.#receiver?.onAboveWriteBufferHighWatermark();
    }
    if (endStream) this.#socket.end();
  }

  sendRequestTrailers(): void {
    this.sendRequestData(NOTHING, true);
  }

  reset(): void {
    this.#isOver = true;
    this.#receiver = undefined;
    this.#socket.destroy();
  }

  readDisable(disable: boolean): void {
    if (!disable && this.#pauses === 0) return;
    this.#pauses += disable ? 1 : -1;
    if (disable) this.#socket.pause();
    else if (this.#pauses === 0) this.#socket.resume();
  }

  #onConnected(): void {
    const { deadlines, observer, tlsInfoOf } = this.#options;
    const socket = this.#socket;
    deadlines.clear(this.#deadline);
    if (this.#isOver) return;
    observer?.onConnected?.(deadlines.clock.monotonicMs() - this.#startedAtMs);
    observer?.onActive?.(1);
    this.#wasOpened = true;
    this.localAddress = socket.localAddress ?? '';
    this.localPort = socket.localPort ?? 0;
    this.tls = tlsInfoOf?.(socket);
    const receiver = this.#callbacks.onPoolReady(this);
    this.#receiver = receiver;
    if (this.#isOver) return;
    receiver.onResponseHeaders({ status: 200, headers: new HeaderMap(), upgrade: '' }, false);
    socket.on('data', (chunk: Buffer) => this.#receiver?.onResponseData(chunk, false));
    socket.on('end', () => this.#onEnd());
    socket.on('drain', () => this.#onDrain());
    if (this.#pauses > 0) socket.pause();
  }

  #onEnd(): void {
    this.#hasEnded = true;
    this.#receiver?.onResponseData(NOTHING, true);
  }

  #onDrain(): void {
    if (!this.#isAbove) return;
    this.#isAbove = false;
    this.#receiver?.onBelowWriteBufferLowWatermark();
  }

  #onConnectTimeout(): void {
    this.#timedOut = true;
    this.#socket.destroy();
  }

  #onClose(): void {
    const { deadlines, resources, observer } = this.#options;
    const isOpen = this.#wasOpened;
    const receiver = this.#receiver;
    this.#receiver = undefined;
    deadlines.clear(this.#deadline);
    resources.connections.dec();
    if (isOpen) observer?.onActive?.(-1);
    else observer?.onConnectFailure?.(this.#timedOut);
    observer?.onConnectionClosed?.(deadlines.clock.monotonicMs() - this.#startedAtMs);
    this.#onGone();
    if (receiver !== undefined) {
      if (!this.#hasEnded || !this.#socket.writableFinished)
        receiver.onReset('connection-termination', this.#errorText);
    } else if (!isOpen && !this.#isOver) {
      const reason: PoolFailureReason = this.#timedOut ? 'connect-timeout' : 'connection-failure';
      this.#callbacks.onPoolFailure(
        reason,
        this.#timedOut
          ? 'the connection was not made in time'
          : this.#errorText || 'the host closed the connection',
      );
    }
    this.#isOver = true;
  }
}
