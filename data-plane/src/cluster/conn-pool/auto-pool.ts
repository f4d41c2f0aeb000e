import type { TlsInfo } from '@heddle/engine';
import type { ClientCodecHttp1 } from '../../codec/http1/client-codec.js';
import { ClientCodecHttp2 } from '../../codec/http2/client-codec.js';
import { isHttp2Protocol } from '../../tls/transport.js';
import {
  BasePool,
  type ConnectionKeeper,
  type PoolAccess,
  type PooledConnection,
  type PoolOptions,
} from './base-pool.js';
import { Http1Connections, type Http1PoolOptions } from './http1-pool.js';
import { Http2Connections, type Http2PoolOptions } from './http2-pool.js';

type EitherCodec = ClientCodecHttp1 | ClientCodecHttp2;
type Connection = PooledConnection<EitherCodec>;

export interface AutoPoolOptions extends PoolOptions {
  readonly http1: Http1PoolOptions['codec'];
  readonly http2: Http2PoolOptions['codec'];
  /** Told of each connection, once it is known what is spoken on it. */
  readonly onAgreed?: (protocol: 'http1' | 'http2') => void;
}

/**
 * The connections to one host that speak what TLS agrees on with it: HTTP/2, or else HTTP/1.1.
 *
 * Source: Envoy's pool for `auto_config`. What a host spoke last it is taken to speak on the next connection too; when it does not,
 * those who wait get the connections that they need.
 */
export class AutoPool extends BasePool<EitherCodec> {
  constructor(options: AutoPoolOptions) {
    super(options, (pool) => new AutoConnections(pool, options));
  }
}

class AutoConnections implements ConnectionKeeper<EitherCodec> {
  readonly #pool: PoolAccess<EitherCodec>;
  readonly #http1: Http1Connections;
  readonly #http2: Http2Connections;
  readonly #onAgreed: AutoPoolOptions['onAgreed'];
  #lastIsHttp1 = false;

  constructor(pool: PoolAccess<EitherCodec>, options: AutoPoolOptions) {
    this.#pool = pool;
    this.#http1 = new Http1Connections(pool, options.http1);
    this.#http2 = new Http2Connections(pool, { codec: options.http2, deadlines: options.deadlines });
    this.#onAgreed = options.onAgreed;
  }

  get streamsPerConnection(): number {
    return this.#lastIsHttp1 ? 1 : this.#http2.streamsPerConnection;
  }

  take(fresh: boolean): Connection | undefined {
    return this.#http2.take() ?? this.#http1.take(fresh);
  }

  putBack(connection: Connection): void {
    this.#keeperOf(connection).putBack(connection);
  }

  createCodec(connection: Connection, id: number, tls: TlsInfo | undefined): EitherCodec {
    const isHttp2 = isHttp2Protocol(tls?.applicationProtocol ?? '');
    this.#lastIsHttp1 = !isHttp2;
    this.#onAgreed?.(isHttp2 ? 'http2' : 'http1');
    return (isHttp2 ? this.#http2 : this.#http1).createCodec(connection, id, tls);
  }

  release(connection: Connection): void {
    this.#keeperOf(connection).release(connection);
    if (this.#lastIsHttp1) this.#pool.connectForAll();
  }

  onStreamOver(connection: Connection): void {
    this.#keeperOf(connection).onStreamOver(connection);
  }

  onRetired(connection: Connection): void {
    this.#keeperOf(connection).onRetired(connection);
  }

  forget(connection: Connection): void {
    if (connection.codec !== undefined) this.#keeperOf(connection).forget(connection);
  }

  drainAll(): void {
    this.#http1.drainAll();
    this.#http2.drainAll();
  }

  /** The one whose codec the connection has. */
  #keeperOf({ codec }: Connection): ConnectionKeeper<EitherCodec> {
    const keeper = codec instanceof ClientCodecHttp2 ? this.#http2 : this.#http1;
    return keeper as ConnectionKeeper<EitherCodec>;
  }
}
