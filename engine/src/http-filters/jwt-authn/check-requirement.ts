import type { RequestHead } from '../../http/message-head.js';
import { addClaimHeaders, type AcceptedJwt } from './accepted-jwt.js';
import { checkClaims } from './check-claims.js';
import type { JwtProviderConfig, JwtRequirement, TokenLocation } from './jwt-authn-config.js';
import { JWT_FAILURE, JwtFailure } from './jwt-failure.js';
import { parseJwt, type ParsedJwt } from './parse-jwt.js';
import { findTokens, mayHold, providerOf, removeToken, type FoundToken } from './token-locations.js';

/** Checks signatures, and remembers whose were good. */
export interface JwtVerifier {
  /** A token that a key of this provider signed, as was found before. */
  remembered(provider: JwtProviderConfig, token: string): AcceptedJwt | undefined;
  verify(provider: JwtProviderConfig, jwt: ParsedJwt): AcceptedJwt | JwtFailure;
}

/** What filters after this one may read: payload, header or failure, by the keys that providers give them. */
export type JwtMetadata = Record<string, Readonly<Record<string, unknown>>>;

/** A request with more tokens at the places of one requirement is refused: each may cost a verification. */
const MAX_TOKENS = 8;

/** One request while it is checked. */
export interface JwtCheck {
  readonly head: RequestHead;
  readonly verifier: JwtVerifier;
  readonly nowSeconds: number;
  /** Filled by what is found; undefined while nothing is. */
  metadata: JwtMetadata | undefined;
}

/**
 * Whether a request has the tokens that are asked of it. Of tokens that are accepted, what their provider passes on is added to the
 * request, and they are taken out of it unless the provider has them forwarded.
 *
 * Every token at a provider's places must be valid, so that the upstream cannot be led to believe another one than we checked.
 *
 * Source: envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement.
 * Cost: nothing but looking for a token where there is none.
 */
export function checkRequirement(requirement: JwtRequirement, check: JwtCheck): JwtFailure | undefined {
  switch (requirement.kind) {
    case 'none':
      return undefined;
    case 'provider': {
      const { provider, audiences, locations } = requirement;
      return checkTokens(locations, [provider], audiences, check);
    }
    case 'any-provider': {
      const failure = checkTokens(requirement.locations, requirement.providers, undefined, check);
      return isTolerated(failure, requirement.tolerates) ? undefined : failure;
    }
    case 'any':
      return checkAny(requirement.requirements, requirement.tolerates, check);
    case 'all':
      for (const one of requirement.requirements) {
        const failure = checkRequirement(one, check);
        if (failure !== undefined) return failure;
      }
      return undefined;
  }
}

/** The first that is met counts; of failures the last that says something of a token meant for one of the providers. */
function checkAny(
  requirements: readonly JwtRequirement[],
  tolerates: 'nothing' | 'missing' | 'missing-or-failed',
  check: JwtCheck,
): JwtFailure | undefined {
  let final: JwtFailure = JWT_FAILURE.missing;
  for (const one of requirements) {
    const failure = checkRequirement(one, check);
    if (failure === undefined) return undefined;
    const says = failure !== JWT_FAILURE.missing && failure !== JWT_FAILURE.unknownIssuer;
    if (says || final === JWT_FAILURE.missing) final = failure;
  }
  return isTolerated(final, tolerates) ? undefined : final;
}

function isTolerated(
  failure: JwtFailure | undefined,
  tolerates: 'nothing' | 'missing' | 'missing-or-failed',
) {
  return (
    failure === undefined ||
    tolerates === 'missing-or-failed' ||
    (tolerates === 'missing' && failure === JWT_FAILURE.missing)
  );
}

function checkTokens(
  locations: readonly TokenLocation[],
  providers: readonly JwtProviderConfig[],
  audiences: readonly string[] | undefined,
  check: JwtCheck,
): JwtFailure | undefined {
  const tokens = findTokens(locations, check.head);
  if (tokens.length === 0) return JWT_FAILURE.missing;
  const only = providers.length === 1 ? providers[0] : undefined;
  if (tokens.length > MAX_TOKENS) return failed(only, JWT_FAILURE.tooManyTokens, check);
  const accepted: Accepted[] = [];
  // The last first, as Envoy does: which failure is told depends on it.
  for (let i = tokens.length - 1; i >= 0; i--) {
    const found = checkToken(tokens[i] as FoundToken, providers, only, audiences, check);
    if (found instanceof JwtFailure) return found;
    accepted.push(found);
  }
  // Only now: a bad token beside a good one must still be there for what else is asked of the request.
  for (const one of accepted) passOn(one, check);
  return undefined;
}

interface Accepted {
  readonly provider: JwtProviderConfig;
  readonly location: TokenLocation;
  readonly token: AcceptedJwt;
}

function checkToken(
  { token, location }: FoundToken,
  providers: readonly JwtProviderConfig[],
  only: JwtProviderConfig | undefined,
  audiences: readonly string[] | undefined,
  check: JwtCheck,
): Accepted | JwtFailure {
  let known = only === undefined ? undefined : check.verifier.remembered(only, token);
  const jwt = known?.jwt ?? parseJwt(token);
  if (jwt instanceof JwtFailure) return failed(only, jwt, check);
  const provider = mayHold(location, jwt.issuer) ? (only ?? providerOf(providers, jwt.issuer)) : undefined;
  if (provider === undefined) return failed(only, JWT_FAILURE.unknownIssuer, check);
  const failure = checkClaims(jwt, provider, audiences ?? provider.audiences, check.nowSeconds);
  if (failure !== undefined) return failed(provider, failure, check);
  if (only === undefined) known = check.verifier.remembered(provider, token);
  const accepted = known ?? check.verifier.verify(provider, jwt);
  if (accepted instanceof JwtFailure) return failed(provider, accepted, check);
  return { provider, location, token: accepted };
}

function passOn({ provider, location, token }: Accepted, check: JwtCheck): void {
  addClaimHeaders(token, check.head.headers);
  if (!provider.forward) removeToken(location, check.head);
  if (provider.headerInMetadata !== '') addMetadata(check, provider.headerInMetadata, token.jwt.header);
  if (provider.payloadInMetadata !== '')
    addMetadata(check, provider.payloadInMetadata, token.payloadMetadata);
}

function failed(provider: JwtProviderConfig | undefined, failure: JwtFailure, check: JwtCheck): JwtFailure {
  const key = provider?.failedStatusInMetadata ?? '';
  if (key !== '') addMetadata(check, key, { code: failure.code, message: failure.text });
  return failure;
}

function addMetadata(check: JwtCheck, key: string, value: Readonly<Record<string, unknown>>): void {
  check.metadata ??= {};
  check.metadata[key] = value;
}
