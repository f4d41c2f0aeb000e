import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { adsService, discoveryMethods, typeUrls, type envoy } from '@heddle/xds-protos';
import type { RecordedResources } from './recording.js';

type SotwRequest = envoy.service.discovery.v3.DiscoveryRequest;
type DeltaRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;
type Call = ServerDuplexStream<SotwRequest | DeltaRequest, object>;

/** What one stream has of one type. */
interface Subscription {
  readonly call: Call;
  readonly delta: boolean;
  /** Empty: everything. */
  readonly names: Set<string>;
  readonly sent: Set<string>;
}

const SEPARATE = [
  typeUrls.listener,
  typeUrls.cluster,
  typeUrls.clusterLoadAssignment,
  typeUrls.routeConfiguration,
  typeUrls.scopedRouteConfiguration,
  typeUrls.secret,
  typeUrls.extensionConfig,
  typeUrls.runtime,
];
/** Make before break; all others follow. */
const FIRST: readonly string[] = [typeUrls.cluster, typeUrls.clusterLoadAssignment];

/** Sends recorded resources to a proxy that asks for them, on whatever kind of stream. */
export class RecordedPlane {
  readonly #server = new Server();
  readonly #subscriptions = new Map<string, Subscription>();
  /** By nonce: the type of what waits for a word. */
  readonly #unsettled = new Map<string, string>();
  readonly nacks: string[] = [];
  #resources: RecordedResources = new Map();
  #version = '';
  #nonce = 0;

  constructor() {
    this.#server.addService(adsService, {
      StreamAggregatedResources: (call: Call) => this.#serve(call, false),
      DeltaAggregatedResources: (call: Call) => this.#serve(call, true),
    });
    for (const typeUrl of SEPARATE) {
      const methods = discoveryMethods(typeUrl);
      if (methods === undefined) continue;
      this.#server.addService(
        { sotw: methods.sotw, delta: methods.delta },
        {
          sotw: (call: Call) => this.#serve(call, false),
          delta: (call: Call) => this.#serve(call, true),
        },
      );
    }
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
  }

  /** These are in force from now on; what is subscribed is sent. */
  use(version: string, resources: RecordedResources): void {
    this.#version = version;
    this.#resources = resources;
    const types = [...FIRST, ...[...this.#subscriptions.keys()].filter((one) => !FIRST.includes(one))];
    for (const typeUrl of types) {
      const subscription = this.#subscriptions.get(typeUrl);
      if (subscription !== undefined) this.#send(typeUrl, subscription, [...subscription.sent]);
    }
  }

  /** Types that are asked for, all of whose answers were acknowledged. */
  get settled(): readonly string[] {
    const unsettled = new Set(this.#unsettled.values());
    return [...this.#subscriptions.keys()].filter((typeUrl) => !unsettled.has(typeUrl));
  }

  #serve(call: Call, delta: boolean): void {
    call.on('data', (request: SotwRequest | DeltaRequest) => this.#onRequest(call, delta, request));
    call.on('end', () => call.end());
    // The proxy goes when the test ends.
    call.on('error', () => undefined);
  }

  #onRequest(call: Call, delta: boolean, request: SotwRequest | DeltaRequest): void {
    const { typeUrl, responseNonce, errorDetail } = request;
    this.#unsettled.delete(responseNonce);
    if (errorDetail !== null) this.nacks.push(`${typeUrl}: ${errorDetail.message}`);
    let subscription = this.#subscriptions.get(typeUrl);
    const isNew = subscription?.call !== call;
    if (subscription === undefined || isNew) {
      subscription = { call, delta, names: new Set(), sent: new Set() };
      this.#subscriptions.set(typeUrl, subscription);
    }
    const { names } = subscription;
    const asked = 'resourceNames' in request ? request.resourceNames : request.resourceNamesSubscribe;
    const added = asked.filter((name) => !names.has(name));
    for (const name of added) names.add(name);
    if ('resourceNames' in request) {
      for (const name of names) if (!asked.includes(name)) names.delete(name);
    } else for (const name of request.resourceNamesUnsubscribe) names.delete(name);
    if (isNew || added.length > 0) this.#send(typeUrl, subscription, added);
  }

  #send(typeUrl: string, { call, delta, names, sent }: Subscription, wanted: readonly string[]): void {
    const ofType = this.#resources.get(typeUrl) ?? new Map<string, { typeUrl: string; value: Uint8Array }>();
    const all = names.size === 0 ? [...ofType.keys()] : [...names];
    const chosen = delta && names.size > 0 ? wanted : all;
    const found = chosen.filter((name) => ofType.has(name));
    for (const name of found) sent.add(name);
    const nonce = String(++this.#nonce);
    this.#unsettled.set(nonce, typeUrl);
    if (delta) {
      const resources = found.map((name) => ({ name, version: this.#version, resource: ofType.get(name) }));
      const removedResources = chosen.filter((name) => !ofType.has(name));
      call.write({ typeUrl, nonce, systemVersionInfo: this.#version, resources, removedResources });
    } else {
      const resources = found.map((name) => ofType.get(name));
      call.write({ typeUrl, nonce, versionInfo: this.#version, resources });
    }
  }
}
