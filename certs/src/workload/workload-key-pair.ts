import { generateKeyPairSync, type KeyObject } from 'node:crypto';

/**
 * A key pair of this workload. Only requests signed with it leave the process, and the pair itself only for the memory of
 * the own supervisor, where there is one.
 */
export interface WorkloadKeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** The DER of the public key, as it stands in requests and certificates. */
  readonly publicKeyInfo: Buffer;
}

/** Makes an ECDSA P-256 key pair. Cost: about 0.1 ms. */
export function generateWorkloadKeyPair(): WorkloadKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, publicKey, publicKeyInfo: publicKey.export({ type: 'spki', format: 'der' }) };
}
