import { Backoff, type Clock, type Logger, type Random, type Timer } from '@heddle/common';
import type {
  ClusterConfig,
  EndpointsConfig,
  ListenerConfig,
  NameTableConfig,
  RouteConfig,
  SecretConfig,
} from '@heddle/engine';
import { typeUrls, type envoy } from '@heddle/xds-protos';
import type { ConfigSource, ResourceSubscription, ResourceWatcher } from '../config-source.js';
import type { DiscoveredResources } from '../discovered-resources.js';
import type { Counter, Gauge, StatsStore } from '../stats/stats-store.js';
import type {
  AdsStream,
  AdsTransport,
  AdsVariant,
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from './ads-transport.js';
import { DiscoveredType } from './discovered-type.js';
import type { LastGood, LastGoodStore } from './last-good-store.js';
import { nackText } from './nack-text.js';
import { NamedWatches } from './named-watches.js';
import type { ResourceProblem, ResourceUpdate } from './resource-set.js';
import {
  clusterType,
  endpointsType,
  listenerType,
  nameTableType,
  routesType,
  secretsType,
} from './resource-type.js';
import { TypeSession } from './type-session.js';

/** What is applied somewhere. The two managers are of this form. */
export interface ConfigTargets {
  readonly clusters: {
    apply(
      added: readonly ClusterConfig[],
      removed: readonly string[],
    ): Promise<readonly ResourceProblem[]> | readonly ResourceProblem[];
    onReady(callback: () => void): void;
  };
  readonly listeners: {
    apply(
      added: readonly ListenerConfig[],
      removed: readonly string[],
    ): Promise<readonly ResourceProblem[]> | readonly ResourceProblem[];
    onReady(callback: () => void): void;
  };
  /** Needed where names are fetched. */
  readonly names?: { apply(tables: readonly NameTableConfig[]): readonly ResourceProblem[] };
}

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

/** Envoy's default. */
const INITIAL_FETCH_TIMEOUT_MS = 15_000;
const BACKOFF = { baseMs: 500, maxMs: 30_000, minMs: 20 };
const MAX_WAITING_ANSWERS = 16;
/** Warnings of one answer that are written to the log. */
const MAX_LOGGED_WARNINGS = 20;

/**
 * The proxy's side of the Aggregated Discovery Service, in both variants of the protocol.
 *
 * Shape: one stream; answers are handled one after the other, in the order in which they came. Every answer becomes the
 * same `apply(added, removed)`; what was accepted stays until it is replaced or removed, whatever happens to the stream.
 * Requests go out in the order of make-before-break: clusters, endpoints, listeners, routes. Listeners are asked for
 * once the first clusters are warm, so that no listener opens before what it routes to.
 * Source: the xDS protocol's description of nonces, ACK and NACK.
 */
export class XdsClient implements ConfigSource {
  readonly #options: XdsClientOptions;
  readonly #log: Logger;
  readonly #backoff: Backoff;
  readonly #clusters: DiscoveredType<ClusterConfig>;
  readonly #endpoints: DiscoveredType<EndpointsConfig>;
  readonly #listeners: DiscoveredType<ListenerConfig>;
  readonly #routes: DiscoveredType<RouteConfig>;
  readonly #secrets: DiscoveredType<SecretConfig>;
  readonly #names: DiscoveredType<NameTableConfig>;
  /** In the order in which requests are sent. */
  readonly #types: readonly DiscoveredType<unknown>[];
  readonly #connected: Gauge;
  readonly #counters: ReadonlyMap<string, UpdateCounters>;
  readonly #inbox: (() => Promise<void> | void)[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #timers = new Set<Timer>();

  #targets: ConfigTargets | undefined;
  #stream: AdsStream | undefined;
  #sessions = new Map<string, TypeSession>();
  #nodeSent = false;
  #lastGoodTried = false;
  #lastGoodInUse = false;
  #lastGoodKept = false;
  #takingOver = false;
  #listenersOpen: boolean;
  #working = false;
  #flushPlanned = false;
  #ready = false;
  #closed = false;
  #lastEnd = '';
  #connectedAtMs = 0;

  constructor(options: XdsClientOptions) {
    const { clock, stats } = options;
    this.#options = options;
    this.#log = options.log;
    this.#backoff = new Backoff({ ...BACKOFF, random: options.random });
    this.#clusters = new DiscoveredType(clusterType, clock);
    this.#endpoints = new DiscoveredType(endpointsType, clock);
    this.#listeners = new DiscoveredType(listenerType, clock);
    this.#routes = new DiscoveredType(routesType, clock);
    this.#secrets = new DiscoveredType(secretsType(options.checkSecret ?? (() => undefined)), clock);
    this.#names = new DiscoveredType(nameTableType, clock);
    this.#endpoints.watches = this.#watchesOf(this.#endpoints);
    this.#routes.watches = this.#watchesOf(this.#routes);
    this.#secrets.watches = this.#watchesOf(this.#secrets);
    this.#types = [
      this.#clusters,
      this.#endpoints,
      this.#names,
      this.#listeners,
      this.#routes,
      this.#secrets,
    ];
    this.#listenersOpen = !options.clusters;
    this.#connected = stats.gauge('control_plane.connected_state');
    this.#counters = new Map([
      [typeUrls.cluster, updateCounters(stats, 'cluster_manager.cds')],
      [typeUrls.listener, updateCounters(stats, 'listener_manager.lds')],
      [typeUrls.clusterLoadAssignment, updateCounters(stats, 'xds.eds')],
      [typeUrls.routeConfiguration, updateCounters(stats, 'xds.rds')],
      [typeUrls.secret, updateCounters(stats, 'xds.sds')],
      [typeUrls.nameTable, updateCounters(stats, 'xds.nds')],
    ]);
  }

  /** Connects, and keeps what comes applied to `targets` until `close`. */
  start(targets: ConfigTargets): void {
    this.#targets = targets;
    if (!this.#options.clusters) targets.clusters.onReady(() => this.#openListeners());
    this.#connect();
    this.#checkReady();
    if (this.#options.lastGood !== undefined) {
      this.#setTimer(this.#options.lastGoodDelayMs ?? 1000, () => this.#useLastGood('no answer in time'));
    }
    const timeoutMs = this.#options.initialFetchTimeoutMs ?? INITIAL_FETCH_TIMEOUT_MS;
    if (timeoutMs > 0 && this.#options.clusters) {
      this.#setTimer(timeoutMs, () => {
        if (this.#clusters.answered) return;
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
    return this.#watch(this.#endpoints, serviceName, watcher, initialFetchTimeoutMs);
  }

  watchRoutes(
    name: string,
    watcher: ResourceWatcher<RouteConfig>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription {
    return this.#watch(this.#routes, name, watcher, initialFetchTimeoutMs);
  }

  /** One secret. Whoever needs it waits for it as long as it likes. */
  watchSecret(name: string, watcher: ResourceWatcher<SecretConfig>): ResourceSubscription {
    return this.#watch(this.#secrets, name, watcher, 0);
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
    const type = this.#types.find((one) => one.typeUrl === typeUrl);
    return {
      versionInfo: type?.lastVersion ?? '',
      held: type?.resources.held() ?? [],
      missing: (type?.names() ?? []).filter((name) => type?.resources.get(name) === undefined),
      refused: type?.resources.refused() ?? [],
    };
  }

  /** Whether a resource of this name is held. */
  holds(typeUrl: string, name: string): boolean {
    return this.#types.find((one) => one.typeUrl === typeUrl)?.resources.get(name) !== undefined;
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
    this.#endpoints.watches?.close();
    this.#routes.watches?.close();
    this.#secrets.watches?.close();
    this.#options.lastGood?.close();
  }

  #watchesOf<T>(type: DiscoveredType<T>): NamedWatches<T> {
    return new NamedWatches({
      clock: this.#options.clock,
      defaultTimeoutMs: INITIAL_FETCH_TIMEOUT_MS,
      current: (name) => type.resources.get(name)?.value,
      onNamesChanged: () => this.#planFlush(),
    });
  }

  #watch<T>(
    type: DiscoveredType<T>,
    name: string,
    watcher: ResourceWatcher<T>,
    timeoutMs: number | undefined,
  ): ResourceSubscription {
    return (type.watches as NamedWatches<T>).watch(name, watcher, timeoutMs);
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
      this.#types
        .filter((type) => this.#isWanted(type))
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

  #isWanted(type: DiscoveredType<unknown>): boolean {
    if (type.typeUrl === typeUrls.cluster) return this.#options.clusters;
    if (type.typeUrl === typeUrls.listener) return this.#options.listeners;
    if (type.typeUrl === typeUrls.nameTable) return this.#options.names === true;
    return true;
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
    const type = this.#types.find((one) => one.typeUrl === response.typeUrl);
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
    const problems = await this.#apply(type, update);
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
    this.#flush();
    this.#onAnswered(type);
    this.#save();
  }

  #onAnswered(type: DiscoveredType<unknown>): void {
    const targets = this.#targets as ConfigTargets;
    if (type.typeUrl === typeUrls.cluster && !this.#listenersOpen) {
      targets.clusters.onReady(() => this.#openListeners());
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
    const { clusters, listeners } = this.#options;
    if ((clusters && !this.#clusters.answered) || (listeners && !this.#listeners.answered)) return;
    const targets = this.#targets as ConfigTargets;
    targets.clusters.onReady(() =>
      targets.listeners.onReady(() => {
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
    if (!this.#takingOver) {
      this.#endpoints.prune();
      this.#routes.prune();
      this.#secrets.prune();
    }
    if (this.#stream === undefined) return;
    for (const type of this.#types) {
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

  // The configuration

  async #apply(type: DiscoveredType<unknown>, update: ResourceUpdate): Promise<readonly ResourceProblem[]> {
    const warnings = (found: readonly ResourceProblem[]): void => {
      for (const { resource, message } of found.slice(0, MAX_LOGGED_WARNINGS)) {
        this.#log.info('configuration has a part without effect', {
          typeUrl: type.typeUrl,
          resource,
          what: message,
        });
      }
    };
    switch (type.typeUrl) {
      case typeUrls.cluster:
        return this.#applyWith(this.#clusters, update, warnings, (added, removed) =>
          (this.#targets as ConfigTargets).clusters.apply(added, removed),
        );
      case typeUrls.listener:
        return this.#applyWith(this.#listeners, update, warnings, (added, removed) =>
          (this.#targets as ConfigTargets).listeners.apply(added, removed),
        );
      case typeUrls.clusterLoadAssignment:
        return this.#applyNamed(this.#endpoints, update, warnings);
      case typeUrls.nameTable:
        return this.#applyWith(
          this.#names,
          update,
          warnings,
          (added) => (this.#targets as ConfigTargets).names?.apply(added) ?? [],
        );
      case typeUrls.secret:
        return this.#applyNamed(this.#secrets, update, warnings);
      default:
        return this.#applyNamed(this.#routes, update, warnings);
    }
  }

  async #applyWith<T>(
    type: DiscoveredType<T>,
    update: ResourceUpdate,
    warn: (found: readonly ResourceProblem[]) => void,
    apply: (
      added: readonly T[],
      removed: readonly string[],
    ) => Promise<readonly ResourceProblem[]> | readonly ResourceProblem[],
  ): Promise<readonly ResourceProblem[]> {
    const staged = type.resources.stage(update, this.#options.clock.nowMs());
    warn(staged.warnings);
    const { changed, removed } = staged;
    const found =
      changed.length === 0 && removed.length === 0
        ? []
        : await apply(
            changed.map((resource) => resource.value),
            removed,
          );
    type.resources.commit(staged, new Map(found.map(({ resource, message }) => [resource, message])));
    return [...staged.problems, ...found];
  }

  #applyNamed<T>(
    type: DiscoveredType<T>,
    update: ResourceUpdate,
    warn: (found: readonly ResourceProblem[]) => void,
  ): readonly ResourceProblem[] {
    const watches = type.watches as NamedWatches<T>;
    // What nobody watches (any more) is passed over: a server may send more than was asked for.
    const wanted = update.resources.filter((one) => one.name === undefined || watches.has(one.name));
    const staged = type.resources.stage({ ...update, resources: wanted }, this.#options.clock.nowMs());
    warn(staged.warnings);
    type.resources.commit(staged);
    for (const { name, value } of staged.changed) watches.update(name, value);
    for (const name of update.removed) watches.remove(name);
    return staged.problems;
  }

  // The last good configuration

  #useLastGood(reason: string): void {
    const store = this.#options.lastGood;
    if (store === undefined || this.#lastGoodTried || this.#clusters.answered || this.#listeners.answered) {
      return;
    }
    this.#lastGoodTried = true;
    this.#inbox.push(async () => {
      if (this.#clusters.answered || this.#listeners.answered) return;
      const lastGood = await store.load();
      if (lastGood === undefined || this.#closed) return;
      this.#takingOver = true;
      await this.#applyLastGood(lastGood);
      this.#takingOver = false;
      this.#log.warn('serving from the last good configuration', {
        reason,
        writtenAt: new Date(lastGood.writtenAtMs).toISOString(),
        listeners: this.#listeners.resources.size,
        clusters: this.#clusters.resources.size,
      });
      // A stream that is open was told that we hold nothing.
      if (this.#stream !== undefined) this.reconnect();
      else this.#flush();
      this.#checkReady();
    });
    void this.#work();
  }

  async #applyLastGood(lastGood: LastGood): Promise<void> {
    const updateOf = (typeUrl: string): ResourceUpdate | undefined => {
      const kept = lastGood.types.find((one) => one.typeUrl === typeUrl);
      return kept && { resources: kept.resources, removed: [], complete: false };
    };
    const version = (typeUrl: string): string =>
      lastGood.types.find((one) => one.typeUrl === typeUrl)?.version ?? '';
    // What is referred to by name comes first, so that clusters and listeners find it when they are made.
    for (const type of [this.#endpoints, this.#routes] as readonly DiscoveredType<unknown>[]) {
      const update = updateOf(type.typeUrl);
      if (update === undefined) continue;
      type.resources.commit(type.resources.stage(update, lastGood.writtenAtMs));
      type.acceptedVersion = version(type.typeUrl);
      type.lastVersion = type.acceptedVersion;
    }
    for (const type of [this.#clusters, this.#names, this.#listeners] as readonly DiscoveredType<unknown>[]) {
      const update = updateOf(type.typeUrl);
      if (update === undefined || !this.#isWanted(type)) continue;
      const problems = await this.#apply(type, update);
      if (problems.length > 0) {
        this.#log.warn('a part of the last good configuration is refused now', {
          typeUrl: type.typeUrl,
          problems: nackText(type.type.noun, problems),
        });
      }
      type.note(problems.length === 0 ? version(type.typeUrl) : '', problems.length === 0);
    }
    this.#lastGoodInUse = true;
    this.#listenersOpen = true;
  }

  /** Keeps what is held now, once it is whole. */
  #save(): void {
    if (!this.#ready || this.#lastGoodInUse || this.#lastGoodKept) return;
    this.#options.lastGood?.save(() => ({
      writtenAtMs: this.#options.clock.nowMs(),
      // Private keys are not written to any disk.
      types: this.#types
        .filter((type) => type !== this.#secrets)
        .map((type) => ({
          typeUrl: type.typeUrl,
          version: type.acceptedVersion,
          resources: type.resources
            .held()
            .map(({ name, version, bytes }) => ({ name, version, typeUrl: type.typeUrl, bytes })),
        })),
    }));
  }
}

interface UpdateCounters {
  readonly attempt: Counter;
  readonly success: Counter;
  readonly failure: Counter;
  readonly rejected: Counter;
  readonly initFetchTimeout: Counter;
}

function updateCounters(stats: StatsStore, prefix: string): UpdateCounters {
  return {
    attempt: stats.counter(`${prefix}.update_attempt`),
    success: stats.counter(`${prefix}.update_success`),
    failure: stats.counter(`${prefix}.update_failure`),
    rejected: stats.counter(`${prefix}.update_rejected`),
    initFetchTimeout: stats.counter(`${prefix}.init_fetch_timeout`),
  };
}
