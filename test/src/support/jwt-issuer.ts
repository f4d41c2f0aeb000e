import { constants, createHmac, createPrivateKey, sign, type JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Private keys that nobody trusts outside of these tests. */
const KEYS = JSON.parse(
  readFileSync(new URL('../../bootstraps/30-jwt.keys.json', import.meta.url), 'utf8'),
) as Readonly<Record<TestKey, JsonWebKey & { readonly kid: string }>>;

export type TestKey = 'rsa' | 'otherRsa' | 'p256' | 'p384' | 'ed25519' | 'secret';

export interface TokenOptions {
  readonly key?: TestKey;
  /** What the header says; the key's `kid` unless there is another. Undefined members are left out. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** How it is signed; by default as `alg` says. */
  readonly signAs?: string;
}

/** 2100-01-01, so that what was recorded stays true. */
export const FAR_FUTURE = 4_102_444_800;

/** A token with these claims, signed by our own hand: with what no library would sign, if need be. */
export function token(payload: unknown, options: TokenOptions = {}): string {
  const { key = 'rsa' } = options;
  const header = { alg: ALGORITHM[key], kid: KEYS[key].kid, ...options.header };
  return signed(`${part(header)}.${part(payload)}`, key, options.signAs ?? String(header.alg));
}

const ALGORITHM: Readonly<Record<TestKey, string>> = {
  rsa: 'RS256',
  otherRsa: 'RS256',
  p256: 'ES256',
  p384: 'ES384',
  ed25519: 'EdDSA',
  secret: 'HS256',
};

/** A JSON value, or a text as it is, in base64url. */
export function part(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** Puts a signature behind `header.payload`. */
export function signed(input: string, key: TestKey, algorithm: string): string {
  return `${input}.${signature(Buffer.from(input), key, algorithm).toString('base64url')}`;
}

function signature(input: Buffer, key: TestKey, algorithm: string): Buffer {
  const hash = `sha${algorithm.slice(2)}`;
  if (algorithm.startsWith('HS')) {
    const secret =
      KEYS[key].k === undefined
        ? Buffer.from(KEYS[key].n ?? '', 'base64url')
        : Buffer.from(KEYS[key].k, 'base64url');
    return createHmac(hash, secret).update(input).digest();
  }
  const privateKey = createPrivateKey({ format: 'jwk', key: KEYS[key] });
  if (algorithm === 'EdDSA') return sign(null, input, privateKey);
  if (algorithm.startsWith('PS')) {
    const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
    return sign(hash, input, { key: privateKey, padding, saltLength });
  }
  return sign(hash, input, { key: privateKey, dsaEncoding: 'ieee-p1363' });
}

/** What an issuer publishes of these keys. */
export function publicKeySet(keys: readonly TestKey[]): string {
  return JSON.stringify({
    keys: keys.map((name) => {
      const { kty, kid, n, e, crv, x, y } = KEYS[name];
      return { kty, kid, n, e, crv, x, y };
    }),
  });
}
