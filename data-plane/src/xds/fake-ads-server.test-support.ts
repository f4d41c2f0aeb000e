import { adsService, sdsService, type envoy } from '@heddle/xds-protos';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import type { AdsVariant } from './ads-transport.js';

type SotwRequest = envoy.service.discovery.v3.DiscoveryRequest;
type DeltaRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;
type AnyRequest = SotwRequest | DeltaRequest;

/** One stream as a test drives it: requests are awaited, answers are sent. */
export class FakeAdsStream {
  readonly variant: AdsVariant;
  readonly #call: ServerDuplexStream<AnyRequest, object>;
  readonly #unread: AnyRequest[] = [];
  #waiting: ((request: AnyRequest) => void) | undefined;
  /** Every request that came, in order. */
  readonly requests: AnyRequest[] = [];

  constructor(variant: AdsVariant, call: ServerDuplexStream<AnyRequest, object>) {
    this.variant = variant;
    this.#call = call;
    call.on('data', (request: AnyRequest) => {
      this.requests.push(request);
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) this.#unread.push(request);
      else waiting(request);
    });
    call.on('end', () => call.end());
    call.on('error', () => undefined);
  }

  /** The next request that was not read yet. */
  next(): Promise<AnyRequest> {
    const unread = this.#unread.shift();
    if (unread !== undefined) return Promise.resolve(unread);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  async nextSotw(): Promise<SotwRequest> {
    return (await this.next()) as SotwRequest;
  }

  async nextDelta(): Promise<DeltaRequest> {
    return (await this.next()) as DeltaRequest;
  }

  sendSotw(response: envoy.service.discovery.v3.IDiscoveryResponse): void {
    this.#call.write(response);
  }

  sendDelta(response: envoy.service.discovery.v3.IDeltaDiscoveryResponse): void {
    this.#call.write(response);
  }

  /** Ends the stream from the server's side. */
  end(): void {
    this.#call.end();
  }
}

/** A control plane without a mind of its own, over grpc-js on a loopback port. */
export class FakeAdsServer {
  readonly #server: Server;
  readonly #unread: FakeAdsStream[] = [];
  #waiting: ((stream: FakeAdsStream) => void) | undefined;
  port = 0;

  private constructor() {
    this.#server = new Server();
    this.#server.addService(adsService, {
      StreamAggregatedResources: (call: ServerDuplexStream<AnyRequest, object>) => this.#accept('sotw', call),
      DeltaAggregatedResources: (call: ServerDuplexStream<AnyRequest, object>) => this.#accept('delta', call),
    });
    this.#server.addService(sdsService, {
      StreamSecrets: (call: ServerDuplexStream<AnyRequest, object>) => this.#accept('sotw', call),
      DeltaSecrets: (call: ServerDuplexStream<AnyRequest, object>) => this.#accept('delta', call),
    });
  }

  static async start(port = 0, address = `127.0.0.1:${port}`): Promise<FakeAdsServer> {
    const fake = new FakeAdsServer();
    fake.port = await new Promise<number>((resolve, reject) => {
      fake.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return fake;
  }

  /** The next stream that a client opened. */
  nextStream(): Promise<FakeAdsStream> {
    const unread = this.#unread.shift();
    if (unread !== undefined) return Promise.resolve(unread);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #accept(variant: AdsVariant, call: ServerDuplexStream<AnyRequest, object>): void {
    const stream = new FakeAdsStream(variant, call);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#unread.push(stream);
    else waiting(stream);
  }
}
