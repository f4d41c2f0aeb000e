import { stringMatches } from '../../route/string-match.js';
import type { JwtProviderConfig } from './jwt-authn-config.js';
import { JWT_FAILURE, type JwtFailure } from './jwt-failure.js';
import type { ParsedJwt } from './parse-jwt.js';

/** Envoy's, when the provider says nothing. */
export const DEFAULT_CLOCK_SKEW_SECONDS = 60;

/**
 * Whether what a token says of itself fits its provider now: validity, audience, subject, lifetime. They are asked of a remembered
 * token, too.
 *
 * Source: RFC 7519 section 4.1; Envoy's order.
 */
export function checkClaims(
  jwt: ParsedJwt,
  provider: JwtProviderConfig,
  audiences: readonly string[],
  nowSeconds: number,
): JwtFailure | undefined {
  const { subjects, maxLifetimeSeconds, clockSkewSeconds } = provider;
  const { expiresAtSeconds } = jwt;
  if (nowSeconds + clockSkewSeconds < jwt.notBeforeSeconds) return JWT_FAILURE.notYetValid;
  if (expiresAtSeconds !== 0 && nowSeconds > expiresAtSeconds + clockSkewSeconds) return JWT_FAILURE.expired;
  if (
    audiences.length > 0 &&
    !jwt.audiences.some((audience) => audiences.includes(comparedAudience(audience)))
  ) {
    return JWT_FAILURE.audienceNotAllowed;
  }
  if (subjects !== undefined && !stringMatches(subjects, jwt.subject)) return JWT_FAILURE.verificationFails;
  if (maxLifetimeSeconds !== undefined) {
    if (expiresAtSeconds === 0 || expiresAtSeconds - nowSeconds > maxLifetimeSeconds) {
      return JWT_FAILURE.verificationFails;
    }
  } else if (provider.requireExpiration && expiresAtSeconds === 0) return JWT_FAILURE.verificationFails;
  return undefined;
}

/** An audience as Envoy compares it: without `http://` or `https://`, and without a slash at its end. */
export function comparedAudience(audience: string): string {
  const withoutScheme = audience.replace(/^https?:\/\//, '');
  return withoutScheme.endsWith('/') ? withoutScheme.slice(0, -1) : withoutScheme;
}
