/* `HTTPRoute` of gateway.networking.k8s.io. What the schemas of `source/schema` let through: every field may be absent. */

export interface PathModifierSpec {
  readonly type: string;
  readonly replaceFullPath?: string;
  readonly replacePrefixMatch?: string;
}

export interface HeaderModifierSpec {
  readonly set?: readonly { readonly name: string; readonly value: string }[];
  readonly add?: readonly { readonly name: string; readonly value: string }[];
  readonly remove?: readonly string[];
}

export interface BackendRefSpec {
  readonly kind?: string;
  readonly name: string;
  readonly namespace?: string;
  readonly port?: number;
}

export interface HttpRouteFilterSpec {
  readonly type: string;
  readonly requestHeaderModifier?: HeaderModifierSpec;
  readonly responseHeaderModifier?: HeaderModifierSpec;
  readonly requestMirror?: {
    readonly backendRef: BackendRefSpec;
    readonly percent?: number;
    readonly fraction?: { readonly numerator: number; readonly denominator?: number };
  };
  readonly requestRedirect?: {
    readonly scheme?: string;
    readonly hostname?: string;
    readonly path?: PathModifierSpec;
    readonly port?: number;
    readonly statusCode?: number;
  };
  readonly urlRewrite?: { readonly hostname?: string; readonly path?: PathModifierSpec };
}

export interface HttpRouteMatchSpec {
  readonly path?: { readonly type?: string; readonly value?: string };
  readonly headers?: readonly { readonly type?: string; readonly name: string; readonly value: string }[];
  readonly queryParams?: readonly { readonly type?: string; readonly name: string; readonly value: string }[];
  readonly method?: string;
}

export interface HttpRouteSpec {
  readonly parentRefs: readonly {
    readonly group?: string;
    readonly kind?: string;
    readonly name: string;
    readonly namespace?: string;
    readonly sectionName?: string;
    readonly port?: number;
  }[];
  readonly hostnames?: readonly string[];
  readonly rules?: readonly {
    readonly name?: string;
    readonly matches?: readonly HttpRouteMatchSpec[];
    readonly filters?: readonly HttpRouteFilterSpec[];
    readonly backendRefs?: readonly (BackendRefSpec & {
      readonly weight?: number;
      readonly filters?: readonly HttpRouteFilterSpec[];
    })[];
    readonly timeouts?: { readonly request?: string; readonly backendRequest?: string };
    readonly retry?: {
      readonly codes?: readonly number[];
      readonly attempts?: number;
      readonly backoff?: string;
    };
  }[];
}
