import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { EncodingError } from '../errors.js';
import type { WorkloadCertificate } from './workload-certificate.js';
import type { WorkloadKeyPair } from './workload-key-pair.js';

/**
 * What a process of a workload leaves to the one that takes its place: all that it needs while the authority is away.
 *
 * It holds the private key. It goes from memory to memory and must not be stored, logged or sent anywhere else.
 */
export interface IdentityLegacy {
  readonly spiffeId: string;
  readonly keyPair: WorkloadKeyPair;
  readonly chainPem: string;
  /** When the certificate came, in milliseconds since the epoch. */
  readonly arrivedAtMs: number;
  /** PEM of the roots that were trusted, the one that signs first. */
  readonly rootsPem: string;
  /** What the file of roots held at that time, by its digest: when it holds something else now, that is newer. */
  readonly rootsFileDigest: string;
}

/** How the content of a file of roots is known again. */
export function rootsFileDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The text that holds a legacy, with the key in it. */
export function formatIdentityLegacy(
  certificate: WorkloadCertificate,
  rest: Pick<IdentityLegacy, 'arrivedAtMs' | 'rootsPem' | 'rootsFileDigest'>,
): string {
  const { spiffeId, chainPem } = certificate;
  return JSON.stringify({ ...rest, spiffeId: spiffeId.uri, chainPem, keyPem: certificate.privateKeyPem() });
}

/**
 * Reads the text of `formatIdentityLegacy`; whether certificate and roots are right is for others to check.
 *
 * Errors: EncodingError, which holds nothing of the text.
 */
export function parseIdentityLegacy(text: string): IdentityLegacy {
  let parts: Readonly<Record<string, unknown>>;
  try {
    parts = Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    // What JSON.parse says quotes the text.
    throw new EncodingError('it is no JSON');
  }
  const string = (name: string): string => {
    const value = parts[name];
    if (typeof value !== 'string') throw new EncodingError(`${name} is missing`);
    return value;
  };
  const { arrivedAtMs } = parts;
  if (typeof arrivedAtMs !== 'number') throw new EncodingError('arrivedAtMs is missing');
  return {
    spiffeId: string('spiffeId'),
    keyPair: keyPairOf(string('keyPem')),
    chainPem: string('chainPem'),
    arrivedAtMs,
    rootsPem: string('rootsPem'),
    rootsFileDigest: string('rootsFileDigest'),
  };
}

function keyPairOf(keyPem: string): WorkloadKeyPair {
  try {
    const privateKey = createPrivateKey(keyPem);
    const publicKey = createPublicKey(privateKey);
    return { privateKey, publicKey, publicKeyInfo: publicKey.export({ type: 'spki', format: 'der' }) };
  } catch {
    throw new EncodingError('its key cannot be read');
  }
}
