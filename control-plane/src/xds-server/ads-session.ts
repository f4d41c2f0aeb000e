import type { Clock, Timer } from '@heddle/common';
import { typeUrls, type envoy } from '@heddle/xds-protos';
import { diffResources, NO_RESOURCES, type ResourcesByName } from '../snapshot/diff-resources.js';
import type { EncodedResource, ProxySnapshot } from '../snapshot/encoded-resource.js';
import { HeldClusters } from './held-clusters.js';
import { encodeDeltaResponse, encodeSotwResponse, versionOf, versionOfAll } from './response-encoder.js';
import type { SessionLimits } from './session-limits.js';
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
const FULL_SET: ReadonlySet<string> = new Set([typeUrls.listener, typeUrls.cluster, typeUrls.nameTable]);
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
 * Cost: of a change, proportional to what changed; of a full state-of-the-world answer, to what it holds.
 */
export class AdsSession {
  readonly #options: AdsSessionOptions;
  readonly #types = new Map<string, TypeSubscription>();
  readonly #held: HeldClusters;
  #snapshot: ProxySnapshot = { resources: new Map() };
  #writable = true;
  #closed = false;
  #nonces = 0;
  #grace: Timer | undefined;
  #graceOver = false;
  /** The client came back with state of an earlier stream: it holds listeners and routes before it asks for them. */
  #resumed: Timer | undefined;

  constructor(options: AdsSessionOptions) {
    this.#options = options;
    this.#held = new HeldClusters(options.limits.maxRetainedClusters);
  }

  /** The view's resources changed (or are known for the first time). */
  onSnapshot(snapshot: ProxySnapshot): void {
    const before = this.#snapshot;
    this.#snapshot = snapshot;
    for (const type of this.#types.values()) {
      const old = before.resources.get(type.typeUrl) ?? NO_RESOURCES;
      const now = snapshot.resources.get(type.typeUrl) ?? NO_RESOURCES;
      for (const name of diffResources(old, now)) {
        if (!type.wants(name)) continue;
        if (type.typeUrl === typeUrls.cluster)
          this.#retainOrRelease(type, name, old.get(name), now.has(name));
        if (!this.#isRetained(type, name)) type.pending.add(name);
      }
    }
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
    this.#resumed?.cancel();
  }

  onSotwRequest(request: DiscoveryRequest): void {
    if (this.#closed) return;
    const type = this.#typeOf(request.typeUrl);
    if (type === undefined) return;
    const { maxNamesPerType } = this.#options.limits;
    if (request.resourceNames.length > maxNamesPerType)
      return this.#refuse(`${request.typeUrl}: more than ${maxNamesPerType} names`);
    const nonce = request.responseNonce;
    this.#acknowledge(type, nonce, request.errorDetail?.message);
    // An answer to something older than our last word: the client will answer that one too, with all its names.
    if (nonce !== '' && type.nonce !== '' && nonce !== type.nonce) return this.#pump();

    const names = new Set(request.resourceNames);
    if (names.size > 0) type.hasNamed = true;
    const wasWildcard = type.wildcard;
    type.wildcard = names.delete('*') || (!type.hasNamed && FULL_SET.has(type.typeUrl));
    let isNarrower = wasWildcard && !type.wildcard;
    for (const name of type.names) {
      if (names.has(name)) continue;
      type.names.delete(name);
      isNarrower = true;
    }
    if (isNarrower) this.#dropUnwanted(type);
    if (type.wildcard && !wasWildcard) this.#wantAll(type);
    for (const name of names) {
      if (type.names.has(name)) continue;
      type.subscribe(name);
      // That a name is missing can be told by a full set only, and must be, for the client waits for it.
      type.mustAnswer ||= FULL_SET.has(type.typeUrl);
    }
    this.#resumeSotw(type, request.versionInfo);
    this.#pump();
  }

  onDeltaRequest(request: DeltaDiscoveryRequest): void {
    if (this.#closed) return;
    const isFirst = !this.#types.has(request.typeUrl);
    const type = this.#typeOf(request.typeUrl);
    if (type === undefined) return;
    const { maxNamesPerType } = this.#options.limits;
    const subscribed = request.resourceNamesSubscribe;
    const held = isFirst ? Object.entries(request.initialResourceVersions) : [];
    if (type.names.size + subscribed.length > maxNamesPerType || held.length > maxNamesPerType)
      return this.#refuse(`${request.typeUrl}: more than ${maxNamesPerType} names`);
    this.#acknowledge(type, request.responseNonce, request.errorDetail?.message);

    if (subscribed.includes('*') || (isFirst && FULL_SET.has(type.typeUrl) && subscribed.length === 0)) {
      type.wildcard = true;
      this.#wantAll(type);
    }
    for (const name of subscribed) if (name !== '*') type.subscribe(name);
    if (held.length > 0) this.#resumeDelta(type, held);
    for (const name of request.resourceNamesUnsubscribe) {
      if (name !== '*') {
        type.unsubscribe(name);
        if (type.typeUrl === typeUrls.cluster && !type.wants(name)) this.#held.forget(name);
      } else if (type.wildcard) {
        type.wildcard = false;
        this.#dropUnwanted(type);
      }
    }
    this.#pump();
  }

  /** How far each type has come. */
  status(): TypeStatus[] {
    return [...this.#types.values()].map((type) => ({
      typeUrl: type.typeUrl,
      sentVersion: type.sentVersion,
      ackedVersion: type.ackedVersion,
      state: stateOf(type),
      resources: type.sent.size,
      nack: type.nack === undefined ? undefined : { message: type.nack.message, atMs: type.nack.atMs },
    }));
  }

  #typeOf(typeUrl: string): TypeSubscription | undefined {
    let type = this.#types.get(typeUrl);
    if (type === undefined) {
      if (typeUrl === '' || this.#types.size >= this.#options.limits.maxTypes) {
        this.#refuse(typeUrl === '' ? 'type_url is missing' : 'too many resource types');
        return undefined;
      }
      type = new TypeSubscription(typeUrl);
      this.#types.set(typeUrl, type);
    }
    return type;
  }

  #refuse(reason: string): void {
    this.close();
    this.#options.transport.refuse(reason);
  }

  #acknowledge(type: TypeSubscription, nonce: string, error: string | undefined): void {
    const answers = type.settle(nonce);
    const last = answers.at(-1);
    if (last === undefined) return;
    let isMended = false;
    for (const { names } of answers) {
      for (const name of names) {
        isMended = type.refused.delete(name) || isMended;
        if (type.typeUrl === typeUrls.clusterLoadAssignment) this.#held.warmed(name);
      }
    }
    if (error !== undefined) {
      for (const name of last.names) if (type.wants(name)) type.refuse(name);
      const message = error.slice(0, this.#options.limits.maxNackBytes);
      // What the client no longer asks for is reported, but holds nothing up.
      if (last.names.length === 0 || type.refused.size > 0)
        type.nack = { message, version: last.version, atMs: this.#options.clock.nowMs() };
      this.#options.onNack(type.typeUrl, last.version, message);
      return;
    }
    type.ackedVersion = last.version;
    // A full set that was taken leaves nothing refused.
    if (this.#options.variant === 'sotw' && FULL_SET.has(type.typeUrl)) type.refused.clear();
    if (type.refused.size === 0) type.nack = undefined;
    else if (isMended) type.resendRefused();
  }

  #all(typeUrl: string): ResourcesByName {
    return this.#snapshot.resources.get(typeUrl) ?? NO_RESOURCES;
  }

  #wantAll(type: TypeSubscription): void {
    type.mustAnswer = true;
    for (const name of this.#all(type.typeUrl).keys()) type.pending.add(name);
  }

  #dropUnwanted(type: TypeSubscription): void {
    type.forgetUnwanted();
    if (type.typeUrl === typeUrls.cluster) this.#held.forgetUnless((name) => type.wants(name));
  }

  /** The client kept its full set over a reconnect, and it is what we would send. */
  #resumeSotw(type: TypeSubscription, heldVersion: string): void {
    // The version of a part says nothing: the client may have asked for other names when it got it.
    if (type.nonce !== '' || heldVersion === '' || !type.wildcard || !FULL_SET.has(type.typeUrl)) return;
    const all = this.#all(type.typeUrl);
    if (all.size === 0 || versionOfAll(all) !== heldVersion) return;
    for (const [name, { version }] of all) type.sent.set(name, version);
    type.pending.clear();
    type.mustAnswer = false;
    type.sentVersion = heldVersion;
    type.ackedVersion = heldVersion;
  }

  /** The client says what it holds of an earlier stream. */
  #resumeDelta(type: TypeSubscription, held: readonly (readonly [string, string])[]): void {
    this.#resumed ??= this.#options.clock.setTimer(this.#options.limits.clusterGraceMs, () => {
      this.#resumed = RESUME_OVER;
      this.#pump();
    });
    const all = this.#all(type.typeUrl);
    for (const [name, version] of held) {
      if (!type.wants(name) || version === '') continue;
      // A cluster that was sent on this stream already waits for its endpoints, whatever the client holds of them.
      if (type.typeUrl === typeUrls.clusterLoadAssignment && this.#held.isWarming(name)) continue;
      type.sent.set(name, version);
      if (type.typeUrl === typeUrls.cluster && !all.has(name)) this.#retain(type, name, undefined);
      else type.pending.add(name);
    }
  }

  /** A cluster changed: keeps it for the client if it is gone, and lets go of the kept one if it is back. */
  #retainOrRelease(
    clusters: TypeSubscription,
    name: string,
    old: EncodedResource | undefined,
    exists: boolean,
  ): void {
    if (exists) {
      this.#held.letGo(name);
      return;
    }
    this.#held.warmed(name);
    if (clusters.sent.has(name) && !this.#held.isRetained(name)) this.#retain(clusters, name, old);
  }

  #retain(clusters: TypeSubscription, name: string, old: EncodedResource | undefined): void {
    clusters.pending.delete(name);
    const oldest = this.#held.retain(name, old);
    if (oldest !== undefined) this.#release(oldest);
  }

  #release(name: string): void {
    this.#held.letGo(name);
    for (const typeUrl of [typeUrls.cluster, typeUrls.clusterLoadAssignment]) {
      const type = this.#types.get(typeUrl);
      if (type?.sent.has(name)) type.pending.add(name);
    }
  }

  #isRetained(type: TypeSubscription, name: string): boolean {
    return (
      (type.typeUrl === typeUrls.cluster || type.typeUrl === typeUrls.clusterLoadAssignment) &&
      this.#held.isRetained(name)
    );
  }

  /** Sends whatever may be sent now, in order. Called after everything that can change the answer. */
  #pump(): void {
    if (this.#closed) return;
    this.#pushType(typeUrls.cluster);
    this.#pushType(typeUrls.clusterLoadAssignment);
    for (const type of this.#types.values()) if (!ORDERED.has(type.typeUrl)) this.#push(type);
    if (this.#isWaitingForClusters()) return;
    this.#pushType(typeUrls.listener);
    this.#pushType(typeUrls.routeConfiguration);
    const retained = this.#held.retainedNames;
    if (retained.length === 0 || !this.#hasNewRoutes()) return;
    for (const name of retained) this.#release(name);
    this.#pushType(typeUrls.cluster);
    this.#pushType(typeUrls.clusterLoadAssignment);
  }

  #pushType(typeUrl: string): void {
    const type = this.#types.get(typeUrl);
    if (type !== undefined) this.#push(type);
  }

  #isSettled(typeUrl: string): boolean {
    const type = this.#types.get(typeUrl);
    if (type !== undefined) return type.isSettled;
    return this.#resumed === undefined || this.#resumed === RESUME_OVER;
  }

  /** Whether no listener and no route that the client holds is older than the snapshot. */
  #hasNewRoutes(): boolean {
    if (!this.#isSettled(typeUrls.listener) || !this.#isSettled(typeUrls.routeConfiguration)) return false;
    if (this.#types.get(typeUrls.listener)?.wildcard !== true) return true;
    // A listener goes on with its old routes until it has those that its new form names.
    const routes = this.#types.get(typeUrls.routeConfiguration);
    if (routes === undefined) return true;
    for (const name of this.#all(typeUrls.routeConfiguration).keys())
      if (!routes.sent.has(name)) return false;
    return true;
  }

  /** Whether listeners and routes should wait, because clusters that they may name are not ready in the client. */
  #isWaitingForClusters(): boolean {
    const clusters = this.#types.get(typeUrls.cluster);
    if (clusters === undefined || this.#graceOver) return false;
    const waiting = clusters.awaitingAck || this.#held.areWarming(this.#all(typeUrls.clusterLoadAssignment));
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

  /** What the client should hold under this name. */
  #desired(type: TypeSubscription, name: string): EncodedResource | undefined {
    return type.wants(name) ? this.#all(type.typeUrl).get(name) : undefined;
  }

  #push(type: TypeSubscription): void {
    if (!this.#writable || (type.pending.size === 0 && !type.mustAnswer)) return;
    const isEndpoints = type.typeUrl === typeUrls.clusterLoadAssignment;
    if (type.outstanding.size >= (isEndpoints ? this.#options.limits.maxOutstandingEndpoints : 1)) return;

    const { changed, removed } = this.#takePending(type);
    if (changed.length === 0 && removed.length === 0 && !type.mustAnswer) return;
    if (type.typeUrl === typeUrls.cluster) {
      this.#beforeClusters(changed);
      changed.push(...this.#keptInNewForm(type));
    }

    type.mustAnswer = false;
    type.nonce = String(++this.#nonces);
    for (const resource of changed) {
      type.sent.set(resource.name, resource.version);
      type.absent.delete(resource.name);
    }
    for (const name of removed) {
      type.sent.delete(name);
      if (type.names.has(name)) type.absent.add(name);
    }
    const response = this.#encode(type, changed, removed);
    type.outstanding.set(type.nonce, {
      version: type.sentVersion,
      names: [...changed.map(({ name }) => name), ...removed],
    });
    this.#writable = this.#options.transport.write(response);
  }

  /** What is new to the client among the pending names; what must wait stays pending. */
  #takePending(type: TypeSubscription): { changed: EncodedResource[]; removed: string[] } {
    const isDelta = this.#options.variant === 'delta';
    const changed = new Set<EncodedResource>();
    const removed = new Set<string>();
    const mayRemove = type.typeUrl !== typeUrls.routeConfiguration || this.#isSettled(typeUrls.listener);
    const waiting: string[] = [];
    // What becomes pending on the way is visited too, a second time if need be.
    for (const name of type.pending) {
      type.pending.delete(name);
      const resource = this.#desired(type, name);
      if (resource !== undefined) {
        if (type.sent.get(name) !== resource.version) changed.add(resource);
      } else if (type.sent.has(name)) {
        if (this.#isRetained(type, name)) continue;
        if (!isDelta && !FULL_SET.has(type.typeUrl)) type.forget(name);
        else if (mayRemove) removed.add(name);
        else waiting.push(name);
      } else if (isDelta && type.names.has(name) && !type.absent.has(name)) removed.add(name);
    }
    for (const name of waiting) type.pending.add(name);
    return { changed: [...changed], removed: [...removed] };
  }

  /** A cluster that changes warms again in Envoy and waits for its endpoints, although those did not change. */
  #beforeClusters(changed: readonly EncodedResource[]): void {
    const endpoints = this.#types.get(typeUrls.clusterLoadAssignment);
    const assignments = this.#all(typeUrls.clusterLoadAssignment);
    for (const { name } of changed) {
      if (!assignments.has(name)) continue;
      this.#held.warm(name);
      if (endpoints?.wants(name) === true) {
        endpoints.sent.delete(name);
        endpoints.pending.add(name);
      }
    }
    this.#graceOver = false;
  }

  /** Kept clusters that were changed and then removed before the change was sent: a full set shows them as they were last. */
  #keptInNewForm(clusters: TypeSubscription): readonly EncodedResource[] {
    if (this.#options.variant === 'delta') return [];
    return this.#held.retainedResources.filter(({ name, version }) => clusters.sent.get(name) !== version);
  }

  #encode(type: TypeSubscription, changed: readonly EncodedResource[], removed: readonly string[]): Buffer {
    const { typeUrl, nonce } = type;
    const all = this.#all(typeUrl);
    if (this.#options.variant === 'delta') {
      type.sentVersion = versionOfAll(all);
      return encodeDeltaResponse(typeUrl, type.sentVersion, nonce, changed, removed);
    }
    const full: EncodedResource[] = [];
    for (const resource of type.wildcard ? all.values() : this.#named(type)) full.push(resource);
    const kept = typeUrl === typeUrls.cluster ? this.#held.retainedResources : [];
    type.sentVersion = type.wildcard && kept.length === 0 ? versionOfAll(all) : versionOf([...full, ...kept]);
    const resources = FULL_SET.has(typeUrl) ? [...full, ...kept] : changed;
    return encodeSotwResponse(typeUrl, type.sentVersion, nonce, resources);
  }

  *#named(type: TypeSubscription): Iterable<EncodedResource> {
    for (const name of type.names) {
      const resource = this.#desired(type, name);
      if (resource !== undefined) yield resource;
    }
  }
}

/** Stands for the timer of a resumption once it has fired. */
const RESUME_OVER: Timer = Object.freeze({ cancel: () => undefined });

function stateOf(type: TypeSubscription): TypeStatus['state'] {
  if (type.awaitingAck) return 'sent';
  if (type.nack !== undefined) return 'nacked';
  if (type.pending.size > 0 || type.mustAnswer) return 'pending';
  return type.sentVersion === '' ? 'never-sent' : 'synced';
}
