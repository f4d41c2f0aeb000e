import { Socket } from 'node:net';
import type { RequestHead, ResponseHead } from '@heddle/engine';
import { ownBytes, ownPieces, type WrittenChunk } from '../codec/socket-pair.js';
import type {
  Cancellable,
  ConnectionPool,
  PoolCallbacks,
  PoolFailureReason,
  RequestSender,
  ResetReason,
  ResponseReceiver,
  UpstreamConnection,
} from '../codec/stream.js';

const NOTHING = Buffer.alloc(0);

/**
 * A tunnel through HTTP as a socket: emits `connect` once the host has opened it, and is destroyed when the host does not.
 *
 * Source: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.tunneling_config.
 */
export class TunnelSocket extends Socket implements PoolCallbacks, ResponseReceiver {
  readonly #head: RequestHead;
  #waiting: Cancellable | undefined = undefined;
  #sender: RequestSender | undefined = undefined;
  #isOpen = false;
  #hasEnded = false;
  #isAbove = false;
  #isPaused = false;
  /** Of the write for which there is no room yet. */
  #onRoom: (() => void) | undefined = undefined;

  /** `head`: what asks for the tunnel. */
  constructor(head: RequestHead) {
    super({ allowHalfOpen: true });
    this.#head = head;
  }

  /** Asks for the tunnel. */
  open(pool: ConnectionPool): void {
    const waiting = pool.newStream(this);
    if (this.#sender === undefined && !this.destroyed) this.#waiting = waiting;
  }

  /** The one that the tunnel is one of many on; undefined while there is none. */
  get connection(): UpstreamConnection | undefined {
    return this.#sender?.connection;
  }

  onPoolReady(sender: RequestSender): ResponseReceiver {
    this.#waiting = undefined;
    this.#sender = sender;
    sender.sendRequestHeaders(this.#head, false);
    return this;
  }

  onPoolFailure(_reason: PoolFailureReason, details: string): void {
    this.destroy(new Error(details));
  }

  onInformational(): void {
    // Says nothing of the tunnel.
  }

  onResponseHeaders({ status }: ResponseHead, endStream: boolean): void {
    const isTaken = this.#sender?.connection.protocol === 'HTTP/2' ? status === 200 : status < 300;
    if (!isTaken || endStream) {
      this.destroy(new Error(`the tunnel was answered with ${status}`));
      return;
    }
    this.#isOpen = true;
    this.emit('connect');
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0 && !this.push(chunk) && !this.#isPaused) {
      this.#isPaused = true;
      this.#sender?.readDisable(true);
    }
    if (endStream) this.onResponseTrailers();
  }

  onResponseTrailers(): void {
    this.#hasEnded = true;
    this.push(null);
  }

  onReset(_reason: ResetReason, details: string): void {
    this.#sender = undefined;
    this.destroy(new Error(details === '' ? 'the tunnel was reset' : details));
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#isAbove = true;
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#isAbove = false;
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }

  override _read(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#sender?.readDisable(false);
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: () => void): void {
    this.#send([ownBytes({ chunk, encoding })], callback);
  }

  override _writev(chunks: readonly WrittenChunk[], callback: () => void): void {
    this.#send(ownPieces(chunks), callback);
  }

  override _final(callback: () => void): void {
    this.#sender?.sendRequestData(NOTHING, true);
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#waiting?.cancel();
    this.#waiting = undefined;
    const sender = this.#sender;
    this.#sender = undefined;
    this.#onRoom = undefined;
    if (!(this.#isOpen && this.#hasEnded && this.writableFinished)) sender?.reset('local-reset');
    super._destroy(error, callback);
  }

  #send(pieces: readonly Buffer[], callback: () => void): void {
    for (const bytes of pieces) this.#sender?.sendRequestData(bytes, false);
    if (this.#isAbove) this.#onRoom = callback;
    else callback();
  }
}
