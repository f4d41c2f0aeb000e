import { Backoff, type Clock, type Logger, type Random, type Timer } from '@heddle/common';
import type {
  EndpointsConfig,
  ExtensionConfig,
  RouteConfig,
  RouteScopeConfig,
  RuntimeResourceConfig,
  SecretConfig,
  VirtualHostConfig,
} from '@heddle/engine';
import { typeUrls, type envoy } from '@heddle/xds-protos';
import type { ConfigSource, ResourceSubscription, ResourceWatcher } from '../config-source.js';
import type { DiscoveredResources } from '../discovered-resources.js';
import type { Gauge, StatsStore } from '../stats/stats-store.js';
import type {
  AdsStream,
  AdsTransport,
  AdsVariant,
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from './ads-transport.js';
import {
  DiscoveredConfiguration,
  INITIAL_FETCH_TIMEOUT_MS,
  type ConfigTargets,
} from './discovered-configuration.js';
import type { DiscoveredType } from './discovered-type.js';
import type { LastGoodStore } from './last-good-store.js';
import { nackText } from './nack-text.js';
import { TypeSession } from './type-session.js';
import { countersOfTypes, type UpdateCounters } from './update-counters.js';

export interface XdsClientOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly stats: StatsStore;
  readonly transport: AdsTransport;
  readonly variant: AdsVariant;
  readonly node: envoy.config.core.v3.Node;
  /** Whether listeners and clusters are fetched, or only what static ones refer to. */
  readonly listeners: boolean;
  readonly clusters: boolean;
  /** Whether the names of the mesh are fetched, for a DNS server. Default false. */
  readonly names?: boolean;
  /** How long listeners wait for the first clusters. Default 15 s; 0: without end. */
  readonly initialFetchTimeoutMs?: number;
  /** What keeps a secret from being used; undefined: nothing. */
  readonly checkSecret?: (secret: SecretConfig) => string | undefined;
  /** Without one nothing is kept. Secrets are never kept. */
  readonly lastGood?: LastGoodStore | undefined;
  /** How long the control plane may take to answer before the last good configuration stands in. Default 1 s. */
  readonly lastGoodDelayMs?: number;
}

const BACKOFF = { baseMs: 500, maxMs: 30_000, minMs: 20 };
const MAX_WAITING_ANSWERS = 16;

/**
 * The proxy's side of the Aggregated Discovery Service, in both variants of the protocol.
 *
 * Shape: one stream; answers are handled one after the other, in the order in which they came. Every answer becomes the
 * same `apply(added, removed)`; what was accepted stays until it is replaced or removed, whatever happens to the stream.
 * Requests go out in the order of make-before-break: clusters, endpoints, listeners, routes. Listeners are asked for
 * once the first clusters are warm, so that no listener opens before what it routes to. Where runtime settings are fetched, all else
 * waits for them.
 * Source: the xDS protocol's description of nonces, ACK and NACK.
 */
export class XdsClient implements ConfigSource {
  readonly #options: XdsClientOptions;
  readonly #log: Logger;
  readonly #backoff: Backoff;
  readonly #configuration: DiscoveredConfiguration;
  readonly #connected: Gauge;
  readonly #counters: ReadonlyMap<string, UpdateCounters>;
  readonly #inbox: (() => Promise<void> | void)[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #timers = new Set<Timer>();

  #stream: AdsStream | undefined;
  #sessions = new Map<string, TypeSession>();
  #nodeSent = false;
  #lastGoodTried = false;
  #lastGoodInUse = false;
  #lastGoodKept = false;
  #takingOver = false;
  #listenersOpen: boolean;
  /** Only at the start: who asks for more later holds up nobody. */
  #awaitsRuntime = true;
  #working = false;
  #flushPlanned = false;
  #ready = false;
  #closed = false;
  #lastEnd = '';
  #connectedAtMs = 0;

  constructor(options: XdsClientOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#backoff = new Backoff({ ...BACKOFF, random: options.random });
    this.#configuration = new DiscoveredConfiguration({
      clock: options.clock,
      log: options.log,
      listeners: options.listeners,
      clusters: options.clusters,
      names: options.names === true,
      onDemand: options.variant === 'delta',
      checkSecret: options.checkSecret ?? (() => undefined),
      onNamesChanged: () => this.#planFlush(),
    });
    this.#listenersOpen = !options.clusters;
    this.#connected = options.stats.gauge('control_plane.connected_state');
    this.#counters = countersOfTypes(options.stats);
  }

  /** Connects, and keeps what comes applied to `targets` until `close`. */
  start(targets: ConfigTargets): void {
    this.#configuration.start(targets);
    if (!this.#options.clusters) targets.clusters.onReady(() => this.#openListeners());
    this.#connect();
    this.#checkReady();
    if (this.#options.lastGood !== undefined) {
      this.#setTimer(this.#options.lastGoodDelayMs ?? 1000, () => this.#useLastGood('no answer in time'));
    }
    const timeoutMs = this.#options.initialFetchTimeoutMs ?? INITIAL_FETCH_TIMEOUT_MS;
    if (timeoutMs > 0 && this.#options.clusters) {
      this.#setTimer(timeoutMs, () => {
        if (this.#configuration.clusters.answered) return;
        this.#counters.get(typeUrls.cluster)?.initFetchTimeout.inc();
        this.#openListeners();
      });
    }
  }

  watchEndpoints(
    serviceName: string,
    watcher: ResourceWatcher<EndpointsConfig>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription {
    return this.#configuration.watch(
      this.#configuration.endpoints,
      serviceName,
      watcher,
      initialFetchTimeoutMs,
    );
  }

  watchRoutes(
    name: string,
    watcher: ResourceWatcher<RouteConfig>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription {
    return this.#configuration.watch(this.#configuration.routes, name, watcher, initialFetchTimeoutMs);
  }

  watchVirtualHosts(
    table: string,
    watcher: ResourceWatcher<readonly VirtualHostConfig[]>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription {
    return this.#configuration.watchVirtualHosts(table, watcher, initialFetchTimeoutMs);
  }

  fetchVirtualHost(table: string, domain: string, onAnswer: () => void): ResourceSubscription | undefined {
    return this.#configuration.fetchVirtualHost(table, domain, onAnswer);
  }

  fetchCluster(name: string, onAnswer: () => void): ResourceSubscription | undefined {
    return this.#configuration.fetchCluster(name, onAnswer);
  }

  watchRuntime(
    name: string,
    watcher: ResourceWatcher<RuntimeResourceConfig>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription {
    return this.#configuration.watch(this.#configuration.runtime, name, watcher, initialFetchTimeoutMs);
  }

  watchScopes(
    watcher: ResourceWatcher<readonly RouteScopeConfig[]>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription {
    return this.#configuration.watchScopes(watcher, initialFetchTimeoutMs);
  }

  watchExtension(
    name: string,
    watcher: ResourceWatcher<ExtensionConfig>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription {
    return this.#configuration.watch(this.#configuration.extensions, name, watcher, initialFetchTimeoutMs);
  }

  /** One secret. Whoever needs it waits for it as long as it likes. */
  watchSecret(name: string, watcher: ResourceWatcher<SecretConfig>): ResourceSubscription {
    return this.#configuration.watch(this.#configuration.secrets, name, watcher, 0);
  }

  /** Calls back once, when listeners and clusters were answered, applied and are warm; at once when that is so. */
  onReady(callback: () => void): void {
    if (this.#ready) callback();
    else this.#waiting.push(callback);
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** How it stands with the control plane, for people. */
  get state(): { readonly connected: boolean; readonly lastGoodInUse: boolean; readonly lastEnd: string } {
    return {
      connected: this.#connected.value === 1,
      lastGoodInUse: this.#lastGoodInUse,
      lastEnd: this.#lastEnd,
    };
  }

  /** What is held and what was refused of one type. */
  resources(typeUrl: string): DiscoveredResources {
    return this.#configuration.resources(typeUrl);
  }

  /** What a resource was translated from, as it is held; undefined where it is not. Watchers are told after it is. */
  bytesOf(typeUrl: string, name: string): Uint8Array | undefined {
    return this.#configuration.typeOf(typeUrl)?.resources.get(name)?.bytes;
  }

  /** Whether a resource of this name is held. */
  holds(typeUrl: string, name: string): boolean {
    return this.#configuration.typeOf(typeUrl)?.resources.get(name) !== undefined;
  }

  /** Begins a new stream at once, where one is open: what proves who we are has changed. What was applied stays. */
  reconnect(): void {
    const stream = this.#stream;
    if (stream === undefined || this.#closed) return;
    this.#stream = undefined;
    stream.close();
    this.#connect();
  }

  /**
   * Writes the last good configuration now, and leaves it as it is from then on: whoever drains lets go of routes and
   * endpoints, and what is left is no configuration to start from.
   */
  async keepLastGood(): Promise<void> {
    this.#lastGoodKept = true;
    await this.#options.lastGood?.flush();
  }

  /** Ends the stream and every timer. What was applied stays. */
  close(): void {
    this.#closed = true;
    this.#stream?.close();
    this.#stream = undefined;
    this.#connected.set(0);
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#configuration.close();
    this.#options.lastGood?.close();
  }

  #setTimer(delayMs: number, callback: () => void): void {
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
  }

  // The stream

  #connect(): void {
    if (this.#closed) return;
    this.#sessions = new Map(
      this.#configuration.types
        .filter((type) => type.demands !== undefined || this.#configuration.isWanted(type))
        .map((type) => [type.typeUrl, new TypeSession(this.#options.variant, type)]),
    );
    this.#nodeSent = false;
    this.#connectedAtMs = this.#options.clock.monotonicMs();
    const stream = this.#options.transport.open(this.#options.variant, {
      onResponse: (response) => {
        if (this.#stream === stream) this.#onResponse(stream, response);
      },
      onEnd: (reason) => {
        if (this.#stream === stream) this.#onEnd(reason);
      },
    });
    this.#stream = stream;
    for (const counters of this.#counters.values()) counters.attempt.inc();
    this.#flush();
  }

  #onEnd(reason: string): void {
    this.#stream = undefined;
    this.#connected.set(0);
    this.#lastEnd = reason;
    if (this.#closed) return;
    for (const counters of this.#counters.values()) counters.failure.inc();
    // A server that has nothing new says nothing, so a stream that lasted counts as one that worked.
    if (this.#options.clock.monotonicMs() - this.#connectedAtMs > BACKOFF.maxMs) this.#backoff.reset();
    const delayMs = this.#backoff.nextDelayMs();
    this.#log.warn('control plane lost', { reason, retryInMs: Math.round(delayMs) });
    this.#setTimer(delayMs, () => this.#connect());
    this.#useLastGood('the control plane cannot be reached');
  }

  #onResponse(stream: AdsStream, response: DiscoveryResponse | DeltaDiscoveryResponse): void {
    this.#connected.set(1);
    this.#backoff.reset();
    const type = this.#configuration.typeOf(response.typeUrl);
    const session = this.#sessions.get(response.typeUrl);
    if (type === undefined || session === undefined || !session.begun) {
      this.#log.warn('an answer of a type that was not asked for is passed over', {
        typeUrl: response.typeUrl.slice(0, 200),
      });
      return;
    }
    this.#inbox.push(() => this.#handle(stream, type, session, response));
    if (this.#inbox.length >= MAX_WAITING_ANSWERS) stream.pause(true);
    void this.#work();
  }

  /** Handles what came in, one at a time. */
  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      for (let step = this.#inbox.shift(); step !== undefined; step = this.#inbox.shift()) {
        if (this.#closed) return;
        await step();
        if (this.#inbox.length === MAX_WAITING_ANSWERS - 1) this.#stream?.pause(false);
      }
    } finally {
      this.#working = false;
    }
  }

  async #handle(
    stream: AdsStream,
    type: DiscoveredType<unknown>,
    session: TypeSession,
    response: DiscoveryResponse | DeltaDiscoveryResponse,
  ): Promise<void> {
    const version = 'systemVersionInfo' in response ? response.systemVersionInfo : response.versionInfo;
    const update = session.receive(response);
    const problems = await this.#configuration.apply(type, update);
    if (this.#closed) return;
    type.note(version, problems.length === 0);
    this.#lastGoodInUse = false;
    const counters = this.#counters.get(type.typeUrl);
    if (problems.length === 0) counters?.success.inc();
    else counters?.rejected.inc();
    if (this.#stream === stream) {
      if (problems.length === 0) this.#send(session.ack(response.nonce, version));
      else {
        const text = nackText(type.type.noun, problems);
        this.#log.warn('configuration refused', { typeUrl: type.typeUrl, version, problems: text });
        this.#send(session.nack(response.nonce, text));
      }
    }
    // First, for it may open what is asked for then.
    this.#onAnswered(type);
    this.#flush();
    this.#save();
  }

  #onAnswered(type: DiscoveredType<unknown>): void {
    if (type.typeUrl === typeUrls.cluster && !this.#listenersOpen) {
      this.#configuration.targets.clusters.onReady(() => this.#openListeners());
    }
    this.#checkReady();
  }

  #openListeners(): void {
    if (this.#listenersOpen) return;
    this.#listenersOpen = true;
    this.#planFlush();
  }

  #checkReady(): void {
    if (this.#ready) return;
    if (!this.#configuration.isAnswered) return;
    const { clusters, listeners } = this.#configuration.targets;
    clusters.onReady(() =>
      listeners.onReady(() => {
        if (this.#ready || this.#closed) return;
        this.#ready = true;
        for (const callback of this.#waiting.splice(0)) callback();
        this.#save();
      }),
    );
  }

  /** Asks for what is wanted now, in the order of make-before-break, and forgets what is not. */
  #flush(): void {
    this.#flushPlanned = false;
    if (this.#closed) return;
    // While the last good configuration is taken over, nobody watches yet what will be watched.
    if (!this.#takingOver) this.#configuration.prune();
    if (this.#stream === undefined) return;
    const { runtime, types } = this.#configuration;
    this.#awaitsRuntime &&= this.#configuration.awaitsRuntime;
    for (const type of this.#awaitsRuntime ? [runtime] : types) {
      if (type.typeUrl === typeUrls.listener && !this.#listenersOpen) continue;
      const request = this.#sessions.get(type.typeUrl)?.subscribe();
      if (request !== undefined) this.#send(request);
    }
  }

  /** Names change many at a time: they are sent together, and one that goes and comes back is not sent at all. */
  #planFlush(): void {
    if (this.#flushPlanned || this.#closed) return;
    this.#flushPlanned = true;
    queueMicrotask(() => {
      if (this.#working)
        this.#flushPlanned = false; // the end of the step flushes
      else this.#flush();
    });
  }

  #send(request: Parameters<AdsStream['send']>[0]): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    // Only the first request says who asks; it is the same for the whole stream.
    stream.send(this.#nodeSent ? request : { ...request, node: this.#options.node });
    this.#nodeSent = true;
  }

  // The last good configuration

  #useLastGood(reason: string): void {
    const store = this.#options.lastGood;
    if (store === undefined || this.#lastGoodTried || this.#configuration.hasBegun) return;
    this.#lastGoodTried = true;
    this.#inbox.push(async () => {
      if (this.#configuration.hasBegun) return;
      const lastGood = await store.load();
      if (lastGood === undefined || this.#closed) return;
      this.#takingOver = true;
      await this.#configuration.takeOver(lastGood);
      this.#lastGoodInUse = true;
      this.#listenersOpen = true;
      this.#takingOver = false;
      this.#log.warn('serving from the last good configuration', {
        reason,
        writtenAt: new Date(lastGood.writtenAtMs).toISOString(),
        listeners: this.#configuration.listeners.resources.size,
        clusters: this.#configuration.clusters.resources.size,
      });
      // A stream that is open was told that we hold nothing.
      if (this.#stream !== undefined) this.reconnect();
      else this.#flush();
      this.#checkReady();
    });
    void this.#work();
  }

  /** Keeps what is held now, once it is whole. */
  #save(): void {
    if (!this.#ready || this.#lastGoodInUse || this.#lastGoodKept) return;
    this.#options.lastGood?.save(() => this.#configuration.lastGood());
  }
}
