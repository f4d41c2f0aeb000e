import type { envoy } from '@heddle/xds-protos';
import type {
  AdsVariant,
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from './ads-transport.js';
import type { ResourceUpdate } from './resource-set.js';

/** What a type's session must know of the state that outlives it. */
export interface TypeState {
  readonly typeUrl: string;
  readonly fullSet: boolean;
  /** The names to subscribe to; undefined: all there are. */
  names(): readonly string[] | undefined;
  /** Delta: what is subscribed by name beside all there are. */
  demandedNames(): readonly string[];
  /** What is held, for `initial_resource_versions`. */
  versions(): Record<string, string>;
  /** The last version that was accepted as a whole; empty when it was not, or is not known. */
  readonly acceptedVersion: string;
  holdsAll(names: readonly string[]): boolean;
}

const INVALID_ARGUMENT = 3;

/** One type on one stream: what was subscribed, which nonce is the last, and the requests that follow from it. */
export class TypeSession {
  readonly #variant: AdsVariant;
  readonly #state: TypeState;
  readonly #subscribed = new Set<string>();
  #begun = false;
  #nonce = '';
  /** State of the world: the version that the next request acknowledges. */
  #version = '';

  constructor(variant: AdsVariant, state: TypeState) {
    this.#variant = variant;
    this.#state = state;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** The request that makes the subscription what it should be; undefined when it is so already. */
  subscribe(): DiscoveryRequest | DeltaDiscoveryRequest | undefined {
    const names = this.#names();
    if (!this.#begun) {
      if (names !== undefined && names.length === 0) return undefined;
      this.#begun = true;
      for (const name of names ?? []) this.#subscribed.add(name);
      if (this.#variant === 'delta') {
        return {
          typeUrl: this.#state.typeUrl,
          resourceNamesSubscribe: [...(names ?? [])],
          initialResourceVersions: this.#state.versions(),
        };
      }
      // A server may answer nothing to the version that it has, so it is told only where nothing is missing.
      if (this.#state.holdsAll(names ?? [])) this.#version = this.#state.acceptedVersion;
      return this.#sotwRequest();
    }
    if (names === undefined) return undefined;
    const wanted = new Set(names);
    const added = names.filter((name) => !this.#subscribed.has(name));
    const dropped = [...this.#subscribed].filter((name) => !wanted.has(name));
    if (added.length === 0 && dropped.length === 0) return undefined;
    for (const name of added) this.#subscribed.add(name);
    for (const name of dropped) this.#subscribed.delete(name);
    if (this.#variant === 'delta') {
      return {
        typeUrl: this.#state.typeUrl,
        resourceNamesSubscribe: added,
        resourceNamesUnsubscribe: dropped,
      };
    }
    return this.#sotwRequest();
  }

  /** Who asks for some by their names has to ask for all the others as well. Source: the xDS protocol's wildcard subscriptions. */
  #names(): readonly string[] | undefined {
    const names = this.#state.names();
    if (this.#variant === 'sotw') return names;
    const demanded = this.#state.demandedNames();
    if (names !== undefined) return demanded.length === 0 ? names : [...names, ...demanded];
    if (demanded.length === 0 && !this.#subscribed.has('*')) return undefined;
    return ['*', ...demanded];
  }

  /** Takes an answer in: from now on its nonce is the last. */
  receive(response: DiscoveryResponse | DeltaDiscoveryResponse): ResourceUpdate {
    this.#nonce = response.nonce;
    if ('removedResources' in response) {
      return {
        resources: response.resources.map((one) => ({
          name: one.name,
          version: one.version,
          typeUrl: one.resource?.typeUrl ?? '',
          bytes: one.resource?.value ?? new Uint8Array(0),
          aliases: one.aliases,
        })),
        removed: [...response.removedResources, ...response.removedResourceNames.map((one) => one.name)],
        complete: false,
      };
    }
    return {
      resources: response.resources.map((any) => ({
        name: undefined,
        version: response.versionInfo,
        typeUrl: any.typeUrl,
        bytes: any.value,
      })),
      removed: [],
      complete: this.#state.fullSet,
    };
  }

  /** The request that accepts the answer with this nonce. */
  ack(nonce: string, version: string): DiscoveryRequest | DeltaDiscoveryRequest {
    this.#version = version;
    if (this.#variant === 'delta') return { typeUrl: this.#state.typeUrl, responseNonce: nonce };
    return { ...this.#sotwRequest(), responseNonce: nonce };
  }

  /** The request that refuses it: the version stays what it was. */
  nack(nonce: string, message: string): DiscoveryRequest | DeltaDiscoveryRequest {
    const errorDetail: envoy.service.discovery.v3.IDiscoveryRequest['errorDetail'] = {
      code: INVALID_ARGUMENT,
      message,
    };
    if (this.#variant === 'delta') {
      return { typeUrl: this.#state.typeUrl, responseNonce: nonce, errorDetail };
    }
    return { ...this.#sotwRequest(), responseNonce: nonce, errorDetail };
  }

  #sotwRequest(): DiscoveryRequest {
    return {
      typeUrl: this.#state.typeUrl,
      versionInfo: this.#version,
      resourceNames: [...this.#subscribed],
      responseNonce: this.#nonce,
    };
  }
}
