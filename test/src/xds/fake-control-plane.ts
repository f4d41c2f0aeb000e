import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { adsService, packAny, typeUrls, type envoy, type PackedAny } from '@heddle/xds-protos';

type SotwRequest = envoy.service.discovery.v3.DiscoveryRequest;
type DeltaRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;
type Variant = 'sotw' | 'delta';

/** What a proxy said to one answer. */
export interface Acknowledgement {
  /** undefined: accepted. */
  readonly nack: string | undefined;
}

interface Subscription {
  /** Empty: everything. */
  names: Set<string>;
}

/**
 * A control plane that sends what a test wants, however broken: the named resources of one type at a time, and tells
 * what the proxy made of that very answer. One proxy at a time.
 */
export class FakeControlPlane {
  readonly #variant: Variant;
  readonly #server = new Server();
  readonly #resources = new Map<string, Map<string, PackedAny>>();
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #waiting = new Map<string, (answer: Acknowledgement) => void>();
  /** What each request subscribed, in the incremental variant. */
  readonly asked: { readonly typeUrl: string; readonly names: readonly string[] }[] = [];
  /** Names that are never answered, in the incremental variant. */
  readonly silentAbout = new Set<string>();
  #call: ServerDuplexStream<SotwRequest | DeltaRequest, object> | undefined;
  #nonce = 0;

  constructor(variant: Variant) {
    this.#variant = variant;
    this.#server.addService(adsService, {
      StreamAggregatedResources: (call: ServerDuplexStream<SotwRequest, object>) =>
        this.#serve(call, (request) => this.#onSotw(request as SotwRequest)),
      DeltaAggregatedResources: (call: ServerDuplexStream<DeltaRequest, object>) =>
        this.#serve(call, (request) => this.#onDelta(request as DeltaRequest)),
    });
  }

  async listen(port = 0): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
  }

  close(): void {
    this.#server.forceShutdown();
  }

  /** Whether the proxy has asked for this type. */
  isSubscribed(typeUrl: string, name?: string): boolean {
    const names = this.#subscriptions.get(typeUrl)?.names;
    return names !== undefined && (name === undefined || names.has(name));
  }

  /** Keeps resources to be sent when they are asked for. */
  set(typeUrl: string, name: string, resource: object): void {
    const ofType = this.#resources.get(typeUrl) ?? new Map<string, PackedAny>();
    this.#resources.set(typeUrl, ofType);
    ofType.set(name, packAny(typeUrl, resource));
  }

  delete(typeUrl: string, name: string): void {
    this.#resources.get(typeUrl)?.delete(name);
  }

  /** Says, in the incremental variant, that these are gone. */
  remove(typeUrl: string, names: readonly string[]): void {
    for (const name of names) this.delete(typeUrl, name);
    const nonce = String(++this.#nonce);
    this.#call?.write({ typeUrl, nonce, systemVersionInfo: nonce, removedResources: names });
  }

  /**
   * Sends one answer, and resolves with what the proxy said to it: in the incremental variant these names alone, in the
   * other one everything of the type, as there.
   */
  push(typeUrl: string, names: readonly string[]): Promise<Acknowledgement> {
    const nonce = this.#send(typeUrl, names);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no word about the answer with ${names.join()}`)),
        10_000,
      );
      this.#waiting.set(nonce, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
  }

  #serve(
    call: ServerDuplexStream<SotwRequest | DeltaRequest, object>,
    onRequest: (request: SotwRequest | DeltaRequest) => void,
  ): void {
    this.#call = call;
    this.#subscriptions.clear();
    call.on('data', onRequest);
    call.on('end', () => call.end());
    // The proxy goes when the test ends.
    call.on('error', () => {});
  }

  #onSotw(request: SotwRequest): void {
    const { typeUrl } = request;
    const before = this.#subscriptions.get(typeUrl)?.names;
    const names = new Set(request.resourceNames);
    this.#subscriptions.set(typeUrl, { names });
    this.#settle(request.responseNonce, request.errorDetail?.message);
    const asksForMore = before === undefined || [...names].some((name) => !before.has(name));
    if (asksForMore) this.#send(typeUrl, []);
  }

  #onDelta(request: DeltaRequest): void {
    const { typeUrl } = request;
    const isFirst = !this.#subscriptions.has(typeUrl);
    const subscription = this.#subscriptions.get(typeUrl) ?? { names: new Set() };
    this.#subscriptions.set(typeUrl, subscription);
    for (const name of request.resourceNamesSubscribe) subscription.names.add(name);
    for (const name of request.resourceNamesUnsubscribe) subscription.names.delete(name);
    this.#settle(request.responseNonce, request.errorDetail?.message);
    const subscribed = request.resourceNamesSubscribe;
    if (subscribed.length > 0) this.asked.push({ typeUrl, names: subscribed });
    const asked = subscribed.filter((name) => name !== '*' && !this.silentAbout.has(name));
    if (asked.length === 0 && subscribed.some((name) => this.silentAbout.has(name))) return;
    const all = [...(this.#resources.get(typeUrl)?.keys() ?? [])];
    if (asked.length > 0) this.#send(typeUrl, asked);
    else if (isFirst) this.#send(typeUrl, all);
  }

  #settle(nonce: string, error: string | undefined): void {
    this.#waiting.get(nonce)?.({ nack: error });
    this.#waiting.delete(nonce);
  }

  #send(typeUrl: string, names: readonly string[]): string {
    const nonce = String(++this.#nonce);
    const ofType = this.#resources.get(typeUrl) ?? new Map<string, PackedAny>();
    if (this.#variant === 'sotw') {
      this.#call?.write({ typeUrl, nonce, versionInfo: nonce, resources: [...ofType.values()] });
      return nonce;
    }
    const resources = names.flatMap((name) => {
      const resource = ofType.get(name);
      return resource === undefined ? [] : [{ name, version: nonce, resource }];
    });
    const missing = names.filter((name) => !ofType.has(name));
    if (typeUrl === typeUrls.virtualHost) {
      // Of a domain that it does not know a server says so by a resource without content; a table alone is no resource.
      const unknown = missing.filter((name) => name.includes('/'));
      const empty = unknown.map((name) => ({ name, version: nonce, aliases: [name] }));
      this.#call?.write({ typeUrl, nonce, systemVersionInfo: nonce, resources: [...resources, ...empty] });
      return nonce;
    }
    this.#call?.write({ typeUrl, nonce, systemVersionInfo: nonce, resources, removedResources: missing });
    return nonce;
  }
}
