import { Client, status, type ClientDuplexStream, type StatusObject } from '@grpc/grpc-js';
import { Backoff, type Clock, type Logger, type Random, type Timer } from '@heddle/common';
import { sdsService, typeUrls, type envoy } from '@heddle/xds-protos';
import { ROOTS_SECRET, rootsOfSecret } from '../sds/served-secret.js';
import type { ChannelSecurity } from './channel-security.js';

type Response = envoy.service.discovery.v3.DiscoveryResponse;
type TrustCall = ClientDuplexStream<envoy.service.discovery.v3.IDiscoveryRequest, Response>;

export interface TrustStreamOptions {
  /** A gRPC target. */
  readonly address: string;
  /** Named in the log of heddled, and by it in what it tells of a root rotation. */
  readonly nodeId: string;
  /** Asked for each connection. Errors: throws where there is nothing to prove who we are with. */
  readonly security: () => ChannelSecurity;
  /** New roots, PEM. Errors: throws where they are refused. */
  readonly onRoots: (pem: string) => void;
  /** The server does not take what we prove who we are with. */
  readonly onUnauthenticated: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 512 * 1024;
/** How long a server may take to hear a goodbye. */
const GOODBYE_MS = 1_000;
/** A stream that lasted counts as one that worked. */
const WORKED_MS = 30_000;

/**
 * Hears of the roots of the mesh from heddled as they change: SDS, the secret `ROOTCA`.
 *
 * An authority of another kind does not serve this; then the roots come with each certificate only.
 */
export class TrustStream {
  readonly #options: TrustStreamOptions;
  readonly #backoff: Backoff;
  #client: Client | undefined;
  #call: TrustCall | undefined;
  #retry: Timer | undefined;
  #connected = false;
  #openedAtMs = 0;

  constructor(options: TrustStreamOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ baseMs: 500, maxMs: 30_000, minMs: 20, random: options.random });
  }

  /** Whether heddled has answered on the stream that is open. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Connects, anew where a stream is open: what proves who we are has changed. */
  open(): void {
    this.#end();
    const { address, nodeId, security, clock } = this.#options;
    this.#openedAtMs = clock.monotonicMs();
    let call: TrustCall;
    try {
      const { credentials, metadata, options } = security();
      this.#client = new Client(address, credentials, {
        ...options,
        'grpc.keepalive_time_ms': KEEPALIVE_MS,
        'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
        'grpc.keepalive_permit_without_calls': 1,
        'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
      });
      const { path, requestSerialize, responseDeserialize } = sdsService.StreamSecrets;
      call = this.#client.makeBidiStreamRequest(
        path,
        requestSerialize as (message: envoy.service.discovery.v3.IDiscoveryRequest) => Buffer,
        responseDeserialize,
        metadata,
        {},
      );
    } catch (error) {
      this.#onEnd(status.UNKNOWN, String(error));
      return;
    }
    this.#call = call;
    call.on('data', (response: Response) => {
      if (this.#call === call) this.#onResponse(call, response);
    });
    // It tells nothing that the status does not.
    call.on('error', () => undefined);
    call.on('status', ({ code, details }: StatusObject) => {
      if (this.#call === call) this.#onEnd(code, details);
    });
    call.write({ node: { id: nodeId }, typeUrl: typeUrls.secret, resourceNames: [ROOTS_SECRET] });
  }

  /** Says goodbye, so that nobody is expected back here; resolves when it was heard or cannot be. Until `open` is called again. */
  close(): Promise<void> {
    const call = this.#call;
    const client = this.#client;
    if (call === undefined || !this.#connected) {
      this.#end();
      return Promise.resolve();
    }
    this.#call = undefined;
    this.#client = undefined;
    this.#end();
    return new Promise((resolve) => {
      const late = this.#options.clock.setTimer(GOODBYE_MS, () => call.cancel());
      call.once('status', () => {
        late.cancel();
        client?.close();
        resolve();
      });
      // Whoever asks for nothing any more has not just lost its connection.
      call.write({ typeUrl: typeUrls.secret, resourceNames: [] });
      call.end();
    });
  }

  #onResponse(call: TrustCall, response: Response): void {
    this.#connected = true;
    this.#backoff.reset();
    const { nonce, versionInfo } = response;
    const answer = { responseNonce: nonce, typeUrl: typeUrls.secret, resourceNames: [ROOTS_SECRET] };
    try {
      for (const { value } of response.resources) {
        const pem = rootsOfSecret(value);
        if (pem === undefined) throw new Error(`the secret ${ROOTS_SECRET} holds no roots`);
        this.#options.onRoots(pem);
      }
      call.write({ ...answer, versionInfo });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log.warn('new roots refused', { error: message });
      call.write({ ...answer, errorDetail: { code: status.INVALID_ARGUMENT, message } });
    }
  }

  #onEnd(code: number, details: string): void {
    const { clock, log, onUnauthenticated } = this.#options;
    this.#end();
    if (code === (status.UNIMPLEMENTED as number)) {
      log.info('the authority does not tell of new roots: they come with certificates', {});
      return;
    }
    if (code === (status.UNAUTHENTICATED as number)) onUnauthenticated();
    if (clock.monotonicMs() - this.#openedAtMs > WORKED_MS) this.#backoff.reset();
    const delayMs = this.#backoff.nextDelayMs();
    log.info('no word of new roots for now', {
      reason: `${status[code] ?? code} ${details}`.trimEnd().slice(0, 500),
      retryInMs: Math.round(delayMs),
    });
    this.#retry = clock.setTimer(delayMs, () => this.open());
  }

  #end(): void {
    this.#connected = false;
    this.#retry?.cancel();
    this.#retry = undefined;
    const call = this.#call;
    this.#call = undefined;
    call?.cancel();
    this.#client?.close();
    this.#client = undefined;
  }
}
