import {
  Client,
  Metadata,
  credentials,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { adsService, typeUrls, type envoy, type google } from '@heddle/xds-protos';

type Variant = 'sotw' | 'delta';
type Request = object;
interface AnyResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly versionInfo?: string;
  readonly resources: readonly {
    readonly name?: string;
    readonly version?: string;
    readonly value?: Uint8Array;
    readonly resource?: google.protobuf.IAny | null;
  }[];
  readonly removedResources?: readonly string[];
}

/** What an answer told. */
export interface ReceivedAnswer {
  readonly typeUrl: string;
  /** By name: the version, in the incremental variant. */
  readonly resources: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
  readonly version: string;
}

/**
 * A proxy on a real gRPC stream that asks for everything as a sidecar does: clusters and listeners, then the endpoints
 * and routes that these name. It acknowledges what it gets, unless told not to read.
 */
export class AdsClient {
  readonly answers: ReceivedAnswer[] = [];
  /** What is held, by type: names and versions. */
  readonly held = new Map<string, Map<string, string>>();
  /** Ends with the reason why the server ended the stream. */
  readonly ended: Promise<ServiceError>;
  readonly #variant: Variant;
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Request, AnyResponse>;
  readonly #asked = new Map<string, Set<string>>();
  readonly #versions = new Map<string, string>();
  #waiting: { readonly check: () => boolean; readonly resolve: () => void }[] = [];

  /** Without TLS and without a proof of who it is, unless given. */
  constructor(
    port: number | `unix:${string}`,
    variant: Variant,
    options: { readonly credentials?: ChannelCredentials; readonly metadata?: Metadata } = {},
  ) {
    this.#variant = variant;
    this.#client = new Client(
      typeof port === 'string' ? port : `127.0.0.1:${port}`,
      options.credentials ?? credentials.createInsecure(),
      {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.max_receive_message_length': -1,
        // An address is no server name of TLS, which newer Nodes insist on.
        'grpc.ssl_target_name_override': 'localhost',
      },
    );
    const method =
      variant === 'sotw' ? adsService.StreamAggregatedResources : adsService.DeltaAggregatedResources;
    this.#stream = this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize as (value: Request) => Buffer,
      method.responseDeserialize as unknown as (bytes: Buffer) => AnyResponse,
      options.metadata ?? new Metadata(),
      {},
    );
    this.ended = new Promise((resolve) => this.#stream.on('error', resolve));
    this.#stream.on('data', (response) => this.#onAnswer(response));
  }

  /** Asks for everything, with what an earlier client held. */
  start(node: envoy.config.core.v3.INode, earlier?: AdsClient): void {
    const types =
      earlier === undefined
        ? [typeUrls.cluster, typeUrls.listener]
        : [typeUrls.cluster, typeUrls.clusterLoadAssignment, typeUrls.listener, typeUrls.routeConfiguration];
    for (const typeUrl of types) {
      const names = [...(earlier?.held.get(typeUrl)?.keys() ?? [])];
      const isNamed = typeUrl === typeUrls.clusterLoadAssignment || typeUrl === typeUrls.routeConfiguration;
      if (isNamed) this.#asked.set(typeUrl, new Set(names));
      const initialResourceVersions = Object.fromEntries(earlier?.held.get(typeUrl) ?? []);
      this.held.set(typeUrl, new Map(earlier?.held.get(typeUrl)));
      const asked = isNamed ? names : [];
      this.send(
        this.#variant === 'delta'
          ? { node, typeUrl, resourceNamesSubscribe: asked, initialResourceVersions }
          : {
              node,
              typeUrl,
              resourceNames: asked,
              versionInfo: earlier === undefined ? '' : (earlier.#versions.get(typeUrl) ?? ''),
            },
      );
    }
  }

  /** Asks for some resources of a further type. */
  subscribe(typeUrl: string, names: readonly string[]): void {
    this.#asked.set(typeUrl, new Set(names));
    this.send(
      this.#variant === 'delta'
        ? { typeUrl, resourceNamesSubscribe: names }
        : { typeUrl, resourceNames: names },
    );
  }

  send(request: Request): void {
    this.#stream.write(request);
  }

  /** Reads nothing from now on. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Resolves once `check` holds; looked at with each answer. */
  until(check: () => boolean): Promise<void> {
    if (check()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ check, resolve }));
  }

  has(typeUrl: string, name: string): boolean {
    return this.held.get(typeUrl)?.has(name) === true;
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #onAnswer(response: AnyResponse): void {
    const { typeUrl, nonce } = response;
    const resources = new Map<string, string>();
    for (const entry of response.resources) {
      const value = (this.#variant === 'delta' ? entry.resource?.value : entry.value) ?? new Uint8Array();
      // The name is the first field of all these messages.
      const name = this.#variant === 'delta' ? (entry.name ?? '') : nameOf(value);
      resources.set(name, entry.version ?? '');
    }
    const removed = response.removedResources ?? [];
    const version = response.versionInfo ?? '';
    this.answers.push({ typeUrl, resources, removed, version });
    this.#versions.set(typeUrl, version);
    const held = this.held.get(typeUrl) ?? new Map<string, string>();
    this.held.set(typeUrl, held);
    if (this.#variant === 'sotw' && (typeUrl === typeUrls.cluster || typeUrl === typeUrls.listener))
      held.clear();
    for (const [name, held_] of resources) held.set(name, held_);
    for (const name of removed) held.delete(name);
    const names = [...(this.#asked.get(typeUrl) ?? [])];
    this.send(
      this.#variant === 'delta'
        ? { typeUrl, responseNonce: nonce }
        : { typeUrl, responseNonce: nonce, versionInfo: version, resourceNames: names },
    );
    if (typeUrl === typeUrls.cluster) this.#ask(typeUrls.clusterLoadAssignment, held);
    this.#waiting = this.#waiting.filter(({ check, resolve }) => {
      if (!check()) return true;
      resolve();
      return false;
    });
  }

  #ask(typeUrl: string, wanted: ReadonlyMap<string, string>): void {
    const asked = this.#asked.get(typeUrl) ?? new Set<string>();
    const names = [...wanted.keys()].filter((name) => name.startsWith('outbound|'));
    const added = names.filter((name) => !asked.has(name));
    if (added.length === 0) return;
    this.#asked.set(typeUrl, new Set(names));
    this.send(
      this.#variant === 'delta'
        ? { typeUrl, resourceNamesSubscribe: added }
        : { typeUrl, resourceNames: names },
    );
  }
}

/** The text of field 1, with which each of these messages begins. */
function nameOf(value: Uint8Array): string {
  const [tag, low = 0, high = 0] = value;
  if (tag !== 0x0a) throw new Error('a resource without a name');
  const isLong = low >= 0x80;
  const start = isLong ? 3 : 2;
  const length = isLong ? (low & 0x7f) | (high << 7) : low;
  return Buffer.from(value.subarray(start, start + length)).toString();
}

/** The node of a sidecar whose application calls services by Host through one port. */
export function sidecarNode(name: string): envoy.config.core.v3.INode {
  return {
    id: `sidecar~127.0.0.1~${name}.default~local`,
    cluster: name,
    metadata: {
      fields: {
        INTERCEPTION_MODE: { stringValue: 'NONE' },
        HEDDLE_EXPLICIT: { structValue: { fields: { httpProxy: { numberValue: 15_080 } } } },
        WORKLOAD_NAME: { stringValue: name },
      },
    },
  };
}
