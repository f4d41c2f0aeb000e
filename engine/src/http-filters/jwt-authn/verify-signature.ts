import { constants, createHmac, createPublicKey, timingSafeEqual, verify, type KeyObject } from 'node:crypto';
import type { EcCurve, JwkConfig } from './jwt-authn-config.js';
import { JWT_FAILURE, type JwtFailure } from './jwt-failure.js';
import type { JwtAlgorithm, ParsedJwt } from './parse-jwt.js';

/** A key that signatures are checked with. */
export interface SignatureKey {
  readonly kind: JwkConfig['kind'];
  readonly keyId: string;
  readonly algorithm: string;
  readonly curve: EcCurve | undefined;
  readonly publicKey: KeyObject | undefined;
  /** Of `oct` alone. */
  readonly secret: Buffer | undefined;
}

/** Makes a key ready. `parseJwks` has seen that it can be. */
export function createSignatureKey({ kind, keyId, algorithm, material }: JwkConfig): SignatureKey {
  const isSecret = material.kty === 'oct';
  return {
    kind,
    keyId,
    algorithm,
    curve: material.kty === 'EC' ? material.crv : undefined,
    publicKey: isSecret ? undefined : createPublicKey({ format: 'jwk', key: { ...material } }),
    secret: isSecret ? Buffer.from(material.k, 'base64url') : undefined,
  };
}

/** What an algorithm needs, so that a token cannot choose how a key is used. */
interface AlgorithmRules {
  readonly kind: JwkConfig['kind'];
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  readonly curve?: EcCurve;
  /** Two numbers of the curve's size. */
  readonly signatureBytes?: number;
  readonly isPss?: true;
}

const RULES: Readonly<Record<JwtAlgorithm, AlgorithmRules>> = Object.freeze({
  RS256: { kind: 'RSA', hash: 'sha256' },
  RS384: { kind: 'RSA', hash: 'sha384' },
  RS512: { kind: 'RSA', hash: 'sha512' },
  PS256: { kind: 'RSA', hash: 'sha256', isPss: true },
  PS384: { kind: 'RSA', hash: 'sha384', isPss: true },
  PS512: { kind: 'RSA', hash: 'sha512', isPss: true },
  ES256: { kind: 'EC', hash: 'sha256', curve: 'P-256', signatureBytes: 64 },
  ES384: { kind: 'EC', hash: 'sha384', curve: 'P-384', signatureBytes: 96 },
  ES512: { kind: 'EC', hash: 'sha512', curve: 'P-521', signatureBytes: 132 },
  EdDSA: { kind: 'OKP', hash: null, signatureBytes: 64 },
  HS256: { kind: 'oct', hash: 'sha256' },
  HS384: { kind: 'oct', hash: 'sha384' },
  HS512: { kind: 'oct', hash: 'sha512' },
});

/**
 * Whether one of these keys signed the token: one of the token's `kid` where both name one, and of the token's algorithm.
 *
 * Source: RFC 7515 section 5.2; which keys are tried is Envoy's choice. The kind of key and the curve must be those of the
 * algorithm, so that a public key is never taken for a shared secret.
 * Cost: one verification for each key that fits: 45 µs for RS256, 90 for ES256, 160 for EdDSA.
 */
export function verifySignature(jwt: ParsedJwt, keys: readonly SignatureKey[]): JwtFailure | undefined {
  if (keys.length === 0) return JWT_FAILURE.noValidKeys;
  const rules = RULES[jwt.algorithm];
  const signature = Buffer.from(jwt.signatureText, 'base64url');
  const signed = Buffer.from(jwt.token.slice(0, jwt.token.length - jwt.signatureText.length - 1), 'latin1');
  let failure: JwtFailure = JWT_FAILURE.noMatchingKey;
  for (const key of keys) {
    if (jwt.keyId !== '' && key.keyId !== '' && key.keyId !== jwt.keyId) continue;
    if (key.algorithm !== '' && key.algorithm !== jwt.algorithm) continue;
    failure = JWT_FAILURE.verificationFails;
    if (key.kind !== rules.kind || (rules.curve !== undefined && key.curve !== rules.curve)) continue;
    if (rules.signatureBytes !== undefined && signature.length !== rules.signatureBytes) {
      if (rules.kind === 'OKP') return JWT_FAILURE.ed25519SignatureLength;
      continue;
    }
    if (isSignedBy(key, rules, signed, signature)) return undefined;
  }
  return failure;
}

function isSignedBy(key: SignatureKey, rules: AlgorithmRules, signed: Buffer, signature: Buffer): boolean {
  if (key.secret !== undefined) {
    const mac = createHmac(rules.hash as string, key.secret)
      .update(signed)
      .digest();
    return mac.length === signature.length && timingSafeEqual(mac, signature);
  }
  const publicKey = key.publicKey as KeyObject;
  if (rules.isPss === true) {
    const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
    return verify(rules.hash, signed, { key: publicKey, padding, saltLength }, signature);
  }
  return verify(rules.hash, signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
}
