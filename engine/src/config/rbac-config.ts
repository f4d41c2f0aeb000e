import type { CidrConfig } from './listener-config.js';
import type { HeaderMatchConfig, StringMatchConfig } from './route-config.js';

/**
 * Policies of one action, as they were written: what is compiled for requests and walked to explain a decision.
 *
 * Source: envoy.config.rbac.v3.RBAC.
 */
export interface RbacConfig {
  readonly action: 'allow' | 'deny' | 'log';
  /** By name, in the order of its bytes: the first that matches gives the decision its name. */
  readonly policies: readonly RbacPolicyConfig[];
}

/** Matches when one of the permissions and one of the principals holds. Source: envoy.config.rbac.v3.Policy. */
export interface RbacPolicyConfig {
  readonly name: string;
  readonly permissions: readonly RbacCondition[];
  readonly principals: readonly RbacCondition[];
}

/** What a policy asks of a request or connection. Source: envoy.config.rbac.v3.Permission and Principal. */
export type RbacCondition =
  | { readonly kind: 'any' }
  | { readonly kind: 'and' | 'or'; readonly conditions: readonly RbacCondition[] }
  | { readonly kind: 'not'; readonly condition: RbacCondition }
  | { readonly kind: 'header'; readonly header: HeaderMatchConfig }
  /** The path without its query. */
  | { readonly kind: 'path'; readonly matcher: StringMatchConfig }
  | { readonly kind: 'server-name'; readonly matcher: StringMatchConfig }
  /** `direct-remote-ip` is the peer of the connection, `remote-ip` the client that trusted proxies speak for. */
  | {
      readonly kind: 'destination-ip' | 'direct-remote-ip' | 'remote-ip';
      readonly range: CidrConfig;
    }
  /** `first` ≤ port < `end`. */
  | { readonly kind: 'destination-port'; readonly first: number; readonly end: number }
  /** A name of the peer's certificate; undefined: that it proved any. */
  | { readonly kind: 'authenticated'; readonly matcher: StringMatchConfig | undefined }
  /** The peer's SPIFFE ID. Source: the filter state `io.istio.peer_principal`. */
  | { readonly kind: 'peer-principal'; readonly matcher: StringMatchConfig }
  | { readonly kind: 'metadata'; readonly metadata: MetadataMatchConfig };

/** Source: envoy.type.matcher.v3.MetadataMatcher. */
export interface MetadataMatchConfig {
  /** Who left the metadata, e.g. `envoy.filters.http.jwt_authn`. */
  readonly filter: string;
  readonly path: readonly string[];
  readonly value: ValueMatchConfig;
  readonly invert: boolean;
}

/** Source: envoy.type.matcher.v3.ValueMatcher. */
export type ValueMatchConfig =
  | { readonly kind: 'null' }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'present'; readonly present: boolean }
  | { readonly kind: 'string'; readonly matcher: StringMatchConfig }
  /** `start` ≤ number < `end`. */
  | { readonly kind: 'range'; readonly start: number; readonly end: number }
  | { readonly kind: 'number'; readonly value: number }
  /** One entry of a list matches. */
  | { readonly kind: 'list'; readonly entry: ValueMatchConfig }
  | { readonly kind: 'or'; readonly matchers: readonly ValueMatchConfig[] };

/** Source: envoy.extensions.filters.http.rbac.v3.RBAC. */
export interface RbacFilterConfig {
  /** undefined: nobody is kept out. */
  readonly rules: RbacConfig | undefined;
  /** Decides as well, and is only counted. */
  readonly shadowRules: RbacConfig | undefined;
  readonly rulesStatPrefix: string;
  readonly shadowRulesStatPrefix: string;
  readonly trackPerRuleStats: boolean;
}

/** Source: envoy.extensions.filters.network.rbac.v3.RBAC. */
export interface NetworkRbacConfig {
  readonly rules: RbacConfig | undefined;
  readonly shadowRules: RbacConfig | undefined;
  readonly statPrefix: string;
  readonly shadowRulesStatPrefix: string;
  /** How long a refused connection is left open, so that its client does not come back at once. 0: not at all. */
  readonly delayDenyMs: number;
}
