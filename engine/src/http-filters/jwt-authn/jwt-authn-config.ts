import type { RouteMatchConfig, StringMatchConfig } from '../../config/route-config.js';

/** Source: envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication. */
export interface JwtAuthnConfig {
  readonly providers: readonly JwtProviderConfig[];
  /** The first that matches a request decides. */
  readonly rules: readonly JwtRule[];
  /** What routes may ask for by name. */
  readonly requirements: ReadonlyMap<string, JwtRequirement>;
  readonly bypassCorsPreflight: boolean;
  readonly stripFailureResponse: boolean;
  /** Headers that only this filter may set: what clients send of them is removed. Lower case. */
  readonly reservedHeaders: readonly string[];
}

export interface JwtRule {
  readonly match: RouteMatchConfig;
  readonly requirement: JwtRequirement;
}

/**
 * Source: JwtRequirement, with all that it refers to in place.
 *
 * Shape: `tolerates` says which failures are none: a request without a token, or a token that is not valid, too.
 */
export type JwtRequirement =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'provider';
      readonly provider: JwtProviderConfig;
      /** Those of the provider, unless the requirement has its own. */
      readonly audiences: readonly string[];
      readonly locations: readonly TokenLocation[];
    }
  | {
      readonly kind: 'any-provider';
      readonly tolerates: Tolerance;
      readonly providers: readonly JwtProviderConfig[];
      readonly locations: readonly TokenLocation[];
    }
  | {
      readonly kind: 'any';
      readonly requirements: readonly JwtRequirement[];
      readonly tolerates: Tolerance | 'nothing';
    }
  | { readonly kind: 'all'; readonly requirements: readonly JwtRequirement[] };

export type Tolerance = 'missing' | 'missing-or-failed';

/** Source: JwtProvider. Header names are lower case; empty texts mean that the feature is off. */
export interface JwtProviderConfig {
  readonly name: string;
  /** Empty: any issuer. */
  readonly issuer: string;
  /** Without scheme and last slash, as they are compared. Empty: any. */
  readonly audiences: readonly string[];
  readonly subjects: StringMatchConfig | undefined;
  readonly requireExpiration: boolean;
  readonly maxLifetimeSeconds: number | undefined;
  readonly clockSkewSeconds: number;
  readonly keys:
    | { readonly kind: 'inline'; readonly keys: readonly JwkConfig[] }
    | { readonly kind: 'file'; readonly path: string };
  /** The token stays in the request. */
  readonly forward: boolean;
  readonly forwardPayloadHeader: string;
  readonly padForwardPayload: boolean;
  readonly payloadInMetadata: string;
  readonly headerInMetadata: string;
  readonly failedStatusInMetadata: string;
  /** Claims of these names become lists in the metadata. */
  readonly spaceDelimitedClaims: readonly string[];
  readonly claimToHeaders: readonly ClaimToHeader[];
  /** How many verified tokens are remembered. */
  readonly cacheSize: number;
}

export interface ClaimToHeader {
  readonly header: string;
  /** The names from the outside in: `a.b` is two. */
  readonly claim: readonly string[];
}

/**
 * One public key of a JWKS (or a shared secret, kind `oct`), checked, in the texts it was written in.
 *
 * Source: RFC 7517. `keyId` and `algorithm` are empty where the key does not say.
 */
export interface JwkConfig {
  readonly kind: 'RSA' | 'EC' | 'OKP' | 'oct';
  readonly keyId: string;
  readonly algorithm: string;
  readonly material: JwkMaterial;
}

export type JwkMaterial =
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
  | { readonly kty: 'EC'; readonly crv: EcCurve; readonly x: string; readonly y: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }
  | { readonly kty: 'oct'; readonly k: string };

export type EcCurve = 'P-256' | 'P-384' | 'P-521';

/** A place in a request where tokens of some issuers are looked for. */
export interface TokenLocation {
  readonly kind: 'header' | 'parameter' | 'cookie';
  /** A header's name is lower case. */
  readonly name: string;
  /** What stands before the token in a header. */
  readonly prefix: string;
  /** The issuers whose tokens may stand here; undefined: all. */
  readonly issuers: readonly string[] | undefined;
}

/** Source: PerRouteConfig: another requirement for a route, by name. */
export interface JwtRouteConfig {
  readonly requirementName: string;
}
