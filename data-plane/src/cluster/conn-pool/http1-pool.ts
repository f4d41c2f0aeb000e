import type { Socket } from 'node:net';
import type { TlsInfo } from '@heddle/engine';
import {
  ClientCodecHttp1,
  type ClientCodecOptions,
  type ClientConnectionCallbacks,
} from '../../codec/http1/client-codec.js';
import { createDeadline, type Deadline, type Deadlines } from '../../codec/http1/deadline-queue.js';
import type { Cancellable, ConnectionPool, PoolCallbacks, PoolFailureReason } from '../../codec/stream.js';
import type { ResourceManager } from '../resource-manager.js';
import type { PoolObserver } from './pool-observer.js';

export interface Http1PoolOptions {
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
  readonly codec: Omit<ClientCodecOptions, 'id' | 'tls'>;
  readonly observer?: PoolObserver;
  /** Gives connections their numbers. */
  readonly nextConnectionId: () => number;
}

/** A stream that waits for a connection. */
class PendingStream implements Cancellable {
  readonly #pool: Http1Pool;
  readonly callbacks: PoolCallbacks;
  readonly since: number;

  constructor(pool: Http1Pool, callbacks: PoolCallbacks, since: number) {
    this.#pool = pool;
    this.callbacks = callbacks;
    this.since = since;
  }

  cancel(): void {
    this.#pool.cancelPending(this);
  }
}

/** A connection from its first moment on. */
interface PooledConnection {
  readonly socket: Socket;
  /** Undefined while connecting. */
  codec: ClientCodecHttp1 | undefined;
  readonly startedAtMs: number;
  /** Connecting, and later idling. */
  readonly waiting: Deadline;
  readonly lifetime: Deadline;
  isBusy: boolean;
  isRetired: boolean;
  isGone: boolean;
  timedOut: boolean;
  errorText: string;
}

/**
 * The HTTP/1.1 connections to one host.
 *
 * Idle connections are reused last in, first out. A stream that finds none waits for the one that is opened for it, or for
 * whichever becomes free first. When a connection cannot be made, every stream that waits fails, as in Envoy.
 * Bounds: `maxConnections`, `maxPendingRequests`, `maxRequests` of the circuit breakers, shared with the cluster's other pools;
 * as in Envoy a pool without any connection may open one above `maxConnections`, so that no host is locked out.
 */
export class Http1Pool implements ConnectionPool, ClientConnectionCallbacks {
  onIdle: (() => void) | undefined;
  readonly #options: Http1PoolOptions;
  readonly #idle: PooledConnection[] = [];
  readonly #all = new Set<PooledConnection>();
  readonly #byCodec = new Map<ClientCodecHttp1, PooledConnection>();
  readonly #pending = new Set<PendingStream>();
  #connecting = 0;
  #active = 0;
  #isDraining = false;
  #toldIdle = false;

  constructor(options: Http1PoolOptions) {
    this.#options = options;
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

  newStream(callbacks: PoolCallbacks, fresh = false): Cancellable | undefined {
    const { resources, observer } = this.#options;
    if (this.#isDraining) {
      callbacks.onPoolFailure('connection-failure', 'the pool is draining');
      return undefined;
    }
    const connection = fresh ? undefined : this.#popIdle();
    if (connection !== undefined) {
      if (!resources.requests.canCreate()) {
        this.#idle.push(connection);
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
    const pending = new PendingStream(this, callbacks, this.#options.deadlines.clock.monotonicMs());
    this.#pending.add(pending);
    resources.pendingRequests.inc();
    observer?.onPending?.(1);
    if (this.#connecting < this.#pending.size) this.#tryConnect();
    return this.#pending.has(pending) ? pending : undefined;
  }

  /** The server may have ended a connection a moment ago, which is told of only when its socket has closed. */
  #popIdle(): PooledConnection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return undefined;
      if (connection.codec?.isReusable === true && !connection.socket.destroyed) return connection;
      this.#closeNow(connection);
    }
  }

  /** A stream no longer wants to wait. */
  cancelPending(pending: PendingStream): void {
    if (this.#dropPending(pending)) this.#checkIdle();
  }

  drain(): void {
    this.#isDraining = true;
    for (const connection of [...this.#idle]) this.#closeNow(connection);
    this.#checkIdle();
  }

  close(): void {
    this.#isDraining = true;
    for (const pending of [...this.#pending]) {
      if (this.#dropPending(pending))
        pending.callbacks.onPoolFailure('connection-failure', 'the pool was closed');
    }
    for (const connection of [...this.#all]) this.#closeNow(connection);
    this.#checkIdle();
  }

  onStreamDone(codec: ClientCodecHttp1): void {
    const connection = this.#byCodec.get(codec);
    if (connection === undefined || !connection.isBusy) return;
    connection.isBusy = false;
    this.#active--;
    this.#options.resources.requests.dec();
    this.#options.observer?.onActive?.(-1);
    if (connection.isRetired || this.#isDraining || !codec.isReusable) {
      this.#closeNow(connection);
    } else {
      this.#release(connection);
    }
    this.#checkIdle();
  }

  onClose(codec: ClientCodecHttp1): void {
    const connection = this.#byCodec.get(codec);
    if (connection !== undefined) this.#remove(connection);
  }

  #refuseActive(callbacks: PoolCallbacks): void {
    this.#options.observer?.onActiveOverflow?.();
    callbacks.onPoolFailure('overflow', 'max_requests is reached');
  }

  #tryConnect(): void {
    const { resources, observer } = this.#options;
    if (!resources.connections.canCreate() && this.#all.size > 0) {
      observer?.onConnectionOverflow?.();
      return;
    }
    this.#connect();
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
    const connection: PooledConnection = {
      socket,
      codec: undefined,
      startedAtMs: deadlines.clock.monotonicMs(),
      waiting: createDeadline(() => this.#onWaitedTooLong(connection)),
      lifetime: createDeadline(() => this.#retire(connection)),
      isBusy: false,
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

  #onConnected(connection: PooledConnection): void {
    if (connection.isGone) {
      connection.socket.destroy();
      return;
    }
    const { deadlines, codec, maxConnectionDurationMs, nextConnectionId, observer, tlsInfoOf } =
      this.#options;
    this.#connecting--;
    deadlines.clear(connection.waiting);
    observer?.onConnected?.(deadlines.clock.monotonicMs() - connection.startedAtMs);
    connection.codec = new ClientCodecHttp1(connection.socket, this, {
      ...codec,
      id: nextConnectionId(),
      tls: tlsInfoOf?.(connection.socket),
    });
    this.#byCodec.set(connection.codec, connection);
    deadlines.set(connection.lifetime, maxConnectionDurationMs);
    if (this.#isDraining && this.#pending.size === 0) this.#closeNow(connection);
    else this.#release(connection);
  }

  #onConnectFailed(connection: PooledConnection): void {
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

  #onWaitedTooLong(connection: PooledConnection): void {
    if (connection.codec === undefined) {
      connection.timedOut = true;
      connection.socket.destroy();
    } else if (!connection.isBusy) {
      this.#options.observer?.onIdleTimeout?.();
      this.#closeNow(connection);
    }
  }

  /** Too old: it carries no further request. */
  #retire(connection: PooledConnection): void {
    connection.isRetired = true;
    if (!connection.isBusy) this.#closeNow(connection);
  }

  /** A connection is free: for the stream that has waited longest, or for later. */
  #release(connection: PooledConnection): void {
    const { resources, deadlines, idleTimeoutMs } = this.#options;
    const next = this.#pending.values().next().value;
    if (next !== undefined) {
      this.#dropPending(next);
      if (resources.requests.canCreate()) {
        this.#assign(connection, next.callbacks);
        return;
      }
      this.#refuseActive(next.callbacks);
      // As often as streams wait, which is bounded.
      if (!connection.isGone && !connection.isBusy) this.#release(connection);
      return;
    }
    this.#idle.push(connection);
    deadlines.set(connection.waiting, idleTimeoutMs);
  }

  #assign(connection: PooledConnection, callbacks: PoolCallbacks): void {
    const { resources, maxRequestsPerConnection, observer } = this.#options;
    const codec = connection.codec as ClientCodecHttp1;
    // The idle deadline stays where it is: it does nothing while the connection is busy, and is set anew afterwards.
    connection.isBusy = true;
    this.#active++;
    resources.requests.inc();
    observer?.onActive?.(1);
    const stream = codec.newStream();
    if (maxRequestsPerConnection > 0 && codec.streams >= maxRequestsPerConnection)
      connection.isRetired = true;
    stream.attach(callbacks.onPoolReady(stream));
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

  #closeNow(connection: PooledConnection): void {
    if (connection.codec === undefined) connection.socket.destroy();
    else connection.codec.close();
    this.#remove(connection);
  }

  #remove(connection: PooledConnection, replace = true): void {
    if (connection.isGone) return;
    connection.isGone = true;
    const { deadlines, resources, observer } = this.#options;
    deadlines.clear(connection.waiting);
    deadlines.clear(connection.lifetime);
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    if (connection.codec === undefined) this.#connecting--;
    resources.connections.dec();
    observer?.onConnectionClosed?.(deadlines.clock.monotonicMs() - connection.startedAtMs);
    if (connection.isBusy) {
      connection.isBusy = false;
      this.#active--;
      resources.requests.dec();
      observer?.onActive?.(-1);
    }
    if (connection.codec !== undefined) this.#byCodec.delete(connection.codec);
    // Those who wait may have been waiting for this one.
    if (replace && this.#pending.size > this.#connecting) this.#tryConnect();
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (!this.#isDraining || this.#toldIdle || this.#all.size > 0 || this.#pending.size > 0) return;
    this.#toldIdle = true;
    this.onIdle?.();
  }
}
