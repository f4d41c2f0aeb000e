import type { TlsInfo } from '@heddle/engine';
import {
  ClientCodecHttp2,
  type Http2ClientCallbacks,
  type Http2ClientOptions,
} from '../../codec/http2/client-codec.js';
import {
  BasePool,
  type ConnectionKeeper,
  type PoolAccess,
  type PooledConnection,
  type PoolOptions,
} from './base-pool.js';

export interface Http2PoolOptions extends PoolOptions {
  readonly codec: Omit<Http2ClientOptions, 'id' | 'tls' | 'deadlines'>;
}

type Connection = PooledConnection<ClientCodecHttp2>;

/** What servers mostly take; until one has said how many streams it takes. */
const USUAL_STREAMS = 100;

/** The HTTP/2 connections to one host. */
export class Http2Pool extends BasePool<ClientCodecHttp2> {
  constructor(options: Http2PoolOptions) {
    super(options, (pool) => new Http2Connections(pool, options));
  }
}

/**
 * Streams share a connection as long as the server takes more of them, and then another is opened.
 *
 * One whose server says that it goes away, or that is too old, carries what it has to its end.
 */
export class Http2Connections implements ConnectionKeeper<ClientCodecHttp2>, Http2ClientCallbacks {
  readonly #pool: PoolAccess<ClientCodecHttp2>;
  readonly #codec: Omit<Http2ClientOptions, 'id' | 'tls'>;
  /** Those that take streams, as far as is known; the last one used is the last. */
  readonly #usable: Connection[] = [];
  #streamsPerConnection: number;

  constructor(
    pool: PoolAccess<ClientCodecHttp2>,
    { codec, deadlines }: Pick<Http2PoolOptions, 'codec' | 'deadlines'>,
  ) {
    this.#pool = pool;
    this.#codec = { ...codec, deadlines };
    this.#streamsPerConnection = Math.min(USUAL_STREAMS, codec.http2.maxConcurrentStreams);
  }

  get streamsPerConnection(): number {
    return this.#streamsPerConnection;
  }

  take(): Connection | undefined {
    const usable = this.#usable;
    for (let i = usable.length - 1; i >= 0; i--) {
      const connection = usable[i] as Connection;
      if (connection.codec?.hasRoom === true) return connection;
    }
    return undefined;
  }

  putBack(): void {
    // It was not taken away.
  }

  createCodec(
    { socket }: Pick<Connection, 'socket'>,
    id: number,
    tls: TlsInfo | undefined,
  ): ClientCodecHttp2 {
    return new ClientCodecHttp2(socket, this, { ...this.#codec, id, tls });
  }

  release(connection: Connection): void {
    if (!this.#usable.includes(connection)) this.#usable.push(connection);
    this.#fill(connection);
    // The server may take fewer streams than were waiting.
    this.#pool.replaceIfWanted();
  }

  onRoom(codec: ClientCodecHttp2): void {
    this.#streamsPerConnection = Math.max(
      1,
      Math.min(codec.peer.maxConcurrentStreams, codec.options.config.maxConcurrentStreams),
    );
    const connection = this.#usableOf(codec);
    if (connection !== undefined) this.#fill(connection);
  }

  onGoAway(codec: ClientCodecHttp2): void {
    this.#pool.onCloseNotify();
    const connection = this.#usableOf(codec);
    if (connection === undefined) return;
    this.forget(connection);
    this.#pool.replaceIfWanted();
  }

  onStreamDone(codec: ClientCodecHttp2): void {
    this.#pool.onStreamDone(codec);
  }

  onClose(codec: ClientCodecHttp2): void {
    this.#pool.onClose(codec);
  }

  onStreamOver(connection: Connection): void {
    this.#fill(connection);
    if (connection.streams > 0 || connection.isGone) return;
    if (this.#pool.isDraining || connection.codec?.isUsable !== true) this.#pool.closeNow(connection);
    else this.#pool.beginIdling(connection);
  }

  onRetired(connection: Connection): void {
    this.forget(connection);
    connection.codec?.drain();
    if (connection.streams === 0) this.#pool.closeNow(connection);
  }

  forget(connection: Connection): void {
    const at = this.#usable.indexOf(connection);
    if (at !== -1) this.#usable.splice(at, 1);
  }

  drainAll(): void {
    for (const connection of [...this.#usable]) this.onRetired(connection);
  }

  #usableOf(codec: ClientCodecHttp2): Connection | undefined {
    return this.#usable.find((connection) => connection.codec === codec);
  }

  #fill(connection: Connection): void {
    // As often as streams wait, which is bounded.
    while (connection.codec?.hasRoom === true && this.#pool.assignNext(connection) !== 'nobody');
  }
}
