import {
  Client,
  Server,
  ServerCredentials,
  credentials,
  type ClientDuplexStream,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import { adsService, envoy } from '@heddle/xds-protos';
import type { RecordedAnswer } from './recording.js';

const { DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse } =
  envoy.service.discovery.v3;

type Downstream = ServerDuplexStream<Buffer, Buffer>;
type Upstream = ClientDuplexStream<Buffer, Buffer>;

const MAX_BYTES = 64 * 1024 * 1024;

/** Stands between a proxy and a control plane, passes on every byte of their streams, and keeps what it saw. */
export class XdsRecorder {
  readonly #server = new Server();
  readonly #client: Client;
  readonly answers: RecordedAnswer[] = [];
  /** What the proxy refused. */
  readonly nacks: string[] = [];
  /** By nonce: the type of an answer that the proxy has not judged yet. */
  readonly #unsettled = new Map<string, string>();

  /** `port`: of the control plane, in plain text. */
  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': MAX_BYTES,
    });
    this.#server.addService(PASSED_ON, {
      StreamAggregatedResources: (call: Downstream) => this.#relay(call, false),
      DeltaAggregatedResources: (call: Downstream) => this.#relay(call, true),
    });
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }

  close(): void {
    this.#server.forceShutdown();
    this.#client.close();
  }

  /** Types of which the proxy has judged everything that it was sent. */
  get settled(): readonly string[] {
    const unsettled = new Set(this.#unsettled.values());
    const types = new Set(this.answers.map(({ typeUrl }) => typeUrl));
    return [...types].filter((typeUrl) => !unsettled.has(typeUrl));
  }

  #relay(downstream: Downstream, delta: boolean): void {
    const { path } = delta ? adsService.DeltaAggregatedResources : adsService.StreamAggregatedResources;
    const upstream: Upstream = this.#client.makeBidiStreamRequest(path, asItIs, asItIs);
    downstream.on('data', (bytes: Buffer) => {
      this.#noteRequest((delta ? DeltaDiscoveryRequest : DiscoveryRequest).decode(bytes));
      upstream.write(bytes);
    });
    upstream.on('data', (bytes: Buffer) => {
      this.#noteAnswer(bytes, delta);
      downstream.write(bytes);
    });
    const end = (): void => {
      upstream.cancel();
      downstream.end();
    };
    for (const event of ['error', 'end']) upstream.on(event, end);
    for (const event of ['error', 'end', 'cancelled']) downstream.on(event, end);
  }

  #noteRequest({ typeUrl, responseNonce, errorDetail }: NotedRequest): void {
    this.#unsettled.delete(responseNonce);
    if (errorDetail !== null) this.nacks.push(`${typeUrl}: ${errorDetail.message}`);
  }

  #noteAnswer(bytes: Buffer, delta: boolean): void {
    const answer = (delta ? DeltaDiscoveryResponse : DiscoveryResponse).decode(bytes);
    const version = 'systemVersionInfo' in answer ? answer.systemVersionInfo : answer.versionInfo;
    this.#unsettled.set(answer.nonce, answer.typeUrl);
    this.answers.push({ typeUrl: answer.typeUrl, version, bytes: bytes.toString('base64') });
  }
}

type NotedRequest = Pick<
  envoy.service.discovery.v3.DiscoveryRequest,
  'typeUrl' | 'responseNonce' | 'errorDetail'
>;

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
