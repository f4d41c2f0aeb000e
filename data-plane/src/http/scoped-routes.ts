import {
  createRouteTable,
  requestScopeKey,
  scopeKey,
  type FormatContext,
  type RequestHead,
  type RouteScopeConfig,
  type RouteTable,
  type ScopedRoutesConfig,
} from '@heddle/engine';
import type { ConfigSource, ResourceSubscription } from '../config-source.js';

/** Routes that serve one scope or more. */
interface ScopeRoutes {
  table: RouteTable | undefined;
  subscription: ResourceSubscription | undefined;
}

/** The routes of one connection manager, of which each request's scope chooses. */
export class ScopedRoutes {
  readonly #config: ScopedRoutesConfig;
  readonly #context: FormatContext;
  readonly #source: ConfigSource | undefined;
  #byKey: ReadonlyMap<string, ScopeRoutes> = new Map();
  /** Fetched ones, by name: scopes may share them. */
  readonly #fetched = new Map<string, ScopeRoutes>();
  #scopes: ResourceSubscription | undefined = undefined;
  #waiting = 1;
  #onWarm: (() => void) | undefined = undefined;

  constructor(config: ScopedRoutesConfig, context: FormatContext, source: ConfigSource | undefined) {
    this.#config = config;
    this.#context = context;
    this.#source = source;
  }

  /** The routes for a request; undefined: none are there for it, or they did not come yet. */
  find({ headers }: RequestHead): RouteTable | undefined {
    const key = requestScopeKey(this.#config.fragments, headers);
    return key === undefined ? undefined : this.#byKey.get(key)?.table;
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
    else if (this.#source === undefined) use(undefined);
    else
      this.#scopes = this.#source.watchScopes(
        { onUpdate: use, onAbsent: () => use(undefined) },
        scopesFetchTimeoutMs,
      );
  }

  close(): void {
    this.#scopes?.close();
    this.#scopes = undefined;
    for (const { subscription } of this.#fetched.values()) subscription?.close();
    this.#fetched.clear();
  }

  #use(scopes: readonly RouteScopeConfig[]): void {
    const byKey = new Map<string, ScopeRoutes>();
    const wanted = new Set<string>();
    for (const { key, routes } of scopes) {
      if (routes.kind === 'rds') wanted.add(routes.name);
      byKey.set(
        scopeKey(key),
        routes.kind === 'inline'
          ? { table: createRouteTable(routes.config, this.#context), subscription: undefined }
          : this.#fetch(routes.name),
      );
    }
    this.#byKey = byKey;
    for (const [name, { subscription }] of this.#fetched) {
      if (wanted.has(name)) continue;
      this.#fetched.delete(name);
      subscription?.close();
    }
  }

  #fetch(name: string): ScopeRoutes {
    const known = this.#fetched.get(name);
    if (known !== undefined) return known;
    const routes: ScopeRoutes = { table: undefined, subscription: undefined };
    this.#fetched.set(name, routes);
    this.#waiting++;
    let isFirst = true;
    const warmUp = (): void => {
      if (isFirst) this.#oneWarm();
      isFirst = false;
    };
    routes.subscription = this.#source?.watchRoutes(
      name,
      {
        onUpdate: (config) => {
          routes.table = createRouteTable(config, this.#context);
          warmUp();
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
