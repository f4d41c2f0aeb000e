import type {
  EndpointsConfig,
  ExtensionConfig,
  RouteConfig,
  RouteScopeConfig,
  RuntimeResourceConfig,
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
  onUpdate(config: T): void;
  /** The resource was removed, or did not come within `initial_fetch_timeout`: whoever warms may go on without it. */
  onAbsent(reason: 'removed' | 'timeout'): void;
}

export interface ResourceSubscription {
  close(): void;
}
