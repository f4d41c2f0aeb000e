import type { Clock, Timer } from '@heddle/common';
import { typeUrls, type envoy } from '@heddle/xds-protos';
import type { EncodedResource, ProxySnapshot } from '../snapshot/encoded-resource.js';
import { encodeDeltaResponse, encodeSotwResponse, versionOf } from './response-encoder.js';
import { TypeSubscription } from './type-subscription.js';

type DiscoveryRequest = envoy.service.discovery.v3.DiscoveryRequest;
type DeltaDiscoveryRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;

/** Where a session's answers go. */
export interface SessionTransport {
  /** Returns false when the client is slow: nothing more is written until `onWritable()`. */
  write(response: Buffer): boolean;
  /** Ends the stream with gRPC's INVALID_ARGUMENT. */
  refuse(reason: string): void;
}

export interface AdsSessionOptions {
  readonly variant: 'sotw' | 'delta';
  readonly transport: SessionTransport;
  readonly clock: Clock;
  readonly limits: SessionLimits;
  /** Told of every refusal by the client, once per answer. */
  readonly onNack: (typeUrl: string, version: string, message: string) => void;
}

/** Bounds of what one client may make us hold. */
export interface SessionLimits {
  readonly maxTypes: number;
  readonly maxNamesPerType: number;
  readonly maxNackBytes: number;
  /** How long listeners and routes wait for new clusters to have their endpoints. */
  readonly clusterGraceMs: number;
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  maxTypes: 16,
  maxNamesPerType: 100_000,
  maxNackBytes: 16_384,
  clusterGraceMs: 2_000,
};

/** How far one type has come, for the API and `heddle proxy-status`. */
export interface TypeStatus {
  readonly typeUrl: string;
  readonly sentVersion: string;
  readonly ackedVersion: string;
  /** `pending`: there is something to tell that may not be told yet. */
  readonly state: 'synced' | 'sent' | 'pending' | 'nacked' | 'never-sent';
  readonly resources: number;
  readonly nack: { readonly message: string; readonly atMs: number } | undefined;
}

/** Types whose state-of-the-world answers hold the full set. */
const FULL_SET: ReadonlySet<string> = new Set([typeUrls.listener, typeUrls.cluster]);
/** Types that are sent by the ordering below and not as they come. */
const ORDERED: ReadonlySet<string> = new Set([
  typeUrls.cluster,
  typeUrls.clusterLoadAssignment,
  typeUrls.listener,
  typeUrls.routeConfiguration,
]);

/**
 * One ADS stream: turns requests into subscriptions and snapshots into answers, in either variant of the protocol.
 *
 * Make before break: new clusters and their endpoints first, then listeners and routes, and only when those were
 * acknowledged are the clusters removed that nothing names any more. Endpoints never wait. For every other type at most
 * one answer is under way; what changes meanwhile is merged into the next one.
 *
 * Source: the xDS protocol's description of nonces, ACK and NACK, and of eventual consistency.
 */
export class AdsSession {
  readonly #options: AdsSessionOptions;
  readonly #types = new Map<string, TypeSubscription>();
  /** Clusters that are gone but may still be named by routes the client holds; undefined: known by name only. */
  readonly #retained = new Map<string, EncodedResource | undefined>();
  #snapshot: ProxySnapshot = { resources: new Map() };
  #writable = true;
  #closed = false;
  #nonces = 0;
  #grace: Timer | undefined;
  #graceOver = false;

  constructor(options: AdsSessionOptions) {
    this.#options = options;
  }

  /** The view's resources changed (or are known for the first time). */
  onSnapshot(snapshot: ProxySnapshot): void {
    const before = this.#snapshot.resources.get(typeUrls.cluster);
    const after = snapshot.resources.get(typeUrls.cluster);
    const sent = this.#types.get(typeUrls.cluster)?.sent;
    if (sent !== undefined) {
      for (const name of sent.keys()) {
        if (after?.has(name)) this.#retained.delete(name);
        else if (!this.#retained.has(name) && sent.get(name) !== '')
          this.#retained.set(name, before?.get(name));
      }
    }
    this.#snapshot = snapshot;
    this.#pump();
  }

  /** The transport can take more. */
  onWritable(): void {
    this.#writable = true;
    this.#pump();
  }

  close(): void {
    this.#closed = true;
    this.#grace?.cancel();
  }

  onSotwRequest(request: DiscoveryRequest): void {
    const type = this.#typeOf(request.typeUrl);
    if (type === undefined) return;
    // An answer to something older than our last word: the client will answer that one too.
    if (request.responseNonce !== '' && request.responseNonce !== type.nonce) return;
    if (request.resourceNames.length > this.#options.limits.maxNamesPerType) {
      this.#options.transport.refuse(
        `${request.typeUrl}: more than ${this.#options.limits.maxNamesPerType} names`,
      );
      return;
    }
    this.#acknowledge(type, request.responseNonce, request.errorDetail?.message);

    const names = new Set(request.resourceNames);
    const wildcard = names.delete('*');
    if (FULL_SET.has(type.typeUrl) && names.size === 0 && type.names.size === 0) type.wildcard = true;
    else type.wildcard = wildcard;
    for (const name of type.names) {
      if (names.has(name)) continue;
      type.names.delete(name);
      type.sent.delete(name);
    }
    for (const name of names) type.names.add(name);

    // The client kept its state over a reconnect, and it is what we would send.
    if (!type.answered && request.versionInfo !== '' && request.responseNonce === '') {
      const desired = this.#desired(type);
      if (desired.size > 0 && versionOf(desired.values()) === request.versionInfo) {
        for (const resource of desired.values()) type.sent.set(resource.name, resource.version);
        type.answered = true;
        type.sentVersion = request.versionInfo;
        type.ackedVersion = request.versionInfo;
      }
    }
    this.#pump();
  }

  onDeltaRequest(request: DeltaDiscoveryRequest): void {
    const known = this.#types.has(request.typeUrl);
    const type = this.#typeOf(request.typeUrl);
    if (type === undefined) return;
    const { maxNamesPerType } = this.#options.limits;
    const held = Object.entries(request.initialResourceVersions);
    if (
      type.names.size + request.resourceNamesSubscribe.length > maxNamesPerType ||
      held.length > maxNamesPerType
    ) {
      this.#options.transport.refuse(`${request.typeUrl}: more than ${maxNamesPerType} names`);
      return;
    }
    this.#acknowledge(type, request.responseNonce, request.errorDetail?.message);

    if (!known) {
      for (const [name, version] of held) type.sent.set(name, version);
      if (FULL_SET.has(type.typeUrl) && request.resourceNamesSubscribe.length === 0) type.wildcard = true;
    }
    for (const name of request.resourceNamesSubscribe) {
      if (name === '*') {
        type.wildcard = true;
        type.answered = false;
        continue;
      }
      type.names.add(name);
      // A new subscription is always answered, unless this very request says what the client already holds.
      if (known || !(name in request.initialResourceVersions)) type.sent.delete(name);
    }
    for (const name of request.resourceNamesUnsubscribe) {
      if (name === '*') type.wildcard = false;
      else type.names.delete(name);
      if (!type.wants(name)) type.sent.delete(name);
    }
    this.#pump();
  }

  /** How far each type has come. */
  status(): TypeStatus[] {
    return [...this.#types.values()].map((type) => ({
      typeUrl: type.typeUrl,
      sentVersion: type.sentVersion,
      ackedVersion: type.ackedVersion,
      state: this.#stateOf(type),
      resources: [...type.sent.values()].filter((version) => version !== '').length,
      nack: type.nack === undefined ? undefined : { message: type.nack.message, atMs: type.nack.atMs },
    }));
  }

  #stateOf(type: TypeSubscription): TypeStatus['state'] {
    if (type.nack !== undefined) return 'nacked';
    if (type.nonce === '' && type.sentVersion === '') return 'never-sent';
    if (type.awaitingAck) return 'sent';
    return this.#differs(type, this.#desired(type)) ? 'pending' : 'synced';
  }

  #typeOf(typeUrl: string): TypeSubscription | undefined {
    let type = this.#types.get(typeUrl);
    if (type === undefined) {
      if (typeUrl === '' || this.#types.size >= this.#options.limits.maxTypes) {
        this.#options.transport.refuse(typeUrl === '' ? 'type_url is missing' : 'too many resource types');
        return undefined;
      }
      type = new TypeSubscription(typeUrl);
      this.#types.set(typeUrl, type);
    }
    return type;
  }

  #acknowledge(type: TypeSubscription, nonce: string, error: string | undefined): void {
    if (nonce === '' || nonce !== type.nonce || !type.awaitingAck) return;
    type.awaitingAck = false;
    if (error === undefined) {
      type.ackedVersion = type.sentVersion;
      type.nack = undefined;
      return;
    }
    const message = error.slice(0, this.#options.limits.maxNackBytes);
    type.nack = { message, version: type.sentVersion, atMs: this.#options.clock.nowMs() };
    this.#options.onNack(type.typeUrl, type.sentVersion, message);
  }

  /** Sends whatever may be sent now, in order. Called after everything that can change the answer. */
  #pump(): void {
    if (this.#closed) return;
    const clusters = this.#types.get(typeUrls.cluster);
    if (
      this.#retained.size > 0 &&
      this.#isSettled(typeUrls.listener) &&
      this.#isSettled(typeUrls.routeConfiguration)
    ) {
      if (clusters !== undefined && !clusters.awaitingAck && !this.#isWaitingForClusters())
        this.#retained.clear();
    }
    if (clusters !== undefined) this.#push(clusters);
    const endpoints = this.#types.get(typeUrls.clusterLoadAssignment);
    if (endpoints !== undefined) this.#push(endpoints);
    for (const type of this.#types.values()) if (!ORDERED.has(type.typeUrl)) this.#push(type);
    if (this.#isWaitingForClusters()) return;
    for (const typeUrl of [typeUrls.listener, typeUrls.routeConfiguration]) {
      const type = this.#types.get(typeUrl);
      if (type !== undefined) this.#push(type);
    }
  }

  /** Nothing to tell about this type, and the client took the last word. */
  #isSettled(typeUrl: string): boolean {
    const type = this.#types.get(typeUrl);
    if (type === undefined) return true;
    return !type.awaitingAck && type.nack === undefined && !this.#differs(type, this.#desired(type));
  }

  /** Whether listeners and routes should wait, because clusters that they may name are not ready in the client. */
  #isWaitingForClusters(): boolean {
    const clusters = this.#types.get(typeUrls.cluster);
    if (clusters === undefined || this.#graceOver) return false;
    const waiting = clusters.awaitingAck || this.#lacksEndpoints(clusters);
    if (waiting) {
      this.#grace ??= this.#options.clock.setTimer(this.#options.limits.clusterGraceMs, () => {
        this.#grace = undefined;
        this.#graceOver = true;
        this.#pump();
      });
    } else {
      this.#grace?.cancel();
      this.#grace = undefined;
    }
    return waiting;
  }

  #lacksEndpoints(clusters: TypeSubscription): boolean {
    const assignments = this.#snapshot.resources.get(typeUrls.clusterLoadAssignment);
    if (assignments === undefined) return false;
    const endpoints = this.#types.get(typeUrls.clusterLoadAssignment);
    if (endpoints?.awaitingAck) return true;
    for (const name of clusters.sent.keys()) {
      if (assignments.has(name) && !endpoints?.sent.has(name)) return true;
    }
    return false;
  }

  /** What the client should hold of this type. */
  #desired(type: TypeSubscription): Map<string, EncodedResource> {
    const desired = new Map<string, EncodedResource>();
    const all = this.#snapshot.resources.get(type.typeUrl);
    if (all !== undefined) {
      if (type.wildcard) for (const [name, resource] of all) desired.set(name, resource);
      else {
        for (const name of type.names) {
          const resource = all.get(name);
          if (resource !== undefined) desired.set(name, resource);
        }
      }
    }
    if (type.typeUrl === typeUrls.cluster) {
      for (const [name, resource] of this.#retained) if (resource !== undefined) desired.set(name, resource);
    }
    return desired;
  }

  #differs(type: TypeSubscription, desired: ReadonlyMap<string, EncodedResource>): boolean {
    for (const [name, resource] of desired) if (type.sent.get(name) !== resource.version) return true;
    return this.#removals(type, desired).length > 0;
  }

  /** Names that the client must be told are gone. In state-of-the-world that can be said of full sets only. */
  #removals(type: TypeSubscription, desired: ReadonlyMap<string, EncodedResource>): string[] {
    const removed: string[] = [];
    if (this.#options.variant === 'sotw' && !FULL_SET.has(type.typeUrl)) return removed;
    const holdsRetained =
      type.typeUrl === typeUrls.cluster || type.typeUrl === typeUrls.clusterLoadAssignment
        ? this.#retained
        : undefined;
    for (const [name, version] of type.sent) {
      if (version !== '' && !desired.has(name) && !holdsRetained?.has(name)) removed.push(name);
    }
    if (this.#options.variant === 'delta') {
      for (const name of type.names) if (!desired.has(name) && !type.sent.has(name)) removed.push(name);
    }
    return removed;
  }

  #push(type: TypeSubscription): void {
    if (!this.#writable) return;
    if (type.awaitingAck && type.typeUrl !== typeUrls.clusterLoadAssignment) return;
    const desired = this.#desired(type);
    const changed: EncodedResource[] = [];
    for (const resource of desired.values()) {
      if (type.sent.get(resource.name) !== resource.version) changed.push(resource);
    }
    const removed = this.#removals(type, desired);
    const firstOfWildcard = type.wildcard && !type.answered;
    if (changed.length === 0 && removed.length === 0 && !firstOfWildcard) return;

    if (type.typeUrl === typeUrls.cluster) this.#beforeClusters(changed);
    type.answered = true;
    type.nonce = String(++this.#nonces);
    type.awaitingAck = true;
    type.nack = undefined;
    type.sentAtMs = this.#options.clock.nowMs();
    type.sentVersion = versionOf(desired.values());
    for (const name of removed) {
      if (type.names.has(name)) type.sent.set(name, '');
      else type.sent.delete(name);
    }
    for (const resource of changed) type.sent.set(resource.name, resource.version);
    const response =
      this.#options.variant === 'delta'
        ? encodeDeltaResponse(type.typeUrl, type.sentVersion, type.nonce, changed, removed)
        : encodeSotwResponse(
            type.typeUrl,
            type.sentVersion,
            type.nonce,
            FULL_SET.has(type.typeUrl) ? [...desired.values()] : changed,
          );
    this.#writable = this.#options.transport.write(response);
  }

  /** A cluster that changes warms again in Envoy and waits for its endpoints, although those did not change. */
  #beforeClusters(changed: readonly EncodedResource[]): void {
    const endpoints = this.#types.get(typeUrls.clusterLoadAssignment);
    for (const cluster of changed) endpoints?.sent.delete(cluster.name);
    this.#graceOver = false;
  }
}
