import { Backoff, type Timer } from '@heddle/common';
import {
  resetIntervalMs,
  wouldRetryFailure,
  wouldRetryResponse,
  type AddressConfig,
  type AttemptFailure,
  type Hash64,
  type HeaderMap,
  type ResponseHead,
  type RetryConfig,
} from '@heddle/engine';
import type { Cluster } from '../../../cluster/cluster.js';
import type { Host } from '../../../cluster/host.js';
import type { Resource } from '../../../cluster/resource-manager.js';
import { lastingBytes } from '../../../codec/lent-memory.js';
import type { RouterShared } from './router-shared.js';
import type { UpstreamRequest } from './upstream-request.js';

/** What becomes of an attempt that has ended. */
export const RetryVerdict = Object.freeze({
  /** Its end is the answer. */
  No: 0,
  /** Another one follows. */
  Yes: 1,
  /** The policy asks for another one, but the cluster has as many retries under way as it may have. */
  Overflow: 2,
  /** The policy asks for another one, but it was the last. */
  LimitExceeded: 3,
} as const);
export type RetryVerdict = (typeof RetryVerdict)[keyof typeof RetryVerdict];

/** Beyond this many pieces of a body they are made one, so that tiny pieces cost no more than their bytes. */
const MOST_PIECES = 256;

/**
 * The retries of one request: how many are left and what they wait for, which hosts were tried, and the body to send again.
 * Exists only for requests that have a retry policy, until their response has begun.
 *
 * Source: Envoy's RetryStateImpl.
 * Bounds: the body within `bufferLimitBytes`; retries under way within the cluster's circuit breaker or budget.
 */
export class RetryState {
  readonly #policy: RetryConfig;
  readonly #shared: RouterShared;
  readonly #priority: 'default' | 'high';
  readonly #bufferLimitBytes: number;
  #remaining: number;
  #backoff: Backoff | undefined = undefined;
  /** What the last response asked to wait; 0: nothing. */
  #resetMs = 0;
  /** Held from the decision to retry until the end of that attempt. */
  #slot: Resource | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #firstHost: Host | undefined = undefined;
  #laterHosts: Host[] | undefined = undefined;
  #pieces: Buffer[] | undefined = undefined;
  #bytes = 0;
  #trailers: HeaderMap | undefined = undefined;

  constructor(
    policy: RetryConfig,
    shared: RouterShared,
    priority: 'default' | 'high',
    bufferLimitBytes: number,
  ) {
    this.#policy = policy;
    this.#shared = shared;
    this.#priority = priority;
    this.#bufferLimitBytes = bufferLimitBytes;
    this.#remaining = policy.numRetries;
  }

  /** Keeps a piece of the body. False: it is too large to be sent again; nothing can be retried any more. */
  keep(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bufferLimitBytes) return false;
    const bytes = lastingBytes(chunk);
    if (this.#pieces === undefined) this.#pieces = [bytes];
    else if (this.#pieces.length < MOST_PIECES) this.#pieces.push(bytes);
    else this.#pieces = [Buffer.concat([...this.#pieces, bytes])];
    return true;
  }

  keepTrailers(trailers: HeaderMap): void {
    this.#trailers = trailers;
  }

  /** Whether nothing but the head has to be sent again. */
  get isBodiless(): boolean {
    return this.#pieces === undefined && this.#trailers === undefined;
  }

  /** Sends again what came of the request after its head. */
  replay(upstream: UpstreamRequest, requestEnded: boolean): void {
    const pieces = this.#pieces;
    const trailers = this.#trailers;
    if (pieces !== undefined) {
      for (let i = 0; i < pieces.length; i++) {
        const isLast = requestEnded && trailers === undefined && i === pieces.length - 1;
        upstream.sendData(pieces[i] as Buffer, isLast);
      }
    }
    if (trailers !== undefined) upstream.sendTrailers(trailers);
  }

  /** The host for the next attempt: one that was not tried, when a few draws find one. */
  pickHost(
    cluster: Cluster,
    destination: AddressConfig | undefined,
    hash: Hash64 | undefined,
  ): Host | undefined {
    let host = cluster.pickHost(destination, hash);
    if (!this.#policy.avoidPreviousHosts) return host;
    if (this.#firstHost === undefined) {
      this.#firstHost = host;
      return host;
    }
    const later = (this.#laterHosts ??= []);
    for (let draw = 1; draw <= this.#policy.hostSelectionRetryMaxAttempts; draw++) {
      if (host === undefined || (host !== this.#firstHost && !later.includes(host))) break;
      host = cluster.pickHost(destination, hash, draw);
    }
    if (host !== undefined) later.push(host);
    return host;
  }

  onResponse(head: ResponseHead, cluster: Cluster): RetryVerdict {
    const wanted = wouldRetryResponse(this.#policy, head);
    const limited = this.#policy.rateLimitedBackOff;
    if (wanted && limited !== undefined) {
      const nowMs = this.#shared.clock.nowMs();
      this.#resetMs = resetIntervalMs(limited.resetHeaders, limited.maxMs, head.headers, nowMs) ?? 0;
    }
    return this.#decide(wanted, cluster);
  }

  /** `requestStarted`: bytes of the request were handed to an upstream, in this attempt or before. */
  onFailure(failure: AttemptFailure, requestStarted: boolean, cluster: Cluster): RetryVerdict {
    return this.#decide(this.wants(failure, requestStarted), cluster);
  }

  /** Whether the policy asks for another attempt after that. */
  wants(failure: AttemptFailure, requestStarted: boolean): boolean {
    return wouldRetryFailure(this.#policy.conditions, failure, requestStarted);
  }

  /** Calls back when the back-off is over. Only after `Yes`. */
  wait(cluster: Cluster, callback: () => void): void {
    const { clock, random } = this.#shared;
    const { stats } = cluster;
    const { backOffBaseMs: baseMs, backOffMaxMs: maxMs } = this.#policy;
    let delayMs = this.#resetMs;
    const isAsked = delayMs > 0;
    if (isAsked) {
      this.#resetMs = 0;
      // Somewhat later than asked, so that those who were turned away together do not come back together.
      delayMs += (random() * delayMs) / 2;
    } else {
      delayMs = (this.#backoff ??= new Backoff({ baseMs, maxMs, random })).nextDelayMs();
    }
    this.#timer = clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      stats.rqRetry.inc();
      if (isAsked) stats.rqRetryBackoffRatelimited.inc();
      else stats.rqRetryBackoffExponential.inc();
      callback();
    });
  }

  /** Nothing is retried any more: gives back what it holds. */
  release(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#slot?.dec();
    this.#slot = undefined;
    this.#pieces = undefined;
  }

  #decide(wanted: boolean, cluster: Cluster): RetryVerdict {
    const { stats } = cluster;
    if (this.#slot !== undefined) {
      this.#slot.dec();
      this.#slot = undefined;
      if (!wanted) stats.rqRetrySuccess.inc();
    }
    if (!wanted) return RetryVerdict.No;
    if (this.#remaining === 0) {
      stats.rqRetryLimitExceeded.inc();
      return RetryVerdict.LimitExceeded;
    }
    this.#remaining--;
    const { retries } = cluster.resources[this.#priority];
    if (!retries.canCreate()) {
      stats.rqRetryOverflow.inc();
      return RetryVerdict.Overflow;
    }
    retries.inc();
    this.#slot = retries;
    return RetryVerdict.Yes;
  }
}
