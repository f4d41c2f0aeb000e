import type { Clock, Logger } from '@heddle/common';
import {
  sameKeys,
  type ClusterConfig,
  type EndpointsConfig,
  type ExtensionConfig,
  type ListenerConfig,
  type NameTableConfig,
  type RouteConfig,
  type RouteScopeConfig,
  type RuntimeResourceConfig,
  type SecretConfig,
  type VirtualHostConfig,
} from '@heddle/engine';
import { typeUrls } from '@heddle/xds-protos';
import type { ResourceSubscription, ResourceWatcher } from '../config-source.js';
import type { DiscoveredResources } from '../discovered-resources.js';
import { DemandedNames } from './demanded-names.js';
import { DiscoveredType } from './discovered-type.js';
import type { LastGood } from './last-good-store.js';
import { nackText } from './nack-text.js';
import { NamedWatches } from './named-watches.js';
import type { ResourceProblem, ResourceUpdate } from './resource-set.js';
import {
  clusterType,
  endpointsType,
  extensionsType,
  listenerType,
  nameTableType,
  routesType,
  runtimeType,
  scopesType,
  secretsType,
  virtualHostsType,
} from './resource-type.js';
import { VirtualHostWatches } from './virtual-host-watches.js';

/** What is applied somewhere. The two managers are of this form. `bytes`: what `added` was translated from, in the same order. */
export interface ConfigTarget<T> {
  apply(
    added: readonly T[],
    removed: readonly string[],
    bytes: readonly Uint8Array[],
  ): Promise<readonly ResourceProblem[]> | readonly ResourceProblem[];
  onReady(callback: () => void): void;
}

export interface ConfigTargets {
  readonly clusters: ConfigTarget<ClusterConfig>;
  readonly listeners: ConfigTarget<ListenerConfig>;
  /** Needed where names are fetched. */
  readonly names?: { apply(tables: readonly NameTableConfig[]): readonly ResourceProblem[] };
}

export interface DiscoveredConfigurationOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether listeners, clusters and the names of the mesh are fetched, or only what static ones refer to. */
  readonly listeners: boolean;
  readonly clusters: boolean;
  readonly names: boolean;
  /** Whether the stream is one on which single virtual hosts and clusters can be asked for. */
  readonly onDemand: boolean;
  /** What keeps a secret from being used. */
  readonly checkSecret: (secret: SecretConfig) => string | undefined;
  /** What is watched by name has changed. */
  readonly onNamesChanged: () => void;
}

/** Envoy's default. */
export const INITIAL_FETCH_TIMEOUT_MS = 15_000;
/** What all scopes are watched by, which have names of their own only for the server. */
const ALL_SCOPES = '*';
const NEEDS_DELTA =
  'vhds: virtual hosts are fetched on a stream of the delta variant alone, and this one is of the state of the world';
/** Warnings of one answer that are written to the log. */
const MAX_LOGGED_WARNINGS = 20;

/**
 * What a proxy has of its configuration, whatever brought it: of each type what is held, who watches it, and where it is applied.
 *
 * Every update becomes the same `apply(added, removed)`; what was accepted stays until it is replaced or removed.
 */
export class DiscoveredConfiguration {
  readonly #options: DiscoveredConfigurationOptions;
  readonly clusters: DiscoveredType<ClusterConfig>;
  readonly endpoints: DiscoveredType<EndpointsConfig>;
  readonly listeners: DiscoveredType<ListenerConfig>;
  readonly routes: DiscoveredType<RouteConfig>;
  readonly virtualHosts: DiscoveredType<VirtualHostConfig>;
  readonly #hostWatches: VirtualHostWatches;
  readonly #clusterDemands: DemandedNames;
  readonly scopes: DiscoveredType<RouteScopeConfig>;
  readonly #scopeWatches: NamedWatches<readonly RouteScopeConfig[]>;
  readonly runtime: DiscoveredType<RuntimeResourceConfig>;
  readonly extensions: DiscoveredType<ExtensionConfig>;
  readonly secrets: DiscoveredType<SecretConfig>;
  readonly names: DiscoveredType<NameTableConfig>;
  /** In the order of make-before-break, in which they are asked for. */
  readonly types: readonly DiscoveredType<unknown>[];
  #targets: ConfigTargets | undefined;
  /** Something may be held that nobody watches. */
  #unpruned = false;

  constructor(options: DiscoveredConfigurationOptions) {
    const { clock } = options;
    this.#options = options;
    this.clusters = new DiscoveredType(clusterType, clock);
    this.clusters.isWanted = () => options.clusters;
    this.#clusterDemands = new DemandedNames(clock, options.onNamesChanged);
    this.clusters.demands = this.#clusterDemands;
    this.endpoints = new DiscoveredType(endpointsType, clock);
    this.listeners = new DiscoveredType(listenerType, clock);
    this.routes = new DiscoveredType(
      routesType(({ fetchesVirtualHosts }) =>
        fetchesVirtualHosts === undefined || options.onDemand ? undefined : NEEDS_DELTA,
      ),
      clock,
    );
    this.virtualHosts = new DiscoveredType(virtualHostsType, clock);
    this.#hostWatches = new VirtualHostWatches(this.virtualHosts.resources, {
      clock,
      defaultTimeoutMs: INITIAL_FETCH_TIMEOUT_MS,
      onNamesChanged: () => this.#onWatchesChanged(),
      onDemandsChanged: options.onNamesChanged,
    });
    this.virtualHosts.watches = this.#hostWatches;
    this.scopes = new DiscoveredType(scopesType, clock);
    this.runtime = new DiscoveredType(runtimeType, clock);
    this.extensions = new DiscoveredType(
      extensionsType((extension) =>
        (this.extensions.watches as NamedWatches<ExtensionConfig>).whyNot(extension.name, extension),
      ),
      clock,
    );
    this.secrets = new DiscoveredType(secretsType(options.checkSecret), clock);
    this.names = new DiscoveredType(nameTableType, clock);
    this.endpoints.watches = this.#watchesOf(this.endpoints);
    this.routes.watches = this.#watchesOf(this.routes);
    this.runtime.watches = this.#watchesOf(this.runtime);
    this.extensions.watches = this.#watchesOf(this.extensions);
    this.secrets.watches = this.#watchesOf(this.secrets);
    this.#scopeWatches = new NamedWatches({
      clock,
      defaultTimeoutMs: INITIAL_FETCH_TIMEOUT_MS,
      current: () => (this.scopes.answered ? this.#heldScopes() : undefined),
      onNamesChanged: options.onNamesChanged,
    });
    this.scopes.isWanted = () => this.#scopeWatches.has(ALL_SCOPES);
    this.types = [
      this.runtime,
      this.clusters,
      this.endpoints,
      this.names,
      this.listeners,
      this.scopes,
      this.routes,
      this.virtualHosts,
      this.extensions,
      this.secrets,
    ];
  }

  /** What comes from now on is applied there. */
  start(targets: ConfigTargets): void {
    this.#targets = targets;
  }

  close(): void {
    for (const type of this.types) type.watches?.close();
    this.#scopeWatches.close();
    this.#clusterDemands.close();
  }

  /** Errors: throws before `start`. */
  get targets(): ConfigTargets {
    if (this.#targets === undefined) throw new Error('nothing is started that could be configured');
    return this.#targets;
  }

  typeOf(typeUrl: string): DiscoveredType<unknown> | undefined {
    return this.types.find((one) => one.typeUrl === typeUrl);
  }

  /** Whether this proxy fetches resources of the type. */
  isWanted(type: DiscoveredType<unknown>): boolean {
    if (type.typeUrl === typeUrls.cluster) return this.#options.clusters;
    if (type.typeUrl === typeUrls.listener) return this.#options.listeners;
    if (type.typeUrl === typeUrls.nameTable) return this.#options.names;
    return true;
  }

  /** Whether all that is fetched as a whole has been answered. */
  get isAnswered(): boolean {
    const { clusters, listeners } = this.#options;
    return (!clusters || this.clusters.answered) && (!listeners || this.listeners.answered);
  }

  /** Whether anything of it came from a control plane, or from the last good configuration. */
  get hasBegun(): boolean {
    return this.clusters.answered || this.listeners.answered;
  }

  /** Whether runtime settings are waited for, by which all else may go. Source: Envoy, which starts with them. */
  get awaitsRuntime(): boolean {
    return (this.runtime.watches as NamedWatches<RuntimeResourceConfig>).isAwaited;
  }

  /** What is held and what was refused of one type. */
  resources(typeUrl: string): DiscoveredResources {
    const type = this.typeOf(typeUrl);
    return {
      versionInfo: type?.lastVersion ?? '',
      held: type?.resources.held() ?? [],
      missing: (type?.names() ?? []).filter((name) => type?.resources.get(name) === undefined),
      refused: type?.resources.refused() ?? [],
    };
  }

  watch<T>(
    type: DiscoveredType<T>,
    name: string,
    watcher: ResourceWatcher<T>,
    timeoutMs: number | undefined,
  ): ResourceSubscription {
    return (type.watches as NamedWatches<T>).watch(name, watcher, timeoutMs);
  }

  /** All scopes of routes together. */
  watchScopes(
    watcher: ResourceWatcher<readonly RouteScopeConfig[]>,
    timeoutMs: number | undefined,
  ): ResourceSubscription {
    return this.#scopeWatches.watch(ALL_SCOPES, watcher, timeoutMs);
  }

  /** All virtual hosts that were fetched for a table of routes. */
  watchVirtualHosts(
    table: string,
    watcher: ResourceWatcher<readonly VirtualHostConfig[]>,
    timeoutMs: number | undefined,
  ): ResourceSubscription {
    return this.#hostWatches.watchTable(table, watcher, timeoutMs);
  }

  /** See `ConfigSource`. */
  fetchVirtualHost(table: string, domain: string, onAnswer: () => void): ResourceSubscription | undefined {
    return this.#options.onDemand ? this.#hostWatches.ask(table, domain, onAnswer) : undefined;
  }

  /** See `ConfigSource`. */
  fetchCluster(name: string, onAnswer: () => void): ResourceSubscription | undefined {
    // A star would ask for all there are.
    return this.#options.onDemand && name !== '*' ? this.#clusterDemands.ask(name, onAnswer) : undefined;
  }

  /** Forgets what nobody watches any more. */
  prune(): void {
    if (!this.#unpruned) return;
    this.#unpruned = false;
    for (const type of this.types) type.prune();
  }

  /** Applies what came. What was wrong with it comes back; all else of it is in force then. */
  async apply(type: DiscoveredType<unknown>, update: ResourceUpdate): Promise<readonly ResourceProblem[]> {
    this.#unpruned = true;
    const warnings = (found: readonly ResourceProblem[]): void => {
      for (const { resource, message } of found.slice(0, MAX_LOGGED_WARNINGS)) {
        this.#options.log.info('configuration has a part without effect', {
          typeUrl: type.typeUrl,
          resource,
          what: message,
        });
      }
    };
    switch (type.typeUrl) {
      case typeUrls.cluster:
        return this.#applyClusters(update, warnings);
      case typeUrls.listener:
        return this.#applyWith(this.listeners, update, warnings, (added, removed, bytes) =>
          this.targets.listeners.apply(added, removed, bytes),
        );
      case typeUrls.clusterLoadAssignment:
        return this.#applyNamed(this.endpoints, update, warnings);
      case typeUrls.nameTable:
        return this.#applyWith(
          this.names,
          update,
          warnings,
          (added) => this.targets.names?.apply(added) ?? [],
        );
      case typeUrls.virtualHost:
        return this.#applyVirtualHosts(update, warnings);
      case typeUrls.scopedRouteConfiguration:
        return this.#applyScopes(update, warnings);
      case typeUrls.runtime:
        return this.#applyNamed(this.runtime, update, warnings);
      case typeUrls.extensionConfig:
        return this.#applyNamed(this.extensions, update, warnings);
      case typeUrls.secret:
        return this.#applyNamed(this.secrets, update, warnings);
      default:
        return this.#applyNamed(this.routes, update, warnings);
    }
  }

  /** Applies what was kept from an earlier run. What is refused of it now is told, and left out. */
  async takeOver(lastGood: LastGood): Promise<void> {
    const updateOf = (typeUrl: string): ResourceUpdate | undefined => {
      const kept = lastGood.types.find((one) => one.typeUrl === typeUrl);
      return kept && { resources: kept.resources, removed: [], complete: false };
    };
    const version = (typeUrl: string): string =>
      lastGood.types.find((one) => one.typeUrl === typeUrl)?.version ?? '';
    // What is referred to by name comes first, so that clusters and listeners find it when they are made.
    for (const type of [
      this.endpoints,
      this.routes,
      this.virtualHosts,
      this.extensions,
    ] as readonly DiscoveredType<unknown>[]) {
      const update = updateOf(type.typeUrl);
      if (update === undefined) continue;
      type.resources.commit(type.resources.stage(update, lastGood.writtenAtMs));
      type.acceptedVersion = version(type.typeUrl);
      type.lastVersion = type.acceptedVersion;
    }
    for (const type of [
      this.clusters,
      this.names,
      this.scopes,
      this.listeners,
    ] as readonly DiscoveredType<unknown>[]) {
      const update = updateOf(type.typeUrl);
      if (update === undefined || !this.isWanted(type)) continue;
      const problems = await this.apply(type, update);
      if (problems.length > 0) {
        this.#options.log.warn('a part of the last good configuration is refused now', {
          typeUrl: type.typeUrl,
          problems: nackText(type.type.noun, problems),
        });
      }
      type.note(problems.length === 0 ? version(type.typeUrl) : '', problems.length === 0);
    }
  }

  /** What `takeOver` would take. Cost: it names what is held and copies none of it. */
  lastGood(): LastGood {
    return {
      writtenAtMs: this.#options.clock.nowMs(),
      // Private keys are not written to any disk.
      types: this.types
        .filter((type) => type !== this.secrets)
        .map((type) => ({
          typeUrl: type.typeUrl,
          version: type.acceptedVersion,
          resources: type.resources
            .held()
            .map(({ name, version, bytes }) => ({ name, version, typeUrl: type.typeUrl, bytes })),
        })),
    };
  }

  async #applyWith<T>(
    type: DiscoveredType<T>,
    update: ResourceUpdate,
    warn: (found: readonly ResourceProblem[]) => void,
    apply: ConfigTarget<T>['apply'],
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
            changed.map((resource) => resource.bytes),
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

  async #applyClusters(
    update: ResourceUpdate,
    warn: (found: readonly ResourceProblem[]) => void,
  ): Promise<readonly ResourceProblem[]> {
    // Of what was asked for by name a server may say that it is not there.
    const resources = update.resources.filter(({ typeUrl, name }) => typeUrl !== '' || name === undefined);
    const problems = await this.#applyWith(
      this.clusters,
      { ...update, resources },
      warn,
      (added, removed, bytes) => this.targets.clusters.apply(added, removed, bytes),
    );
    for (const { name, typeUrl } of update.resources) {
      if (name === undefined) continue;
      if (typeUrl === '') this.#clusterDemands.missing([name]);
      else this.#clusterDemands.found(name, [name]);
    }
    if (update.removed.length > 0) this.#clusterDemands.missing(update.removed);
    return problems;
  }

  #applyVirtualHosts(
    update: ResourceUpdate,
    warn: (found: readonly ResourceProblem[]) => void,
  ): readonly ResourceProblem[] {
    const { resources } = this.virtualHosts;
    const staged = resources.stage(this.#hostWatches.wanted(update), this.#options.clock.nowMs());
    warn(staged.warnings);
    const conflicts = this.#hostWatches.conflicts(staged);
    resources.commit(staged, conflicts);
    this.#hostWatches.tell(update, staged);
    return [...staged.problems, ...[...conflicts].map(([resource, message]) => ({ resource, message }))];
  }

  async #applyScopes(
    update: ResourceUpdate,
    warn: (found: readonly ResourceProblem[]) => void,
  ): Promise<readonly ResourceProblem[]> {
    const problems = await this.#applyWith(this.scopes, update, warn, (added, removed) => {
      const names = new Set([...added.map(({ name }) => name), ...removed]);
      const kept = this.#heldScopes().filter(({ name }) => !names.has(name));
      return sameKeys([...kept, ...added]).map(({ scope, message }) => ({
        resource: scope.name,
        message: `key: ${message}`,
      }));
    });
    this.#scopeWatches.update(ALL_SCOPES, this.#heldScopes());
    return problems;
  }

  #heldScopes(): readonly RouteScopeConfig[] {
    return this.scopes.resources.held().map(({ value }) => value);
  }

  #onWatchesChanged(): void {
    this.#unpruned = true;
    this.#options.onNamesChanged();
  }

  #watchesOf<T>(type: DiscoveredType<T>): NamedWatches<T> {
    return new NamedWatches({
      clock: this.#options.clock,
      defaultTimeoutMs: INITIAL_FETCH_TIMEOUT_MS,
      current: (name) => type.resources.get(name)?.value,
      onNamesChanged: () => this.#onWatchesChanged(),
    });
  }
}
