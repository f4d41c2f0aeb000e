import type { Socket } from 'node:net';
import type { TlsInfo } from '@heddle/engine';
import { createDeadline, type Deadline, type Deadlines } from '../../codec/http1/deadline-queue.js';
import type {
  Cancellable,
  ConnectionPool,
  PoolCallbacks,
  PoolFailureReason,
  RequestSender,
  ResponseReceiver,
} from '../../codec/stream.js';
import type { ResourceManager } from '../resource-manager.js';
import type { PoolObserver } from './pool-observer.js';

export interface PoolOptions {
  /** Starts connecting. `connectEvent` of the options says when the socket is ready. */
  readonly connect: () => Socket;
  /** Default `connect`. */
  readonly connectEvent?: 'connect' | 'verified';
  /** What TLS told of a connected socket. */
  readonly tlsInfoOf?: (socket: Socket) => TlsInfo | undefined;
  readonly resources: ResourceManager;
  readonly deadlines: Deadlines;
  readonly connectTimeoutMs: number;
  /** 0 disables. */
  readonly idleTimeoutMs: number;
  /** 0 disables. */
  readonly maxConnectionDurationMs: number;
  /** 0 means without a bound. */
  readonly maxRequestsPerConnection: number;
  readonly observer?: PoolObserver;
  /** Gives connections their numbers. */
  readonly nextConnectionId: () => number;
}

/** What a pool asks of the codec of one connection. */
export interface PooledCodec {
  /** Begins a stream; `attach` must follow at once. */
  newStream(): RequestSender & { attach(receiver: ResponseReceiver): void };
  /** Now. Streams on it are told. */
  close(): void;
  /** Streams that it carried, with those under way. */
  readonly begunStreams: number;
}

/** A connection from its first moment on. */
export interface PooledConnection<C extends PooledCodec> {
  readonly socket: Socket;
  /** Undefined while connecting. */
  codec: C | undefined;
  readonly startedAtMs: number;
  /** Connecting, and later idling. */
  readonly waiting: Deadline;
  readonly lifetime: Deadline;
  /** Under way. */
  streams: number;
  isRetired: boolean;
  isGone: boolean;
  timedOut: boolean;
  errorText: string;
}

/** What a pool lets the keeper of its connections do. */
export interface PoolAccess<C extends PooledCodec> {
  readonly isDraining: boolean;
  /** Gives the stream that has waited longest to a connection with room. `refused`: it may not begin. */
  assignNext(connection: PooledConnection<C>): 'assigned' | 'refused' | 'nobody';
  /** Nothing is under way on it, and it stays for the next. */
  beginIdling(connection: PooledConnection<C>): void;
  /** Some may wait for a connection that takes no more streams. */
  replaceIfWanted(): void;
  /** Streams that wait for one connection together need one each: it takes fewer than was thought. */
  connectForAll(): void;
  closeNow(connection: PooledConnection<C>): void;
  /** Its server said that the connection takes no more requests. */
  onCloseNotify(): void;
  onStreamDone(codec: C): void;
  onClose(codec: C): void;
}

/** Which connection takes the next stream, and what becomes of one that has carried another: what follows from what is spoken. */
export interface ConnectionKeeper<C extends PooledCodec> {
  /** How many streams one that is being opened will probably take. */
  readonly streamsPerConnection: number;
  /** A connection that takes a stream now; it may be kept apart until `putBack` or a stream begins on it. */
  take(fresh: boolean): PooledConnection<C> | undefined;
  /** A connection that was taken is not used. */
  putBack(connection: PooledConnection<C>): void;
  /** A connection has room, for those who wait or for later. */
  release(connection: PooledConnection<C>): void;
  createCodec(connection: PooledConnection<C>, id: number, tls: TlsInfo | undefined): C;
  /** A stream is over, on a connection that is there. */
  onStreamOver(connection: PooledConnection<C>): void;
  /** It carries no further stream. */
  onRetired(connection: PooledConnection<C>): void;
  /** The connection is gone. */
  forget(connection: PooledConnection<C>): void;
  drainAll(): void;
}

/** A stream that waits for a connection. */
class PendingStream implements Cancellable {
  readonly #cancel: (pending: PendingStream) => void;
  readonly callbacks: PoolCallbacks;

  constructor(cancel: (pending: PendingStream) => void, callbacks: PoolCallbacks) {
    this.#cancel = cancel;
    this.callbacks = callbacks;
  }

  cancel(): void {
    this.#cancel(this);
  }
}

/**
 * What the connections to one host have in common, whatever they speak: how they are made and counted, who waits for one, and
 * how they end.
 *
 * A stream that finds no connection with room waits for the one that is opened for it, or for whichever has room first. When a
 * connection cannot be made, every stream that waits fails, as in Envoy.
 * Bounds: `maxConnections`, `maxPendingRequests`, `maxRequests` of the circuit breakers, shared with the cluster's other pools;
 * as in Envoy a pool without any connection may open one above `maxConnections`, so that no host is locked out.
 */
export class BasePool<C extends PooledCodec> implements ConnectionPool, PoolAccess<C> {
  onIdle: (() => void) | undefined;
  readonly #options: PoolOptions;
  readonly #keeper: ConnectionKeeper<C>;
  readonly #all = new Set<PooledConnection<C>>();
  readonly #byCodec = new Map<C, PooledConnection<C>>();
  readonly #pending = new Set<PendingStream>();
  readonly #cancelPending = (pending: PendingStream): void => {
    if (this.#dropPending(pending)) this.#checkIdle();
  };
  #connecting = 0;
  #active = 0;
  #isDraining = false;
  #toldIdle = false;

  constructor(options: PoolOptions, createKeeper: (pool: PoolAccess<C>) => ConnectionKeeper<C>) {
    this.#options = options;
    this.#keeper = createKeeper(this);
  }

  get activeStreams(): number {
    return this.#active;
  }

  get connections(): number {
    return this.#all.size;
  }

  get pendingStreams(): number {
    return this.#pending.size;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  newStream(callbacks: PoolCallbacks, fresh = false): Cancellable | undefined {
    const { resources, observer } = this.#options;
    if (this.#isDraining) {
      callbacks.onPoolFailure('connection-failure', 'the pool is draining');
      return undefined;
    }
    const connection = this.#keeper.take(fresh);
    if (connection !== undefined) {
      if (!resources.requests.canCreate()) {
        this.#keeper.putBack(connection);
        this.#refuseActive(callbacks);
        return undefined;
      }
      this.#assign(connection, callbacks);
      return undefined;
    }
    if (!resources.pendingRequests.canCreate()) {
      observer?.onPendingOverflow?.();
      callbacks.onPoolFailure('overflow', 'max_pending_requests is reached');
      return undefined;
    }
    const pending = new PendingStream(this.#cancelPending, callbacks);
    this.#pending.add(pending);
    resources.pendingRequests.inc();
    observer?.onPending?.(1);
    this.#connectIfWanted();
    return this.#pending.has(pending) ? pending : undefined;
  }

  drain(): void {
    this.#isDraining = true;
    this.#keeper.drainAll();
    this.#checkIdle();
  }

  close(): void {
    this.#isDraining = true;
    for (const pending of [...this.#pending]) {
      if (this.#dropPending(pending))
        pending.callbacks.onPoolFailure('connection-failure', 'the pool was closed');
    }
    for (const connection of [...this.#all]) this.closeNow(connection);
    this.#checkIdle();
  }

  onStreamDone(codec: C): void {
    const connection = this.#byCodec.get(codec);
    if (connection === undefined || connection.streams === 0) return;
    connection.streams--;
    this.#countActive(-1);
    this.#keeper.onStreamOver(connection);
    this.#checkIdle();
  }

  onClose(codec: C): void {
    const connection = this.#byCodec.get(codec);
    if (connection !== undefined) this.#remove(connection);
  }

  assignNext(connection: PooledConnection<C>): 'assigned' | 'refused' | 'nobody' {
    const next = this.#pending.values().next().value;
    if (next === undefined) return 'nobody';
    this.#dropPending(next);
    if (!this.#options.resources.requests.canCreate()) {
      this.#refuseActive(next.callbacks);
      return 'refused';
    }
    this.#assign(connection, next.callbacks);
    return 'assigned';
  }

  beginIdling(connection: PooledConnection<C>): void {
    this.#options.deadlines.set(connection.waiting, this.#options.idleTimeoutMs);
  }

  /** Opens a connection if those that are being opened are not enough for who waits. */
  #connectIfWanted(): void {
    if (this.#pending.size <= this.#connecting * this.#keeper.streamsPerConnection) return;
    const { resources, observer } = this.#options;
    if (!resources.connections.canCreate() && this.#all.size > 0) observer?.onConnectionOverflow?.();
    else this.#connect();
  }

  replaceIfWanted(): void {
    if (this.#pending.size > 0) this.#connectIfWanted();
  }

  connectForAll(): void {
    let before: number;
    do {
      before = this.#connecting;
      this.replaceIfWanted();
    } while (this.#connecting > before);
  }

  #refuseActive(callbacks: PoolCallbacks): void {
    this.#options.observer?.onActiveOverflow?.();
    callbacks.onPoolFailure('overflow', 'max_requests is reached');
  }

  #connect(): void {
    const { deadlines, connectTimeoutMs, resources, observer, connectEvent = 'connect' } = this.#options;
    let socket: Socket;
    try {
      socket = this.#options.connect();
    } catch (error) {
      observer?.onConnectFailure?.(false);
      this.#failPending('connection-failure', error instanceof Error ? error.message : String(error));
      return;
    }
    const connection: PooledConnection<C> = {
      socket,
      codec: undefined,
      startedAtMs: deadlines.clock.monotonicMs(),
      waiting: createDeadline(() => this.#onWaitedTooLong(connection)),
      lifetime: createDeadline(() => this.#onOld(connection)),
      streams: 0,
      isRetired: false,
      isGone: false,
      timedOut: false,
      errorText: '',
    };
    this.#connecting++;
    this.#all.add(connection);
    resources.connections.inc();
    observer?.onConnection?.();
    deadlines.set(connection.waiting, connectTimeoutMs);
    const onFailed = (): void => this.#onConnectFailed(connection);
    const onError = (error: Error): void => {
      connection.errorText = error.message;
    };
    socket.once('close', onFailed);
    socket.on('error', onError);
    socket.once(connectEvent, () => {
      socket.removeListener('close', onFailed);
      this.#onConnected(connection);
    });
  }

  #onConnected(connection: PooledConnection<C>): void {
    if (connection.isGone) {
      connection.socket.destroy();
      return;
    }
    const { deadlines, maxConnectionDurationMs, nextConnectionId, observer, tlsInfoOf } = this.#options;
    this.#connecting--;
    deadlines.clear(connection.waiting);
    observer?.onConnected?.(deadlines.clock.monotonicMs() - connection.startedAtMs);
    const codec = this.#keeper.createCodec(connection, nextConnectionId(), tlsInfoOf?.(connection.socket));
    connection.codec = codec;
    this.#byCodec.set(codec, connection);
    deadlines.set(connection.lifetime, maxConnectionDurationMs);
    if (this.#isDraining && this.#pending.size === 0) this.closeNow(connection);
    else this.#keeper.release(connection);
  }

  #onConnectFailed(connection: PooledConnection<C>): void {
    if (connection.isGone) return;
    const { timedOut, errorText } = connection;
    this.#options.observer?.onConnectFailure?.(timedOut);
    this.#remove(connection, false);
    if (timedOut) this.#failPending('connect-timeout', 'the connection was not made in time');
    else
      this.#failPending(
        'connection-failure',
        errorText === '' ? 'the host closed the connection' : errorText,
      );
    this.#checkIdle();
  }

  #onWaitedTooLong(connection: PooledConnection<C>): void {
    if (connection.codec === undefined) {
      connection.timedOut = true;
      connection.socket.destroy();
    } else if (connection.streams === 0) {
      this.#options.observer?.onIdleTimeout?.();
      this.closeNow(connection);
    }
  }

  onCloseNotify(): void {
    this.#options.observer?.onRetired?.('close-notify');
  }

  #onOld(connection: PooledConnection<C>): void {
    this.#options.observer?.onRetired?.('duration');
    connection.isRetired = true;
    this.#keeper.onRetired(connection);
  }

  #assign(connection: PooledConnection<C>, callbacks: PoolCallbacks): void {
    const { maxRequestsPerConnection } = this.#options;
    const codec = connection.codec as C;
    // The idle deadline stays where it is: it does nothing while the connection is busy, and is set anew afterwards.
    connection.streams++;
    this.#countActive(1);
    const stream = codec.newStream();
    const isLast = maxRequestsPerConnection > 0 && codec.begunStreams >= maxRequestsPerConnection;
    if (isLast) {
      connection.isRetired = true;
      this.#options.observer?.onRetired?.('requests');
    }
    stream.attach(callbacks.onPoolReady(stream));
    if (isLast && !connection.isGone) this.#keeper.onRetired(connection);
  }

  #countActive(change: 1 | -1): void {
    const { resources, observer } = this.#options;
    this.#active += change;
    if (change === 1) resources.requests.inc();
    else resources.requests.dec();
    observer?.onActive?.(change);
  }

  #failPending(reason: PoolFailureReason, details: string): void {
    // Streams that are asked for inside the callbacks (retries) wait for a connection of their own.
    for (const pending of [...this.#pending]) {
      if (!this.#dropPending(pending)) continue;
      this.#options.observer?.onPendingFailure?.();
      pending.callbacks.onPoolFailure(reason, details);
    }
  }

  #dropPending(pending: PendingStream): boolean {
    if (!this.#pending.delete(pending)) return false;
    this.#options.resources.pendingRequests.dec();
    this.#options.observer?.onPending?.(-1);
    return true;
  }

  closeNow(connection: PooledConnection<C>): void {
    if (connection.codec === undefined) connection.socket.destroy();
    else connection.codec.close();
    this.#remove(connection);
  }

  #remove(connection: PooledConnection<C>, replace = true): void {
    if (connection.isGone) return;
    connection.isGone = true;
    const { deadlines, resources, observer } = this.#options;
    deadlines.clear(connection.waiting);
    deadlines.clear(connection.lifetime);
    this.#all.delete(connection);
    this.#keeper.forget(connection);
    if (connection.codec === undefined) this.#connecting--;
    resources.connections.dec();
    observer?.onConnectionClosed?.(deadlines.clock.monotonicMs() - connection.startedAtMs);
    for (; connection.streams > 0; connection.streams--) this.#countActive(-1);
    if (connection.codec !== undefined) this.#byCodec.delete(connection.codec);
    // Those who wait may have been waiting for this one.
    if (replace) this.replaceIfWanted();
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (!this.#isDraining || this.#toldIdle || this.#all.size > 0 || this.#pending.size > 0) return;
    this.#toldIdle = true;
    this.onIdle?.();
  }
}
