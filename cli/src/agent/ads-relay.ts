import {
  Client,
  status,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientDuplexStream,
  type Metadata,
  type Server,
  type ServerDuplexStream,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Logger } from '@heddle/common';
import { adsService } from '@heddle/xds-protos';

export interface AdsRelayOptions {
  /** Where heddled is: a gRPC target. */
  readonly address: string;
  /** Asked for each stream, so that it follows every change of certificates. Errors: throws where there is nothing to show. */
  readonly security: () => {
    readonly credentials: ChannelCredentials;
    readonly metadata: Metadata;
    readonly options: ChannelOptions;
  };
  /** heddled does not take what it was shown. */
  readonly onUnauthenticated: () => void;
  readonly log: Logger;
  /** Streams above this are refused. Default 16: a proxy has one. */
  readonly maxStreams?: number;
}

type Downstream = ServerDuplexStream<Buffer, Buffer>;
type Upstream = ClientDuplexStream<Buffer, Buffer>;

const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
const KEEPALIVE_MS = 30_000;

/**
 * Passes discovery streams of a proxy beside it on to heddled, with the agent's identity: the proxy needs no certificate and
 * no token to be configured. Messages are not looked into.
 */
export class AdsRelay {
  readonly #options: AdsRelayOptions;
  #streams = 0;

  constructor(options: AdsRelayOptions) {
    this.#options = options;
  }

  /** Adds the service to a gRPC server. */
  register(server: Server): void {
    server.addService(PASSED_ON, {
      StreamAggregatedResources: (call: Downstream) =>
        this.#relay(call, adsService.StreamAggregatedResources.path),
      DeltaAggregatedResources: (call: Downstream) =>
        this.#relay(call, adsService.DeltaAggregatedResources.path),
    });
  }

  #relay(downstream: Downstream, path: string): void {
    const { maxStreams = 16, log } = this.#options;
    if (this.#streams >= maxStreams) {
      downstream.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'too many streams are open' });
      return;
    }
    let opened: { readonly client: Client; readonly upstream: Upstream };
    try {
      opened = this.#open(path);
    } catch (error) {
      const details = error instanceof Error ? error.message : String(error);
      downstream.emit('error', { code: status.UNAVAILABLE, details });
      return;
    }
    const { client, upstream } = opened;
    this.#streams++;
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      this.#streams--;
      upstream.cancel();
      client.close();
    };
    downstream.on('data', (message: Buffer) => {
      if (!isOver && !upstream.write(message)) downstream.pause();
    });
    upstream.on('drain', () => downstream.resume());
    upstream.on('data', (message: Buffer) => {
      if (!isOver && !downstream.write(message)) upstream.pause();
    });
    downstream.on('drain', () => upstream.resume());
    // The status, which follows, tells the same and its code.
    upstream.on('error', () => undefined);
    upstream.on('status', ({ code, details }: StatusObject) => {
      if (isOver) return;
      log.info('discovery stream ended', { code: status[code], details: details.slice(0, 500) });
      if (code === status.UNAUTHENTICATED) this.#options.onUnauthenticated();
      end();
      if (code === status.OK) downstream.end();
      else downstream.emit('error', { code, details });
    });
    downstream.on('end', () => {
      end();
      downstream.end();
    });
    for (const event of ['error', 'close', 'cancelled']) downstream.on(event, end);
  }

  #open(path: string): { readonly client: Client; readonly upstream: Upstream } {
    const { address, security } = this.#options;
    const { credentials, metadata, options } = security();
    const client = new Client(address, credentials, {
      ...options,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
      'grpc.max_send_message_length': MAX_REQUEST_BYTES,
    });
    return { client, upstream: client.makeBidiStreamRequest(path, asItIs, asItIs, metadata, {}) };
  }
}

const asItIs = (bytes: Buffer): Buffer => bytes;

/** The service of aggregated discovery, its messages as bytes. */
const PASSED_ON = Object.fromEntries(
  Object.entries(adsService).map(([name, method]) => [
    name,
    {
      ...method,
      requestSerialize: asItIs,
      requestDeserialize: asItIs,
      responseSerialize: asItIs,
      responseDeserialize: asItIs,
    },
  ]),
);
