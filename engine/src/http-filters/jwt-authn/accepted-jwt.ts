import type { HeaderMap } from '../../http/header-map.js';
import type { JwtProviderConfig } from './jwt-authn-config.js';
import { member, type JsonObject, type ParsedJwt } from './parse-jwt.js';

/** A token that is proven to be its issuer's, and what is passed on of it, made ready once. */
export interface AcceptedJwt {
  readonly jwt: ParsedJwt;
  /** Frozen: requests share it. */
  readonly payloadMetadata: JsonObject;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Prepares what the provider has passed on of a token. What the token says is frozen with it. */
export function acceptJwt(jwt: ParsedJwt, provider: JwtProviderConfig): AcceptedJwt {
  frozen(jwt.header);
  const headers: (readonly [string, string])[] = [];
  if (provider.forwardPayloadHeader !== '') {
    const padding = provider.padForwardPayload ? '='.repeat((4 - (jwt.payloadText.length % 4)) % 4) : '';
    headers.push([provider.forwardPayloadHeader, jwt.payloadText + padding]);
  }
  for (const { header, claim } of provider.claimToHeaders) {
    const value = headerValue(claimAt(jwt.payload, claim));
    if (value !== '') headers.push([header, value]);
  }
  return {
    jwt,
    payloadMetadata: frozen(withLists(jwt.payload, provider.spaceDelimitedClaims)),
    headers,
  };
}

/** Adds what the provider passes on as headers. What clients sent under their names is gone already. */
export function addClaimHeaders({ headers }: AcceptedJwt, to: HeaderMap): void {
  for (const [name, value] of headers) to.append(name, value);
}

function claimAt(payload: JsonObject, names: readonly string[]): unknown {
  let value: unknown = payload;
  for (const name of names) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = member(value as JsonObject, name);
  }
  return value;
}

// eslint-disable-next-line no-control-regex -- what no header value may hold
const CONTROLS = /[\u0000-\u001f\u007f]/;

/** A claim as the value of a header, its UTF-8 bytes as characters; empty when it cannot be one. */
function headerValue(claim: unknown): string {
  const text = claimText(claim);
  return CONTROLS.test(text) ? '' : Buffer.from(text, 'utf8').toString('latin1').trim();
}

/** Source: Envoy: whole numbers in digits, others with six decimals, lists and objects as JSON in base64. */
function claimText(claim: unknown): string {
  switch (typeof claim) {
    case 'string':
      return claim;
    case 'boolean':
      return String(claim);
    case 'number':
      return numberText(claim);
    case 'object':
      return claim === null ? '' : Buffer.from(JSON.stringify(claim)).toString('base64');
    default:
      return '';
  }
}

function numberText(value: number): string {
  if (Number.isInteger(value)) {
    const digits = BigInt(value).toString();
    return value >= 0 && value < 2 ** 64 ? digits : `${digits}.000000`;
  }
  return value.toFixed(6);
}

/** The payload with the named claims as lists of their words. */
function withLists(payload: JsonObject, names: readonly string[]): JsonObject {
  let copy: Record<string, unknown> | undefined;
  for (const name of names) {
    const claim = member(payload, name);
    if (typeof claim !== 'string') continue;
    const words = claim.split(' ').filter((word) => word !== '');
    if (words.length === 0) continue;
    copy ??= { ...payload };
    copy[name] = words;
  }
  return copy ?? payload;
}

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
}
