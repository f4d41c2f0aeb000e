import type { TlsInfo } from '@heddle/engine';
import {
  ClientCodecHttp2,
  type Http2ClientCallbacks,
  type Http2ClientOptions,
} from '../../codec/http2/client-codec.js';
import { BasePool, type PooledConnection, type PoolOptions } from './base-pool.js';

export interface Http2PoolOptions extends PoolOptions {
  readonly codec: Omit<Http2ClientOptions, 'id' | 'tls' | 'deadlines'>;
}

type Connection = PooledConnection<ClientCodecHttp2>;

/** What servers mostly take; until one has said how many streams it takes. */
const USUAL_STREAMS = 100;

/**
 * The HTTP/2 connections to one host: streams share one as long as the server takes more of them, and then another is opened.
 *
 * One whose server says that it goes away, or that is too old, carries what it has to its end.
 */
export class Http2Pool extends BasePool<ClientCodecHttp2> implements Http2ClientCallbacks {
  readonly #codec: Omit<Http2ClientOptions, 'id' | 'tls'>;
  /** Those that take streams, as far as is known; the last one used is the last. */
  readonly #usable: Connection[] = [];
  #streamsPerConnection: number;

  constructor(options: Http2PoolOptions) {
    super(options);
    this.#codec = { ...options.codec, deadlines: options.deadlines };
    this.#streamsPerConnection = Math.min(USUAL_STREAMS, options.codec.http2.maxConcurrentStreams);
  }

  protected get streamsPerConnection(): number {
    return this.#streamsPerConnection;
  }

  protected take(): Connection | undefined {
    const usable = this.#usable;
    for (let i = usable.length - 1; i >= 0; i--) {
      const connection = usable[i] as Connection;
      if (connection.codec?.hasRoom === true) return connection;
    }
    return undefined;
  }

  protected putBack(): void {
    // It was not taken away.
  }

  protected createCodec({ socket }: Connection, id: number, tls: TlsInfo | undefined): ClientCodecHttp2 {
    return new ClientCodecHttp2(socket, this, { ...this.#codec, id, tls });
  }

  protected release(connection: Connection): void {
    if (!this.#usable.includes(connection)) this.#usable.push(connection);
    this.#fill(connection);
    // The server may take fewer streams than were waiting.
    this.replaceIfWanted();
  }

  onRoom(codec: ClientCodecHttp2): void {
    this.#streamsPerConnection = Math.max(
      1,
      Math.min(codec.peer.maxConcurrentStreams, codec.options.config.maxConcurrentStreams),
    );
    const connection = this.connectionOf(codec);
    if (connection !== undefined) this.#fill(connection);
  }

  onGoAway(codec: ClientCodecHttp2): void {
    const connection = this.connectionOf(codec);
    if (connection === undefined) return;
    this.forget(connection);
    this.replaceIfWanted();
  }

  protected onStreamOver(connection: Connection): void {
    this.#fill(connection);
    if (connection.streams > 0 || connection.isGone) return;
    if (this.isDraining || connection.codec?.isUsable !== true) this.closeNow(connection);
    else this.beginIdling(connection);
  }

  protected onRetired(connection: Connection): void {
    this.forget(connection);
    connection.codec?.drain();
    if (connection.streams === 0) this.closeNow(connection);
  }

  protected forget(connection: Connection): void {
    const at = this.#usable.indexOf(connection);
    if (at !== -1) this.#usable.splice(at, 1);
  }

  protected drainAll(): void {
    for (const connection of [...this.all]) {
      if (connection.codec !== undefined) this.onRetired(connection);
    }
  }

  #fill(connection: Connection): void {
    // As often as streams wait, which is bounded.
    while (connection.codec?.hasRoom === true && this.assignNext(connection) !== 'nobody');
  }
}
