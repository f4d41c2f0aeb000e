import type * as grpcJs from '@grpc/grpc-js';
import type { ChannelCredentials, ChannelOptions, Client, ClientDuplexStream, Metadata } from '@grpc/grpc-js';
import { adsService, discoveryMethods } from '@heddle/xds-protos';
import type { AdsTarget } from '../bootstrap/bootstrap-config.js';
import type {
  AdsStream,
  AdsStreamCallbacks,
  AdsTransport,
  AdsVariant,
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from './ads-transport.js';
import { SeparateStreams } from './separate-streams.js';

type Grpc = typeof grpcJs;
type AdsCall = ClientDuplexStream<
  DiscoveryRequest | DeltaDiscoveryRequest,
  DiscoveryResponse | DeltaDiscoveryResponse
>;

/** How a channel proves who it is and checks the server. */
export interface TransportSecurity {
  readonly credentials: ChannelCredentials;
  /** Added to what is sent with each stream. */
  readonly metadata: Metadata;
  readonly options: ChannelOptions;
}

export interface GrpcTransportOptions {
  readonly target: AdsTarget;
  readonly metadata: readonly (readonly [name: string, value: string])[];
  /** Asked for each stream, so that it follows every change of certificates. Default: plain text. */
  readonly security?: (() => TransportSecurity) | undefined;
  /** The control plane does not take what we prove who we are with. */
  readonly onUnauthenticated?: (() => void) | undefined;
  /** Aggregated discovery, a stream for each type, or the type URL of the only one. Default `ads`. */
  readonly service?: string;
  /** Larger answers end the stream. Default 64 MiB. */
  readonly maxAnswerBytes?: number;
}

const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Streams over grpc-js, which is loaded now and not before: a static proxy never pays for it. */
export async function createGrpcTransport(options: GrpcTransportOptions): Promise<AdsTransport> {
  const grpc = await import('@grpc/grpc-js');
  const { service = 'ads' } = options;
  return {
    open: (variant, callbacks) =>
      service === 'separate'
        ? new SeparateStreams((typeUrl, one) => openStream(grpc, options, typeUrl, variant, one), callbacks)
        : openStream(grpc, options, service, variant, callbacks),
  };
}

function openStream(
  grpc: Grpc,
  options: GrpcTransportOptions,
  service: string,
  variant: AdsVariant,
  callbacks: AdsStreamCallbacks,
): AdsStream {
  let client: Client | undefined;
  let call: AdsCall | undefined;
  let over = false;
  const finish = (reason: string | undefined): void => {
    if (over) return;
    over = true;
    call?.cancel();
    client?.close();
    if (reason !== undefined) callbacks.onEnd(reason);
  };
  try {
    const { target } = options;
    const security = options.security?.();
    // A channel for each stream, in a pool of its own: pauses between attempts are the caller's alone.
    client = new grpc.Client(target.uri, security?.credentials ?? grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.max_receive_message_length': options.maxAnswerBytes ?? MAX_ANSWER_BYTES,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      ...(target.authority === '' ? {} : { 'grpc.default_authority': target.authority }),
      ...security?.options,
    });
    const metadata = security?.metadata.clone() ?? new grpc.Metadata();
    for (const [name, value] of options.metadata) metadata.add(name, value);
    const method = methodOf(service, variant);
    call = client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize as (message: DiscoveryRequest | DeltaDiscoveryRequest) => Buffer,
      method.responseDeserialize as (bytes: Buffer) => DiscoveryResponse | DeltaDiscoveryResponse,
      metadata,
      {},
    );
    call.on('data', (response: DiscoveryResponse | DeltaDiscoveryResponse) => {
      if (!over) callbacks.onResponse(response);
    });
    // The status, which follows, tells the same and its code.
    call.on('error', () => undefined);
    call.on('status', ({ code, details }: { code: number; details: string }) => {
      if (!over && code === grpc.status.UNAUTHENTICATED) options.onUnauthenticated?.();
      finish(`ended with status ${grpc.status[code] ?? code} ${details}`.trimEnd());
    });
    call.on('end', () => undefined);
  } catch (thrown) {
    // After the return, so that the caller knows its stream by then.
    queueMicrotask(() => finish(thrown instanceof Error ? thrown.message : String(thrown)));
  }
  return {
    send: (request) => void (over ? undefined : call?.write(request)),
    pause: (paused) => void (paused ? call?.pause() : call?.resume()),
    close: () => finish(undefined),
  };
}

function methodOf(service: string, variant: AdsVariant) {
  const ofType = discoveryMethods(service);
  if (ofType !== undefined) return ofType[variant];
  if (service !== 'ads') throw new Error(`${service} is served by aggregated streams only`);
  return variant === 'delta' ? adsService.DeltaAggregatedResources : adsService.StreamAggregatedResources;
}
