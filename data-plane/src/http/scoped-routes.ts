import {
  requestScopeKey,
  scopeKey,
  type RequestHead,
  type RouteConfig,
  type RouteScopeConfig,
  type ScopedRoutesConfig,
} from '@heddle/engine';
import type { ResourceSubscription } from '../config-source.js';
import { LiveRoutes, type LiveRoutesOptions } from './live-routes.js';

/** Routes that serve one scope or more. */
interface ScopeRoutes {
  readonly live: LiveRoutes;
  subscription: ResourceSubscription | undefined;
}

/** The routes of one connection manager, of which each request's scope chooses. */
export class ScopedRoutes {
  readonly #config: ScopedRoutesConfig;
  readonly #options: LiveRoutesOptions;
  #byKey: ReadonlyMap<string, ScopeRoutes> = new Map();
  /** Fetched ones, by name: scopes may share them. */
  readonly #fetched = new Map<string, ScopeRoutes>();
  #scopes: ResourceSubscription | undefined = undefined;
  #waiting = 1;
  #onWarm: (() => void) | undefined = undefined;

  constructor(config: ScopedRoutesConfig, options: LiveRoutesOptions) {
    this.#config = config;
    this.#options = options;
  }

  /** The routes for a request; undefined: none are there for it, or they did not come yet. */
  find({ headers }: RequestHead): LiveRoutes | undefined {
    const key = requestScopeKey(this.#config.fragments, headers);
    return key === undefined ? undefined : this.#byKey.get(key)?.live;
  }

  /** Fetches what is fetched. `onWarm` is called once, maybe inside this call, when the first scopes have their routes. */
  start(onWarm: () => void): void {
    this.#onWarm = onWarm;
    const { scopes, scopesFetchTimeoutMs } = this.#config;
    let isFirst = true;
    const use = (current: readonly RouteScopeConfig[] | undefined): void => {
      if (current !== undefined) this.#use(current);
      if (isFirst) this.#oneWarm();
      isFirst = false;
    };
    if (scopes !== undefined) use(scopes);
    else if (this.#options.configSource === undefined) use(undefined);
    else
      this.#scopes = this.#options.configSource.watchScopes(
        { onUpdate: use, onAbsent: () => use(undefined) },
        scopesFetchTimeoutMs,
      );
  }

  close(): void {
    this.#scopes?.close();
    this.#scopes = undefined;
    for (const routes of [...this.#fetched.values(), ...this.#byKey.values()]) end(routes);
    this.#fetched.clear();
  }

  #use(scopes: readonly RouteScopeConfig[]): void {
    for (const routes of this.#byKey.values()) if (routes.subscription === undefined) routes.live.close();
    const byKey = new Map<string, ScopeRoutes>();
    const wanted = new Set<string>();
    for (const { key, routes } of scopes) {
      if (routes.kind === 'rds') wanted.add(routes.name);
      byKey.set(
        scopeKey(key),
        routes.kind === 'inline' ? this.#made(routes.config) : this.#fetch(routes.name),
      );
    }
    this.#byKey = byKey;
    for (const [name, routes] of this.#fetched) {
      if (wanted.has(name)) continue;
      this.#fetched.delete(name);
      end(routes);
    }
  }

  #made(config: RouteConfig | undefined): ScopeRoutes {
    const live = new LiveRoutes(this.#options);
    if (config !== undefined) live.use(config);
    return { live, subscription: undefined };
  }

  #fetch(name: string): ScopeRoutes {
    const known = this.#fetched.get(name);
    if (known !== undefined) return known;
    const routes = this.#made(undefined);
    this.#fetched.set(name, routes);
    this.#waiting++;
    let isFirst = true;
    const warmUp = (): void => {
      if (isFirst) this.#oneWarm();
      isFirst = false;
    };
    routes.subscription = this.#options.configSource?.watchRoutes(
      name,
      {
        onUpdate: (config) => {
          routes.live.use(config, warmUp);
        },
        // The last good routes stay when there are any.
        onAbsent: warmUp,
      },
      this.#config.routesFetchTimeoutMs,
    );
    if (routes.subscription === undefined) warmUp();
    return routes;
  }

  #oneWarm(): void {
    if (--this.#waiting > 0) return;
    const onWarm = this.#onWarm;
    this.#onWarm = undefined;
    onWarm?.();
  }
}

function end({ live, subscription }: ScopeRoutes): void {
  subscription?.close();
  live.close();
}
