import { constants } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { describeError, isMeshError, type Clock, type Logger } from '@heddle/common';
import {
  INJECT_PATH,
  MAX_REVIEW_BYTES,
  answerReview,
  parseAdmissionReview,
  type InjectorConfig,
  type ReviewAnswer,
} from '@heddle/injector';
import { Histogram } from 'prom-client';
import { listen } from '../listen.js';

export interface InjectionWebhookOptions {
  /** How pods are injected, asked for every review. */
  readonly config: () => InjectorConfig;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default 8 MiB: the API server takes no larger objects than 3 MiB. */
  readonly maxReviewBytes?: number;
  /** Of all reviews that are being received; above it they are answered 503. Default 64 MiB. */
  readonly maxHeldBytes?: number;
  /** Default 1000. */
  readonly maxConnections?: number;
}

/** What the webhook counts, since the start. */
export interface InjectionWebhookCounts {
  readonly requests: number;
  readonly injected: number;
  /** Pods that cannot be injected as they are. */
  readonly refused: number;
  /** Pods that are not to be injected, by why; `other` is what is no creation of a pod. */
  readonly skipped: ReadonlyMap<string, number>;
  /** Calls that were not answered with a review, by their status. */
  readonly failures: ReadonlyMap<string, number>;
  readonly handshakeFailures: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The API server waits for 30 s at most. */
const REQUEST_TIMEOUT_MS = 30_000;
const HANDSHAKE_TIMEOUT_MS = 5_000;
/** Longer than the 90 s of the API server: whoever closes an idle connection first never loses a question by it. */
const KEEP_ALIVE_MS = 120_000;
const READY_PATH = '/ready';

/**
 * Answers the API server's questions about new pods, over TLS.
 *
 * Who asks is not checked, as in Istio: an answer says nothing but how a pod given would be injected.
 */
export class InjectionWebhook {
  /** How long answers took. */
  readonly durations: Histogram = new Histogram({
    name: 'heddled_injection_duration_seconds',
    help: 'How long the webhook took for an answer, once it had the whole question.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
    registers: [],
  });
  readonly #options: InjectionWebhookOptions;
  readonly #server: Server;
  readonly #skipped = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  #requests = 0;
  #injected = 0;
  #refused = 0;
  #heldBytes = 0;
  #handshakeFailures = 0;

  constructor(options: InjectionWebhookOptions) {
    this.#options = options;
    this.#server = createServer(
      {
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        headersTimeout: 10_000,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = options.maxConnections ?? 1_000;
    this.#server.on('tlsClientError', (error, socket) => {
      this.#handshakeFailures++;
      options.log.debug('handshake failed', { error: error.message });
      // Node leaves a socket open whose handshake took too long.
      socket.destroy();
    });
  }

  get counts(): InjectionWebhookCounts {
    return {
      requests: this.#requests,
      injected: this.#injected,
      refused: this.#refused,
      skipped: this.#skipped,
      failures: this.#failures,
      handshakeFailures: this.#handshakeFailures,
    };
  }

  /** Serves with heddled's key and certificate. Resolves with the port. Errors: it is taken. */
  listen(host: string, port: number, context: SecureContextOptions): Promise<number> {
    this.replaceContext(context);
    return listen(this.#server, host, port, this.#options.log);
  }

  /** Every later handshake uses these; connections that stand go on. */
  replaceContext(context: SecureContextOptions): void {
    this.#server.setSecureContext(tlsOptions(context));
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answer(request);
    } catch (cause) {
      if (request.destroyed && !request.complete) return; // who asked has gone
      this.#options.log.error('injection failed', { error: describeError(cause) });
      // The API server does with the pod what the failurePolicy says.
      answer = problem(500, 'internal error; the log of heddled says more');
    }
    if (answer.status >= 400) count(this.#failures, String(answer.status));
    response.writeHead(answer.status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(answer.body),
      ...answer.headers,
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { method = '', url = '' } = request;
    const path = url.split('?', 1)[0];
    if (path === READY_PATH) {
      return method === 'GET' || method === 'HEAD'
        ? { status: 200, body: '{"ready":true}\n' }
        : wrongMethod('GET');
    }
    if (path !== INJECT_PATH)
      return problem(404, `there is nothing here but ${INJECT_PATH} and ${READY_PATH}`);
    if (method !== 'POST') return wrongMethod('POST');
    this.#requests++;
    const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = request.headers;
    if (!/^application\/json\s*(;|$)/i.test(type)) {
      return problem(415, `Content-Type ${quote(type)} is not understood: expected application/json`);
    }
    if (encoding !== 'identity') return problem(415, `Content-Encoding ${quote(encoding)} is not understood`);
    const body = await this.#read(request);
    return Buffer.isBuffer(body) ? this.#review(body) : body;
  }

  #review(body: Buffer): Answer {
    const { clock, config } = this.#options;
    if (body.length === 0) return problem(400, 'the body is empty: expected an AdmissionReview');
    const startedMs = clock.monotonicMs();
    try {
      const answer = answerReview(parseAdmissionReview(body), config());
      this.#note(answer);
      return { status: 200, body: JSON.stringify(answer.review) };
    } catch (cause) {
      if (!isMeshError(cause)) throw cause;
      this.#options.log.debug('review refused', { error: describeError(cause) });
      return problem(400, describeError(cause));
    } finally {
      this.durations.observe((clock.monotonicMs() - startedMs) / 1000);
    }
  }

  #note({ outcome, detail, pod }: ReviewAnswer): void {
    const { log } = this.#options;
    if (outcome === 'injected') {
      this.#injected++;
      log.debug('pod injected', { pod });
    } else if (outcome === 'refused') {
      this.#refused++;
      log.warn('pod refused', { pod, reason: detail });
    } else {
      count(this.#skipped, outcome);
      log.info('pod not injected', { pod, outcome, reason: detail });
    }
  }

  /** The body, or why it was not kept: then the rest is read to its end, so that who sends it gets the answer. */
  async #read(request: IncomingMessage): Promise<Buffer | Answer> {
    const { maxReviewBytes = MAX_REVIEW_BYTES, maxHeldBytes = 64 * 1024 * 1024 } = this.#options;
    let chunks: Buffer[] = [];
    let heldBytes = 0;
    let refusal: Answer | undefined;
    const release = (): void => {
      this.#heldBytes -= heldBytes;
      heldBytes = 0;
      chunks = [];
    };
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        if (refusal !== undefined) continue;
        chunks.push(chunk);
        heldBytes += chunk.length;
        this.#heldBytes += chunk.length;
        if (heldBytes > maxReviewBytes)
          refusal = problem(413, `the body is larger than ${maxReviewBytes} bytes`);
        else if (this.#heldBytes > maxHeldBytes)
          refusal = problem(503, 'too much is being received at a time');
        if (refusal !== undefined) release();
      }
      return refusal ?? Buffer.concat(chunks);
    } finally {
      release();
    }
  }
}

function tlsOptions(context: SecureContextOptions): SecureContextOptions {
  return { ...context, minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET };
}

function problem(status: number, message: string): Answer {
  return { status, body: `${JSON.stringify({ error: message })}\n` };
}

function wrongMethod(allowed: string): Answer {
  return { ...problem(405, `use ${allowed}`), headers: { allow: allowed } };
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
