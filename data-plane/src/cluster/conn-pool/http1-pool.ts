import type { TlsInfo } from '@heddle/engine';
import { ClientCodecHttp1, type ClientCodecOptions } from '../../codec/http1/client-codec.js';
import {
  BasePool,
  type ConnectionKeeper,
  type PoolAccess,
  type PooledConnection,
  type PoolOptions,
} from './base-pool.js';

export interface Http1PoolOptions extends PoolOptions {
  readonly codec: Omit<ClientCodecOptions, 'id' | 'tls'>;
}

type Connection = PooledConnection<ClientCodecHttp1>;

/** The HTTP/1.1 connections to one host. */
export class Http1Pool extends BasePool<ClientCodecHttp1> {
  constructor(options: Http1PoolOptions) {
    super(options, (pool) => new Http1Connections(pool, options.codec));
  }
}

/** One stream at a time: idle connections are reused last in, first out. */
export class Http1Connections implements ConnectionKeeper<ClientCodecHttp1> {
  readonly streamsPerConnection = 1;
  readonly #pool: PoolAccess<ClientCodecHttp1>;
  readonly #codec: Http1PoolOptions['codec'];
  readonly #idle: Connection[] = [];

  constructor(pool: PoolAccess<ClientCodecHttp1>, codec: Http1PoolOptions['codec']) {
    this.#pool = pool;
    this.#codec = codec;
  }

  /** The server may have ended a connection a moment ago, which is told of only when its socket has closed. */
  take(fresh: boolean): Connection | undefined {
    while (!fresh) {
      const connection = this.#idle.pop();
      if (connection === undefined) return undefined;
      if (connection.codec?.isReusable === true && !connection.socket.destroyed) return connection;
      this.#pool.closeNow(connection);
    }
    return undefined;
  }

  putBack(connection: Connection): void {
    this.#idle.push(connection);
  }

  createCodec(
    { socket }: Pick<Connection, 'socket'>,
    id: number,
    tls: TlsInfo | undefined,
  ): ClientCodecHttp1 {
    return new ClientCodecHttp1(socket, this.#pool, { ...this.#codec, id, tls });
  }

  onStreamOver(connection: Connection): void {
    if (connection.codec?.isToldToClose === true) this.#pool.onCloseNotify();
    if (connection.isRetired || this.#pool.isDraining || connection.codec?.isReusable !== true) {
      this.#pool.closeNow(connection);
    } else {
      this.release(connection);
    }
  }

  onRetired(connection: Connection): void {
    if (connection.streams === 0) this.#pool.closeNow(connection);
  }

  release(connection: Connection): void {
    // As often as streams wait, which is bounded.
    while (!connection.isGone && connection.streams === 0) {
      const outcome = this.#pool.assignNext(connection);
      if (outcome === 'assigned') return;
      if (outcome === 'refused') continue;
      this.#idle.push(connection);
      this.#pool.beginIdling(connection);
      return;
    }
  }

  forget(connection: Connection): void {
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  drainAll(): void {
    for (const connection of [...this.#idle]) this.#pool.closeNow(connection);
  }
}
