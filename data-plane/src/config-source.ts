import type {
  EndpointsConfig,
  ExtensionConfig,
  RouteConfig,
  RouteScopeConfig,
  RuntimeResourceConfig,
  VirtualHostConfig,
} from '@heddle/engine';

/**
 * Where clusters and listeners get the configuration that they refer to by name (EDS, RDS, SRDS, ECDS, RTDS), without knowing of xDS.
 * Implemented by the xDS client; a static bootstrap has none of these references.
 */
export interface ConfigSource {
  /** The endpoints of one EDS service name. `initialFetchTimeoutMs` is 15 s when left out; 0 waits without end. */
  watchEndpoints(
    serviceName: string,
    watcher: ResourceWatcher<EndpointsConfig>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription;
  /** One route configuration. */
  watchRoutes(
    name: string,
    watcher: ResourceWatcher<RouteConfig>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription;
  /** All scopes of routes. */
  watchScopes(
    watcher: ResourceWatcher<readonly RouteScopeConfig[]>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription;
  /**
   * The virtual hosts that were fetched for a table of routes, all of them each time that one changes. Left out, as what follows:
   * nothing can be asked for when it is needed.
   */
  watchVirtualHosts?(
    table: string,
    watcher: ResourceWatcher<readonly VirtualHostConfig[]>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription;
  /**
   * Asks for the virtual host of a domain in a table that is watched. `onAnswer` is called once, never inside this call, after who
   * watches the table was told. undefined: nothing is asked, for too much is already.
   */
  fetchVirtualHost?(table: string, domain: string, onAnswer: () => void): ResourceSubscription | undefined;
  /** Asks for one cluster. `onAnswer` is called once, never inside this call, when it was applied or is not there. undefined as above. */
  fetchCluster?(name: string, onAnswer: () => void): ResourceSubscription | undefined;
  /** One layer of runtime settings. */
  watchRuntime(
    name: string,
    watcher: ResourceWatcher<RuntimeResourceConfig>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription;
  /** The configuration of one filter. */
  watchExtension(
    name: string,
    watcher: ResourceWatcher<ExtensionConfig>,
    initialFetchTimeoutMs?: number,
  ): ResourceSubscription;
}

/** Told of every change of one resource, in order. The first call may come inside `watch…` when the resource is known. */
export interface ResourceWatcher<T> {
  /** Why this cannot be used here, which refuses it for everybody; undefined: it can. Left out: everything can. */
  whyNot?(config: T): string | undefined;
  /** The same of an extension, for those who ask in the place of another thread: what it may be. */
  readonly typeUrls?: readonly string[];
  onUpdate(config: T): void;
  /** The resource was removed, or did not come within `initial_fetch_timeout`: whoever warms may go on without it. */
  onAbsent(reason: 'removed' | 'timeout'): void;
}

export interface ResourceSubscription {
  close(): void;
}
