/** One rule of HTTP routing, as VirtualService and HTTPRoute both say it. The first whose matches hold is taken. */
export interface HttpRoute {
  /** For logs: `NAMESPACE/RESOURCE/RULE`. */
  readonly name: string;
  /** Any of them; empty: every request. */
  readonly matches: readonly HttpMatch[];
  readonly action: HttpRouteAction;
  readonly requestHeaders: HeaderEdits;
  readonly responseHeaders: HeaderEdits;
  readonly fault: HttpFault | undefined;
  /**
   * How an HTTPRoute's rule stands among those of other HTTPRoutes: greater texts first. undefined: the order of its
   * resource holds.
   */
  readonly rank: string | undefined;
}

export type TextMatch =
  | { readonly kind: 'exact' | 'prefix' | 'regex'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'present' };

export interface HttpMatch {
  readonly name: string;
  /** `path-prefix` ends at a `/` (`/a` matches `/a/b`, not `/ab`). */
  readonly path:
    | {
        readonly kind: 'exact' | 'prefix' | 'path-prefix' | 'regex';
        readonly value: string;
        readonly ignoreCase: boolean;
      }
    | undefined;
  readonly scheme: TextMatch | undefined;
  readonly method: TextMatch | undefined;
  readonly authority: TextMatch | undefined;
  /** Names in lower case, ordered. */
  readonly headers: readonly { readonly name: string; readonly match: TextMatch; readonly invert: boolean }[];
  readonly queryParameters: readonly { readonly name: string; readonly match: TextMatch }[];
  /** The port the caller asked for. */
  readonly port: number | undefined;
  readonly sourceLabels: Readonly<Record<string, string>>;
  readonly sourceNamespace: string;
  /** Instead of the binding's gateways; undefined: all of them. */
  readonly gateways: readonly string[] | undefined;
}

export type HttpRouteAction =
  | ForwardTo
  | {
      readonly kind: 'redirect';
      readonly scheme: string;
      readonly authority: string;
      readonly port: number | undefined;
      /** Replaces the whole path, or the matched prefix. */
      readonly path: { readonly kind: 'full' | 'prefix'; readonly value: string } | undefined;
      readonly status: number;
    }
  | { readonly kind: 'direct-response'; readonly status: number; readonly body: Uint8Array };

export interface ForwardTo {
  readonly kind: 'forward';
  /** Empty: nothing to forward to, every request is answered 500 (HTTPRoute) . */
  readonly destinations: readonly WeightedDestination[];
  readonly rewritePath:
    | { readonly kind: 'full' | 'prefix'; readonly value: string }
    | { readonly kind: 'regex'; readonly regex: string; readonly substitution: string }
    | undefined;
  readonly rewriteAuthority: string;
  /** undefined: no timeout. */
  readonly timeoutMs: number | undefined;
  /** undefined: Istio's default. */
  readonly retries: HttpRetries | undefined;
  readonly mirrors: readonly {
    readonly host: string;
    readonly port: number | undefined;
    readonly subset: string;
    readonly percent: number;
  }[];
  readonly cors: CorsRules | undefined;
}

export interface WeightedDestination {
  /** Fully qualified. */
  readonly host: string;
  /** undefined: the service's only port, or the port the caller asked for. */
  readonly port: number | undefined;
  readonly subset: string;
  readonly weight: number;
  readonly requestHeaders: HeaderEdits;
  readonly responseHeaders: HeaderEdits;
}

export interface HeaderEdits {
  readonly set: readonly (readonly [string, string])[];
  readonly add: readonly (readonly [string, string])[];
  readonly remove: readonly string[];
}

export interface HttpRetries {
  readonly attempts: number;
  readonly perTryTimeoutMs: number | undefined;
  /** Empty: Istio's conditions. */
  readonly retryOn: string;
  readonly statusCodes: readonly number[];
  readonly backoffMs: number | undefined;
  readonly ignorePreviousHosts: boolean;
}

export interface CorsRules {
  readonly allowOrigins: readonly TextMatch[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeSeconds: number | undefined;
  readonly allowCredentials: boolean | undefined;
}

export interface HttpFault {
  readonly delay: { readonly percent: number; readonly fixedMs: number } | undefined;
  readonly abort: { readonly percent: number; readonly status: number } | undefined;
}
