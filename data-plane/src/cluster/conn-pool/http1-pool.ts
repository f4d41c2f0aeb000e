import type { TlsInfo } from '@heddle/engine';
import {
  ClientCodecHttp1,
  type ClientCodecOptions,
  type ClientConnectionCallbacks,
} from '../../codec/http1/client-codec.js';
import { BasePool, type PooledConnection, type PoolOptions } from './base-pool.js';

export interface Http1PoolOptions extends PoolOptions {
  readonly codec: Omit<ClientCodecOptions, 'id' | 'tls'>;
}

type Connection = PooledConnection<ClientCodecHttp1>;

/** The HTTP/1.1 connections to one host. Idle connections are reused last in, first out. */
export class Http1Pool extends BasePool<ClientCodecHttp1> implements ClientConnectionCallbacks {
  readonly #codec: Http1PoolOptions['codec'];
  readonly #idle: Connection[] = [];

  constructor(options: Http1PoolOptions) {
    super(options);
    this.#codec = options.codec;
  }

  protected get streamsPerConnection(): number {
    return 1;
  }

  /** The server may have ended a connection a moment ago, which is told of only when its socket has closed. */
  protected take(fresh: boolean): Connection | undefined {
    while (!fresh) {
      const connection = this.#idle.pop();
      if (connection === undefined) return undefined;
      if (connection.codec?.isReusable === true && !connection.socket.destroyed) return connection;
      this.closeNow(connection);
    }
    return undefined;
  }

  protected putBack(connection: Connection): void {
    this.#idle.push(connection);
  }

  protected createCodec({ socket }: Connection, id: number, tls: TlsInfo | undefined): ClientCodecHttp1 {
    return new ClientCodecHttp1(socket, this, { ...this.#codec, id, tls });
  }

  protected onStreamOver(connection: Connection): void {
    if (connection.isRetired || this.isDraining || connection.codec?.isReusable !== true) {
      this.closeNow(connection);
    } else {
      this.release(connection);
    }
  }

  protected onRetired(connection: Connection): void {
    if (connection.streams === 0) this.closeNow(connection);
  }

  protected release(connection: Connection): void {
    // As often as streams wait, which is bounded.
    while (!connection.isGone && connection.streams === 0) {
      const outcome = this.assignNext(connection);
      if (outcome === 'assigned') return;
      if (outcome === 'refused') continue;
      this.#idle.push(connection);
      this.beginIdling(connection);
      return;
    }
  }

  protected forget(connection: Connection): void {
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  protected drainAll(): void {
    for (const connection of [...this.#idle]) this.closeNow(connection);
  }
}
