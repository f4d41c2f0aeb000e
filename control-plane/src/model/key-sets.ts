/**
 * What is known of the key sets that policies refer to, and that somebody else fetches.
 *
 * Shape: sources are what `keySourceOf` makes. A source that is not there is not being fetched: by `heddle analyze`, say.
 */
export interface KeySets {
  /** Another one whenever the keys of any source are others. */
  readonly revision: string;
  get(source: string): KeySetState | undefined;
}

export interface KeySetState {
  /** A JWKS of public keys alone; undefined: never had. */
  readonly jwks: string | undefined;
  /** Why the last fetch failed; undefined after one that did not, and before the first ended. */
  readonly problem: string | undefined;
}

/** Nothing is fetched. */
export const noKeySets: KeySets = Object.freeze({ revision: '', get: () => undefined });

/** Where the keys of an issuer are found when the policy names no place. Source: OpenID Connect Discovery 1.0, section 4. */
const DISCOVERY = 'openid ';

/** The name of a source: a URL of a JWKS, or an issuer whose OpenID configuration names one. */
export function keySourceOf(jwksUri: string | undefined, issuer: string): string {
  return jwksUri ?? `${DISCOVERY}${issuer}`;
}

/** The issuer whose configuration names the URL of its keys; undefined when the source is such a URL itself. */
export function issuerToDiscover(source: string): string | undefined {
  return source.startsWith(DISCOVERY) ? source.slice(DISCOVERY.length) : undefined;
}
