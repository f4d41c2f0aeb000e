/**
 * Why a token, or a request without one, is refused. One object for each cause, so that causes are compared by identity.
 *
 * Source: envoy `JwtVerify::Status`: its numbers, and its texts, which clients read; 403 for a wrong audience, otherwise 401.
 */
export class JwtFailure {
  readonly code: number;
  readonly text: string;
  readonly status: 401 | 403;
  /** Envoy's response code details. */
  readonly details: string;

  constructor(code: number, text: string, status: 401 | 403 = 401) {
    this.code = code;
    this.text = text;
    this.status = status;
    this.details = accessDenied(text);
    Object.freeze(this);
  }
}

/** Envoy's response code details of a refusal, for a text. */
export function accessDenied(text: string): string {
  return `jwt_authn_access_denied{${text.replaceAll(' ', '_')}}`;
}

/** Every cause that Envoy knows and that can come up here, and what we refuse beyond it. */
export const JWT_FAILURE = Object.freeze({
  missing: new JwtFailure(1, 'Jwt is missing'),
  notYetValid: new JwtFailure(2, 'Jwt not yet valid'),
  expired: new JwtFailure(3, 'Jwt is expired'),
  badFormat: new JwtFailure(
    4,
    'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  ),
  headerNotBase64: new JwtFailure(5, 'Jwt header is an invalid Base64url encoded'),
  headerNotJson: new JwtFailure(6, 'Jwt header is an invalid JSON'),
  algorithmMissing: new JwtFailure(7, 'Jwt header [alg] field is required and must be a string'),
  algorithmUnknown: new JwtFailure(8, 'Jwt header [alg] is not supported'),
  keyIdNotText: new JwtFailure(9, 'Jwt header [kid] field is not a string'),
  payloadNotBase64: new JwtFailure(10, 'Jwt payload is an invalid Base64url encoded'),
  payloadNotJson: new JwtFailure(11, 'Jwt payload is an invalid JSON'),
  issuerNotText: new JwtFailure(12, 'Jwt payload [iss] field is not a string'),
  subjectNotText: new JwtFailure(13, 'Jwt payload [sub] field is not a string'),
  issuedAtNotInteger: new JwtFailure(14, 'Jwt payload [iat] field is not an integer'),
  issuedAtOutOfRange: new JwtFailure(15, 'Jwt payload [iat] field is not a positive 64 bit integer'),
  notBeforeNotInteger: new JwtFailure(16, 'Jwt payload [nbf] field is not an integer'),
  notBeforeOutOfRange: new JwtFailure(17, 'Jwt payload [nbf] field is not a positive 64 bit integer'),
  expiryNotInteger: new JwtFailure(18, 'Jwt payload [exp] field is not an integer'),
  expiryOutOfRange: new JwtFailure(19, 'Jwt payload [exp] field is not a positive 64 bit integer'),
  tokenIdNotText: new JwtFailure(20, 'Jwt payload [jti] field is not a string'),
  audienceNotText: new JwtFailure(21, 'Jwt payload [aud] field is not a string or string list'),
  signatureNotBase64: new JwtFailure(22, 'Jwt signature is an invalid Base64url encoded'),
  ed25519SignatureLength: new JwtFailure(23, 'Jwt ED25519 signature is wrong length'),
  unknownIssuer: new JwtFailure(24, 'Jwt issuer is not configured'),
  audienceNotAllowed: new JwtFailure(25, 'Audiences in Jwt are not allowed', 403),
  verificationFails: new JwtFailure(26, 'Jwt verification fails'),
  tooManyTokens: new JwtFailure(27, 'Found multiple Jwt tokens'),
  noValidKeys: new JwtFailure(31, "Jwks doesn't have any valid public key"),
  noMatchingKey: new JwtFailure(32, "Jwks doesn't have key to match kid or alg from Jwt"),
  /** Envoy overlooks `crit`; RFC 7515 section 4.1.11 has what it names refused when it is not understood. */
  criticalHeader: new JwtFailure(8, 'Jwt header [crit] names an extension that is not supported'),
});
