import { JWT_FAILURE, JwtFailure } from './jwt-failure.js';

/** A JSON object as it was parsed: its members may be anything. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Source: RFC 7518 section 3.1, RFC 8037; what Envoy verifies. `none` is not among them. */
export const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'HS256',
  'HS384',
  'HS512',
] as const;

export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

/** A token that is well-formed. Nothing of it is proven yet. */
export interface ParsedJwt {
  readonly token: string;
  readonly header: JsonObject;
  readonly payload: JsonObject;
  readonly algorithm: JwtAlgorithm;
  /** Empty when the header has none; the same for issuer and subject. */
  readonly keyId: string;
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
  /** Unix time; 0 when there is none. */
  readonly notBeforeSeconds: number;
  readonly expiresAtSeconds: number;
  /** Base64url, as they stand in the token. */
  readonly payloadText: string;
  readonly signatureText: string;
}

/** JSON nested deeper is refused, as by Envoy's parser. */
const MAX_JSON_DEPTH = 100;

/**
 * Reads a token in the compact form.
 *
 * Source: RFC 7515 section 7.1, RFC 7519 section 4.1; the checks and their order are Envoy's, apart from `crit`, and base64url
 * has no padding here.
 * Errors: why it is malformed. Never throws.
 */
export function parseJwt(token: string): ParsedJwt | JwtFailure {
  const headerEnd = token.indexOf('.');
  const payloadEnd = token.indexOf('.', headerEnd + 1);
  if (
    headerEnd <= 0 ||
    payloadEnd <= headerEnd + 1 ||
    payloadEnd === token.length - 1 ||
    token.includes('.', payloadEnd + 1)
  ) {
    return JWT_FAILURE.badFormat;
  }
  const headerText = token.slice(0, headerEnd);
  if (!isBase64Url(headerText)) return JWT_FAILURE.headerNotBase64;
  const header = jsonObject(headerText);
  if (header === undefined) return JWT_FAILURE.headerNotJson;
  const algorithm = member(header, 'alg');
  if (typeof algorithm !== 'string') return JWT_FAILURE.algorithmMissing;
  if (!isAlgorithm(algorithm)) return JWT_FAILURE.algorithmUnknown;
  if (member(header, 'crit') !== undefined) return JWT_FAILURE.criticalHeader;
  const keyId = member(header, 'kid') ?? '';
  if (typeof keyId !== 'string') return JWT_FAILURE.keyIdNotText;

  const payloadText = token.slice(headerEnd + 1, payloadEnd);
  if (!isBase64Url(payloadText)) return JWT_FAILURE.payloadNotBase64;
  const payload = jsonObject(payloadText);
  if (payload === undefined) return JWT_FAILURE.payloadNotJson;
  const claims = registeredClaims(payload);
  if (claims instanceof JwtFailure) return claims;
  const signatureText = token.slice(payloadEnd + 1);
  if (!isBase64Url(signatureText)) return JWT_FAILURE.signatureNotBase64;
  return { token, header, payload, algorithm, keyId, ...claims, payloadText, signatureText };
}

type RegisteredClaims = Pick<
  ParsedJwt,
  'issuer' | 'subject' | 'audiences' | 'notBeforeSeconds' | 'expiresAtSeconds'
>;

function registeredClaims(payload: JsonObject): RegisteredClaims | JwtFailure {
  const issuer = member(payload, 'iss') ?? '';
  if (typeof issuer !== 'string') return JWT_FAILURE.issuerNotText;
  const subject = member(payload, 'sub') ?? '';
  if (typeof subject !== 'string') return JWT_FAILURE.subjectNotText;
  const issuedAt = time(payload, 'iat', JWT_FAILURE.issuedAtNotInteger, JWT_FAILURE.issuedAtOutOfRange);
  if (issuedAt instanceof JwtFailure) return issuedAt;
  const notBefore = time(payload, 'nbf', JWT_FAILURE.notBeforeNotInteger, JWT_FAILURE.notBeforeOutOfRange);
  if (notBefore instanceof JwtFailure) return notBefore;
  const expiresAt = time(payload, 'exp', JWT_FAILURE.expiryNotInteger, JWT_FAILURE.expiryOutOfRange);
  if (expiresAt instanceof JwtFailure) return expiresAt;
  if (typeof (member(payload, 'jti') ?? '') !== 'string') return JWT_FAILURE.tokenIdNotText;
  const audiences = audiencesOf(member(payload, 'aud'));
  if (audiences === undefined) return JWT_FAILURE.audienceNotText;
  return { issuer, subject, audiences, notBeforeSeconds: notBefore, expiresAtSeconds: expiresAt };
}

const ALGORITHMS: ReadonlySet<string> = new Set(JWT_ALGORITHMS);

function isAlgorithm(name: string): name is JwtAlgorithm {
  return ALGORITHMS.has(name);
}

/** What a token says under a name; never something that an object inherits. */
export function member(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function time(
  payload: JsonObject,
  name: string,
  notInteger: JwtFailure,
  outOfRange: JwtFailure,
): number | JwtFailure {
  const value = member(payload, name);
  if (value === undefined) return 0;
  if (typeof value !== 'number') return notInteger;
  return value >= 0 && value < 2 ** 64 ? Math.floor(value) : outOfRange;
}

function audiencesOf(claim: unknown): readonly string[] | undefined {
  if (claim === undefined) return [];
  if (typeof claim === 'string') return [claim];
  if (!Array.isArray(claim)) return undefined;
  const audiences: string[] = [];
  for (const one of claim as readonly unknown[]) {
    if (typeof one !== 'string') return undefined;
    audiences.push(one);
  }
  return audiences;
}

const BASE64URL = /^[A-Za-z0-9_-]*$/;

/** Source: RFC 7515 section 2: base64url without padding. */
export function isBase64Url(text: string): boolean {
  return text.length % 4 !== 1 && BASE64URL.test(text);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The JSON object that base64url holds; undefined when it is anything else. */
function jsonObject(base64Url: string): JsonObject | undefined {
  try {
    const text = utf8.decode(Buffer.from(base64Url, 'base64url'));
    if (isDeep(text)) return undefined;
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether JSON nests deeper than readers after us, some of them recursive, should have to follow. */
function isDeep(json: string): boolean {
  let depth = 0;
  let inText = false;
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (inText) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inText = false;
    } else if (code === 0x22) inText = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_JSON_DEPTH) return true;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return false;
}
