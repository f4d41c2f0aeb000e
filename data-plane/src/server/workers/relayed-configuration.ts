import type {
  EndpointsConfig,
  ExtensionConfig,
  RouteConfig,
  RouteScopeConfig,
  RuntimeResourceConfig,
  SecretConfig,
  Translated,
  VirtualHostConfig,
} from '@heddle/engine';
import { envoy } from '@heddle/xds-protos';
import type { ApplyProblem } from '../../cluster/cluster-manager.js';
import type { ResourceSubscription, ResourceWatcher } from '../../config-source.js';
import type { DiscoveredResources } from '../../discovered-resources.js';
import type { ConfigTarget, ConfigTargets } from '../../xds/discovered-configuration.js';
import {
  clusterType,
  endpointsType,
  extensionsType,
  listenerType,
  routesType,
  runtimeType,
  scopesType,
  secretsType,
  virtualHostsType,
  type ResourceType,
} from '../../xds/resource-type.js';
import type { ConfigurationClient } from '../configuration-client.js';
import type { ToMain, ToWorker, WatchedType } from './messages.js';

/** The main thread, as far as configuration goes. */
export interface ConfigurationLink {
  tell<K extends 'watch' | 'unwatch'>(kind: K, body: ToMain[K]['body']): void;
}

const routeType = routesType(() => undefined);
const secretType = secretsType(() => undefined);
const extensionType = extensionsType(() => undefined);
const NOTHING: DiscoveredResources = { versionInfo: '', held: [], missing: [], refused: [] };

/**
 * A worker's source of configuration: the main thread, which has the only stream to the control plane and hands down each resource as
 * it came. What it accepted is translated again here, by the same code.
 */
export class RelayedConfiguration implements ConfigurationClient {
  readonly #link: ConfigurationLink;
  readonly #watches = new Map<
    number,
    (bytes: Uint8Array | undefined, absent: 'removed' | 'timeout') => void
  >();
  #lastWatch = 0;
  #targets: ConfigTargets | undefined;

  constructor(link: ConfigurationLink) {
    this.#link = link;
  }

  start(targets: ConfigTargets): void {
    this.#targets = targets;
  }

  applyClusters(message: ToWorker['clusters']['body']): Promise<readonly ApplyProblem[]> {
    return apply(clusterType, this.#targets?.clusters, message);
  }

  applyListeners(message: ToWorker['listeners']['body']): Promise<readonly ApplyProblem[]> {
    return apply(listenerType, this.#targets?.listeners, message);
  }

  onResource({ watch, bytes, absent = 'removed' }: ToWorker['resource']['body']): void {
    this.#watches.get(watch)?.(bytes, absent);
  }

  watchEndpoints(
    name: string,
    watcher: ResourceWatcher<EndpointsConfig>,
    timeoutMs?: number,
  ): ResourceSubscription {
    return this.#watch('endpoints', endpointsType, name, watcher, timeoutMs);
  }

  watchRoutes(name: string, watcher: ResourceWatcher<RouteConfig>, timeoutMs?: number): ResourceSubscription {
    return this.#watch('routes', routeType, name, watcher, timeoutMs);
  }

  watchVirtualHosts(
    table: string,
    watcher: ResourceWatcher<readonly VirtualHostConfig[]>,
    timeoutMs?: number,
  ): ResourceSubscription {
    return this.#watch('virtualHosts', allOf(virtualHostsType), table, watcher, timeoutMs);
  }

  fetchVirtualHost(table: string, domain: string, onAnswer: () => void): ResourceSubscription {
    return this.#ask('demandedHost', `${table}/${domain}`, onAnswer);
  }

  fetchCluster(name: string, onAnswer: () => void): ResourceSubscription {
    return this.#ask('demandedCluster', name, onAnswer);
  }

  watchRuntime(
    name: string,
    watcher: ResourceWatcher<RuntimeResourceConfig>,
    timeoutMs?: number,
  ): ResourceSubscription {
    return this.#watch('runtime', runtimeType, name, watcher, timeoutMs);
  }

  watchScopes(
    watcher: ResourceWatcher<readonly RouteScopeConfig[]>,
    timeoutMs?: number,
  ): ResourceSubscription {
    return this.#watch('scopes', allOf(scopesType), '', watcher, timeoutMs);
  }

  watchExtension(
    name: string,
    watcher: ResourceWatcher<ExtensionConfig>,
    timeoutMs?: number,
  ): ResourceSubscription {
    return this.#watch('extension', extensionType, name, watcher, timeoutMs);
  }

  /** `cluster`: the static one whose SDS has it; default: the control plane. */
  watchSecret(name: string, watcher: ResourceWatcher<SecretConfig>, cluster?: string): ResourceSubscription {
    return this.#watch('secret', secretType, name, watcher, undefined, cluster);
  }

  /** The main thread knows when everything is there; nobody waits for it here. */
  onReady(): void {
    // It is asked of the managers themselves.
  }

  get state(): ConfigurationClient['state'] {
    return { connected: false, lastGoodInUse: false, lastEnd: '' };
  }

  resources(): DiscoveredResources {
    return NOTHING;
  }

  bytesOf(): undefined {
    return undefined;
  }

  holds(): boolean {
    return false;
  }

  reconnect(): void {
    // There is no stream of ours.
  }

  keepLastGood(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#watches.clear();
    this.#targets = undefined;
  }

  #ask(type: WatchedType, name: string, onAnswer: () => void): ResourceSubscription {
    const anything = {
      translate: (): Translated<undefined> => ({ ok: true, value: undefined, warnings: [] }),
    };
    const subscription = this.#watch(
      type,
      anything,
      name,
      {
        onUpdate: () => {
          subscription.close();
          onAnswer();
        },
        onAbsent: () => {
          subscription.close();
          onAnswer();
        },
      },
      undefined,
    );
    return subscription;
  }

  #watch<T>(
    type: WatchedType,
    resourceType: Pick<ResourceType<T>, 'translate'>,
    name: string,
    watcher: ResourceWatcher<T>,
    timeoutMs: number | undefined,
    cluster?: string,
  ): ResourceSubscription {
    const watch = ++this.#lastWatch;
    this.#watches.set(watch, (bytes, absent) => {
      if (bytes === undefined) {
        watcher.onAbsent(absent);
        return;
      }
      const translated = resourceType.translate(bytes);
      // What cannot be used here leaves the one before it in force.
      if (translated.ok && watcher.whyNot?.(translated.value) === undefined)
        watcher.onUpdate(translated.value);
    });
    const { typeUrls } = watcher;
    this.#link.tell('watch', { watch, type, name, timeoutMs, typeUrls, cluster });
    return {
      close: () => {
        if (this.#watches.delete(watch)) this.#link.tell('unwatch', { watch });
      },
    };
  }
}

/** Resources of a type that come as one. */
function allOf<T>({ translate }: ResourceType<T>): Pick<ResourceType<readonly T[]>, 'translate'> {
  return {
    translate: (bytes) => {
      const { resources } = envoy.service.discovery.v3.DiscoveryResponse.decode(bytes);
      const all = resources.map(({ value }) => translate(value));
      return { ok: true, value: all.flatMap((one) => (one.ok ? one.value : [])), warnings: [] };
    },
  };
}

async function apply<T extends { readonly name: string }>(
  type: ResourceType<T>,
  target: ConfigTarget<T> | undefined,
  { added, removed }: ToWorker['clusters']['body'],
): Promise<readonly ApplyProblem[]> {
  const values: T[] = [];
  const problems: ApplyProblem[] = [];
  for (const bytes of added) {
    const translated: Translated<T> = type.translate(bytes);
    if (translated.ok) values.push(translated.value);
    else problems.push(...translated.problems.map(({ message }) => ({ resource: '', message })));
  }
  if (target === undefined) return problems;
  return [...problems, ...(await target.apply(values, removed, added))];
}
