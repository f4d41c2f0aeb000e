import type { AttemptFailure, HeaderMap, RequestHead, ResponseHead } from '@heddle/engine';
import type { Cluster } from '../../../cluster/cluster.js';
import type { Host } from '../../../cluster/host.js';
import { HOST_COUNTER } from '../../../cluster/host-counters.js';
import { ChunkJoiner } from '../../../codec/chunk-joiner.js';
import { giveBack } from '../../../codec/lent-memory.js';
import type {
  Cancellable,
  ConnectionPool,
  PoolCallbacks,
  PoolFailureReason,
  RequestSender,
  ResetReason,
  ResponseReceiver,
} from '../../../codec/stream.js';

/** What an attempt tells the router. */
export interface UpstreamRequestOwner {
  onUpstreamReady(request: UpstreamRequest, sender: RequestSender): void;
  onUpstreamInformational(request: UpstreamRequest, head: ResponseHead): void;
  onUpstreamHeaders(request: UpstreamRequest, head: ResponseHead, endStream: boolean): void;
  onUpstreamData(request: UpstreamRequest, chunk: Buffer, endStream: boolean): void;
  onUpstreamTrailers(request: UpstreamRequest, trailers: HeaderMap): void;
  onUpstreamFailure(request: UpstreamRequest, reason: AttemptFailure, details: string): void;
  /** The upstream cannot take more of the request (true), or can again (false). */
  onUpstreamWatermark(above: boolean): void;
}

/**
 * One attempt to have a request served by one host: waits for a stream of the pool, keeps what arrives meanwhile, then passes
 * everything on.
 */
export class UpstreamRequest implements PoolCallbacks, ResponseReceiver {
  readonly cluster: Cluster;
  readonly host: Host;
  readonly #owner: UpstreamRequestOwner;
  readonly #head: RequestHead;
  readonly #bufferLimitBytes: number;
  #waiting: Cancellable | undefined = undefined;
  #sender: RequestSender | undefined = undefined;
  #chunks: Buffer[] | undefined = undefined;
  #joiner: ChunkJoiner | undefined = undefined;
  #chunkBytes = 0;
  #trailers: HeaderMap | undefined = undefined;
  #endStream: boolean;
  #bodySent = false;
  #responseEnded = false;
  #over = false;
  /** Reasons to pause the request that the owner was told of and not yet relieved of. */
  #pauses = 0;

  constructor(
    owner: UpstreamRequestOwner,
    cluster: Cluster,
    host: Host,
    head: RequestHead,
    endStream: boolean,
    bufferLimitBytes: number,
  ) {
    this.#owner = owner;
    this.cluster = cluster;
    this.host = host;
    this.#head = head;
    this.#endStream = endStream;
    this.#bufferLimitBytes = bufferLimitBytes;
  }

  /** Asks the pool for a stream. The owner may be called inside this call. `fresh`: on no connection that was idle. */
  start(pool: ConnectionPool, fresh: boolean): void {
    const waiting = pool.newStream(this, fresh);
    if (this.#sender === undefined && !this.#over) this.#waiting = waiting;
  }

  /** Whether it has a connection. */
  get isReady(): boolean {
    return this.#sender !== undefined;
  }

  /** Whether any byte of the request was handed to the upstream. */
  get anythingSent(): boolean {
    return this.#sender !== undefined && (this.#bodySent || this.#sender.anythingSent);
  }

  get connectionWasReused(): boolean {
    return this.#sender !== undefined && this.#sender.connection.requestsBefore > 0;
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.#over) return;
    if (this.#sender !== undefined) {
      this.#bodySent = true;
      this.#sender.sendRequestData(chunk, endStream);
      return;
    }
    this.#endStream = endStream;
    if (this.#chunks === undefined) this.#chunks = [chunk];
    else {
      this.#joiner ??= new ChunkJoiner();
      this.#joiner.add(this.#chunks, chunk);
      giveBack(chunk);
    }
    this.#chunkBytes += chunk.length;
    if (this.#chunkBytes > this.#bufferLimitBytes && this.#pauses === 0) this.#pause();
  }

  sendTrailers(trailers: HeaderMap): void {
    if (this.#over) return;
    if (this.#sender !== undefined) {
      this.#bodySent = true;
      this.#sender.sendRequestTrailers(trailers);
      return;
    }
    this.#trailers = trailers;
    this.#endStream = true;
  }

  readDisable(disable: boolean): void {
    if (!this.#over) this.#sender?.readDisable(disable);
  }

  /** Gives the attempt up. */
  cancel(): void {
    if (this.#over) return;
    const sender = this.#sender;
    const { stats } = this.cluster;
    this.#finish();
    if (sender !== undefined) {
      stats.rqTxReset.inc();
      sender.reset('local-reset');
    } else {
      stats.rqCancelled.inc();
      this.#waiting?.cancel();
      this.#waiting = undefined;
    }
  }

  onPoolReady(sender: RequestSender): ResponseReceiver {
    this.#waiting = undefined;
    this.#sender = sender;
    const { host, cluster } = this;
    host.count(HOST_COUNTER.rqTotal);
    host.count(HOST_COUNTER.rqActive);
    cluster.stats.rqTotal.inc();
    this.#owner.onUpstreamReady(this, sender);
    const chunks = this.#chunks;
    const trailers = this.#trailers;
    const endStream = this.#endStream;
    sender.sendRequestHeaders(this.#head, endStream && chunks === undefined && trailers === undefined);
    if (chunks !== undefined) {
      this.#chunks = undefined;
      this.#bodySent = true;
      for (let i = 0; i < chunks.length; i++) {
        sender.sendRequestData(
          chunks[i] as Buffer,
          endStream && trailers === undefined && i === chunks.length - 1,
        );
      }
    }
    if (trailers !== undefined) {
      this.#bodySent = true;
      sender.sendRequestTrailers(trailers);
    }
    this.#resumeAll();
    return this;
  }

  onPoolFailure(reason: PoolFailureReason, details: string): void {
    if (this.#over) return;
    this.#finish();
    this.#owner.onUpstreamFailure(this, reason, details);
  }

  onInformational(head: ResponseHead): void {
    if (!this.#over) this.#owner.onUpstreamInformational(this, head);
  }

  onResponseHeaders(head: ResponseHead, endStream: boolean): void {
    if (this.#over) return;
    if (endStream) this.#onEnd();
    this.#owner.onUpstreamHeaders(this, head, endStream);
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    if (this.#over) return;
    if (endStream) this.#onEnd();
    this.#owner.onUpstreamData(this, chunk, endStream);
  }

  onResponseTrailers(trailers: HeaderMap): void {
    if (this.#over) return;
    this.#onEnd();
    this.#owner.onUpstreamTrailers(this, trailers);
  }

  onReset(reason: ResetReason, details: string): void {
    if (this.#over) return;
    this.#finish();
    this.#owner.onUpstreamFailure(this, reason, details);
  }

  onAboveWriteBufferHighWatermark(): void {
    if (!this.#over) this.#pause();
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#over || this.#pauses === 0) return;
    this.#pauses--;
    this.#owner.onUpstreamWatermark(false);
  }

  get responseEnded(): boolean {
    return this.#responseEnded;
  }

  #onEnd(): void {
    this.#responseEnded = true;
  }

  #pause(): void {
    this.#pauses++;
    this.#owner.onUpstreamWatermark(true);
  }

  #resumeAll(): void {
    while (this.#pauses > 0) {
      this.#pauses--;
      this.#owner.onUpstreamWatermark(false);
    }
  }

  /** Nothing is passed on in either direction from here. */
  #finish(): void {
    this.#over = true;
    this.#chunks = undefined;
    if (this.#sender !== undefined) this.host.onRequestEnd();
    this.#resumeAll();
  }

  /** Both directions have ended in good order. */
  complete(): void {
    if (!this.#over) this.#finish();
  }
}
