import { createPublicKey } from 'node:crypto';
import { isBase64Url, member, type JsonObject } from './parse-jwt.js';
import type { EcCurve, JwkConfig, JwkMaterial } from './jwt-authn-config.js';

/** More text is not read. */
export const MAX_JWKS_BYTES = 1024 * 1024;

/** More keys of one set are not used: a token without `kid` is tried with each. */
export const MAX_KEYS = 64;

/** The usable keys of a set, and what is wrong with the others. */
export interface ParsedJwks {
  readonly keys: readonly JwkConfig[];
  readonly problems: readonly string[];
}

/**
 * Reads a JWKS, or a map of `kid` to a PEM certificate as Google serves it. A key that cannot be used does not spoil the others.
 *
 * Source: RFC 7517; which keys are usable is Envoy's choice, apart from RSA keys of less than 2048 bits (RFC 7518, sections 3.3 and
 * 3.5) and keys for encryption.
 * Errors: none thrown; no keys and a problem when nothing is usable.
 */
export function parseJwks(text: string): ParsedJwks {
  if (Buffer.byteLength(text) > MAX_JWKS_BYTES) {
    return { keys: [], problems: [`the key set is larger than ${MAX_JWKS_BYTES} bytes`] };
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { keys: [], problems: ['the key set is not JSON'] };
  }
  if (!isObject(document)) return { keys: [], problems: ['the key set is not a JSON object'] };
  const set = member(document, 'keys');
  const found =
    set === undefined && Object.keys(document).length > 0
      ? certificateKeys(document)
      : Array.isArray(set)
        ? jwkKeys(set as readonly unknown[])
        : { keys: [], problems: ['the key set has no list "keys"'] };
  if (found.keys.length > MAX_KEYS) {
    const problem = `the key set has ${found.keys.length} keys, of which the first ${MAX_KEYS} are used`;
    return { keys: found.keys.slice(0, MAX_KEYS), problems: [...found.problems, problem] };
  }
  if (found.keys.length === 0) {
    return { keys: [], problems: [...found.problems, 'the key set has no key that could verify a token'] };
  }
  return found;
}

function jwkKeys(set: readonly unknown[]): ParsedJwks {
  const keys: JwkConfig[] = [];
  const problems: string[] = [];
  set.forEach((jwk, i) => {
    const key = isObject(jwk) ? jwkConfig(jwk) : 'is not an object';
    if (typeof key === 'string') problems.push(`keys[${i}] of the key set is left out: it ${key}`);
    else keys.push(key);
  });
  return { keys, problems };
}

function certificateKeys(document: JsonObject): ParsedJwks {
  const keys: JwkConfig[] = [];
  const problems: string[] = [];
  for (const [keyId, pem] of Object.entries(document)) {
    const key = certificateKey(keyId, pem);
    if (key === undefined)
      problems.push(`${JSON.stringify(keyId)} of the key set is left out: it is no RSA certificate in PEM`);
    else keys.push(key);
  }
  return { keys, problems };
}

function certificateKey(keyId: string, pem: unknown): JwkConfig | undefined {
  if (typeof pem !== 'string') return undefined;
  try {
    const { kty, n, e } = createPublicKey(pem).export({ format: 'jwk' });
    if (kty !== 'RSA' || n === undefined || e === undefined) return undefined;
    const key: JwkConfig = { kind: 'RSA', keyId, algorithm: '', material: { kty, n, e } };
    return weakness(key.material) === undefined ? key : undefined;
  } catch {
    return undefined;
  }
}

/** The key, or why it cannot be used. */
function jwkConfig(jwk: JsonObject): JwkConfig | string {
  const keyId = text(jwk, 'kid');
  const algorithm = text(jwk, 'alg');
  if (text(jwk, 'use') === 'enc') return 'is for encryption';
  const material = materialOf(jwk, algorithm);
  if (typeof material === 'string') return material;
  const weak = weakness(material);
  return weak ?? { kind: material.kty, keyId, algorithm, material };
}

const CURVE_OF_ALGORITHM: Readonly<Record<string, EcCurve>> = Object.freeze({
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
});

function materialOf(jwk: JsonObject, algorithm: string): JwkMaterial | string {
  const kty = member(jwk, 'kty');
  switch (kty) {
    case 'RSA': {
      if (algorithm !== '' && !/^[RP]S(256|384|512)$/.test(algorithm)) {
        return `has the alg ${JSON.stringify(algorithm)}, which does not sign with RSA`;
      }
      const n = text(jwk, 'n');
      const e = text(jwk, 'e');
      return n === '' || e === '' ? 'has no n or e' : { kty, n, e };
    }
    case 'EC': {
      const ofAlgorithm = Object.hasOwn(CURVE_OF_ALGORITHM, algorithm)
        ? CURVE_OF_ALGORITHM[algorithm]
        : undefined;
      if (algorithm !== '' && ofAlgorithm === undefined) {
        return `has the alg ${JSON.stringify(algorithm)}, which does not sign with EC`;
      }
      const named = text(jwk, 'crv');
      const crv = named === '' ? (ofAlgorithm ?? 'P-256') : named;
      if (crv !== 'P-256' && crv !== 'P-384' && crv !== 'P-521') {
        return `has the curve ${JSON.stringify(crv)}, which is not supported`;
      }
      if (ofAlgorithm !== undefined && crv !== ofAlgorithm)
        return `has the curve ${crv}, which its alg does not use`;
      const x = text(jwk, 'x');
      const y = text(jwk, 'y');
      return x === '' || y === '' ? 'has no x or y' : { kty, crv, x, y };
    }
    case 'OKP': {
      if (algorithm !== '' && algorithm !== 'EdDSA')
        return `has the alg ${JSON.stringify(algorithm)}, wanted EdDSA`;
      const crv = text(jwk, 'crv');
      if (crv !== 'Ed25519') return `has the curve ${JSON.stringify(crv)}, which is not supported`;
      const x = text(jwk, 'x');
      return x === '' ? 'has no x' : { kty, crv, x };
    }
    case 'oct': {
      if (algorithm !== '' && !/^HS(256|384|512)$/.test(algorithm)) {
        return `has the alg ${JSON.stringify(algorithm)}, which is none of HMAC`;
      }
      const k = text(jwk, 'k');
      return k === '' || !isBase64Url(k) ? 'has no k in base64url' : { kty, k };
    }
    default:
      return typeof kty === 'string'
        ? `has the kty ${JSON.stringify(kty)}, which is not supported`
        : 'has no kty';
  }
}

/** Why key material must not be trusted: it is no key, or one that can be broken. */
function weakness(material: JwkMaterial): string | undefined {
  if (material.kty === 'oct') return undefined;
  let key;
  try {
    key = createPublicKey({ format: 'jwk', key: { ...material } });
  } catch {
    return 'is no key: its numbers cannot be read';
  }
  if (material.kty !== 'RSA') return undefined;
  const { modulusLength = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < 2048) return `has ${modulusLength} bits, at least 2048 are asked of RSA`;
  return publicExponent === 3n || publicExponent === 65537n ? undefined : 'has another e than 3 or 65537';
}

function text(jwk: JsonObject, name: string): string {
  const value = member(jwk, name);
  return typeof value === 'string' ? value : '';
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
