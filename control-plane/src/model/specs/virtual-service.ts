import type {
  DestinationSpec,
  HeaderEditsSpec,
  PercentSpec,
  StringMatchSpec,
  Texts,
} from './shared-fields.js';

/* `VirtualService` of networking.istio.io. What the schemas of `source/schema` let through: every field may be absent. */

export interface HttpMatchSpec {
  readonly name?: string;
  readonly uri?: StringMatchSpec;
  readonly scheme?: StringMatchSpec;
  readonly method?: StringMatchSpec;
  readonly authority?: StringMatchSpec;
  readonly headers?: Readonly<Record<string, StringMatchSpec>>;
  readonly withoutHeaders?: Readonly<Record<string, StringMatchSpec>>;
  readonly queryParams?: Readonly<Record<string, StringMatchSpec>>;
  readonly port?: number;
  readonly sourceLabels?: Texts;
  readonly sourceNamespace?: string;
  readonly gateways?: readonly string[];
  readonly ignoreUriCase?: boolean;
}

export interface RouteDestinationSpec {
  readonly destination: DestinationSpec;
  readonly weight?: number;
  readonly headers?: HeaderEditsSpec;
}

export interface HttpRuleSpec {
  readonly name?: string;
  readonly match?: readonly HttpMatchSpec[];
  readonly route?: readonly RouteDestinationSpec[];
  readonly redirect?: {
    readonly uri?: string;
    readonly authority?: string;
    readonly port?: number;
    readonly scheme?: string;
    readonly redirectCode?: number;
  };
  readonly directResponse?: {
    readonly status: number;
    readonly body?: { readonly string?: string; readonly bytes?: string };
  };
  readonly rewrite?: {
    readonly uri?: string;
    readonly authority?: string;
    readonly uriRegexRewrite?: { readonly match: string; readonly rewrite: string };
  };
  readonly timeout?: string;
  readonly retries?: {
    readonly attempts?: number;
    readonly perTryTimeout?: string;
    readonly retryOn?: string;
    readonly retryIgnorePreviousHosts?: boolean;
    readonly backoff?: string;
  };
  readonly fault?: {
    readonly delay?: {
      readonly fixedDelay: string;
      readonly percentage?: PercentSpec;
      readonly percent?: number;
    };
    readonly abort?: {
      readonly httpStatus: number;
      readonly percentage?: PercentSpec;
      readonly percent?: number;
    };
  };
  readonly mirror?: DestinationSpec;
  readonly mirrors?: readonly { readonly destination: DestinationSpec; readonly percentage?: PercentSpec }[];
  readonly mirrorPercentage?: PercentSpec;
  readonly mirrorPercent?: number;
  readonly mirror_percent?: number;
  readonly corsPolicy?: {
    readonly allowOrigin?: readonly string[];
    readonly allowOrigins?: readonly StringMatchSpec[];
    readonly allowMethods?: readonly string[];
    readonly allowHeaders?: readonly string[];
    readonly exposeHeaders?: readonly string[];
    readonly maxAge?: string;
    readonly allowCredentials?: boolean;
  };
  readonly headers?: HeaderEditsSpec;
}

export interface VirtualServiceSpec {
  readonly hosts: readonly string[];
  readonly gateways?: readonly string[];
  readonly http?: readonly HttpRuleSpec[];
  readonly tls?: readonly {
    readonly match: readonly {
      readonly sniHosts: readonly string[];
      readonly port?: number;
      readonly gateways?: readonly string[];
    }[];
    readonly route: readonly { readonly destination: DestinationSpec; readonly weight?: number }[];
  }[];
  readonly tcp?: readonly {
    readonly match?: readonly { readonly port?: number; readonly gateways?: readonly string[] }[];
    readonly route: readonly { readonly destination: DestinationSpec; readonly weight?: number }[];
  }[];
  readonly exportTo?: readonly string[];
}
