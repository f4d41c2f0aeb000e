import { TrustBundleError } from '../errors.js';
import { formatPem } from '../x509/pem.js';
import type { TrustedRoot } from './trust-bundle.js';

const MAX_BUNDLE_BYTES = 1024 * 1024;
const MAX_KEYS = 256;

/**
 * The roots of a trust domain as a SPIFFE bundle, to be published to other trust domains.
 *
 * Shape: a JWK set; each key has `use` x509-svid, exactly one certificate in `x5c`, and no `kid`.
 * Source: X509-SVID section 6.1, SPIFFE_Trust_Domain_and_Bundle section 4.1.
 */
export function formatSpiffeBundle(
  roots: readonly TrustedRoot[],
  options: { readonly sequence?: number; readonly refreshHintSeconds?: number } = {},
): string {
  return JSON.stringify({
    keys: roots.map((root) => ({
      ...root.certificate.publicKey.export({ format: 'jwk' }),
      use: 'x509-svid',
      x5c: [root.der.toString('base64')],
    })),
    ...(options.sequence === undefined ? {} : { spiffe_sequence: options.sequence }),
    ...(options.refreshHintSeconds === undefined ? {} : { spiffe_refresh_hint: options.refreshHintSeconds }),
  });
}

/**
 * The certificates of a SPIFFE bundle as PEM, for a TrustBundle to check; empty where the trust domain has none.
 *
 * Source: X509-SVID section 6.2: entries of other uses and without `x5c` are ignored, and all certificates of an entry
 * but the first. Errors: TrustBundleError where it is not a JWK set.
 */
export function parseSpiffeBundle(json: string): string {
  const keys = jwkSet(json);
  if (keys.length > MAX_KEYS) throw new TrustBundleError(`a SPIFFE bundle has more than ${MAX_KEYS} keys`);
  return keys.map((key) => certificateOf(key)).join('');
}

function jwkSet(json: string): readonly unknown[] {
  if (json.length > MAX_BUNDLE_BYTES) throw new TrustBundleError('a SPIFFE bundle is too long');
  let bundle: unknown;
  try {
    bundle = JSON.parse(json);
  } catch (error) {
    throw new TrustBundleError('a SPIFFE bundle is not JSON', { cause: error });
  }
  if (typeof bundle === 'object' && bundle !== null && 'keys' in bundle && Array.isArray(bundle.keys)) {
    return bundle.keys as readonly unknown[];
  }
  throw new TrustBundleError('a SPIFFE bundle has no list of keys');
}

function certificateOf(key: unknown): string {
  if (typeof key !== 'object' || key === null) return '';
  if (!('use' in key) || key.use !== 'x509-svid') return '';
  if (!('x5c' in key) || !Array.isArray(key.x5c)) return '';
  const first: unknown = key.x5c[0];
  if (typeof first !== 'string' || first === '') return '';
  const der = Buffer.from(first, 'base64');
  if (der.toString('base64') !== first)
    throw new TrustBundleError('a certificate of a SPIFFE bundle is not base64');
  return formatPem('CERTIFICATE', der);
}
