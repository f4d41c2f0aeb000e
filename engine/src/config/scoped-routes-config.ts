import type { RouteConfig } from './route-config.js';

/** Which routes serve a request is told by a key that is made of its headers. Source: ScopedRoutes of the connection manager. */
export interface ScopedRoutesConfig {
  readonly name: string;
  readonly fragments: readonly ScopeFragmentConfig[];
  /** undefined: they are fetched (SRDS). */
  readonly scopes: readonly RouteScopeConfig[] | undefined;
  readonly scopesFetchTimeoutMs: number;
  readonly routesFetchTimeoutMs: number;
}

/** One part of the key, out of one header. Source: ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor. */
export interface ScopeFragmentConfig {
  /** Lower case. */
  readonly header: string;
  /** What the header's elements are parted by; empty: it is one. */
  readonly elementSeparator: string;
  readonly extract:
    | { readonly kind: 'index'; readonly index: number }
    /** The value of the first element that begins with this key. */
    | { readonly kind: 'element'; readonly separator: string; readonly key: string };
}

/** Source: envoy.config.route.v3.ScopedRouteConfiguration. */
export interface RouteScopeConfig {
  readonly name: string;
  readonly key: readonly string[];
  readonly routes:
    | { readonly kind: 'inline'; readonly config: RouteConfig }
    | { readonly kind: 'rds'; readonly name: string };
}
