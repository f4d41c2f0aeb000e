import { X509Certificate } from 'node:crypto';
import { CertificateChainError, EncodingError } from '../errors.js';
import type { SpiffeId } from '../spiffe-id.js';
import { parseCertificate } from '../x509/certificate-fields.js';
import { formatPem, parsePem } from '../x509/pem.js';
import type { TrustBundle } from './trust-bundle.js';
import { verifySvid } from './verify-svid.js';
import type { WorkloadKeyPair } from './workload-key-pair.js';

const MAX_CHAIN_LENGTH = 8;

export interface AcceptCertificateOptions {
  readonly keyPair: WorkloadKeyPair;
  /** Who the certificate has to be for. */
  readonly spiffeId: SpiffeId;
  /** PEM: the leaf first; a self-signed root at the end is dropped. */
  readonly chainPem: string;
  readonly nowMs: number;
  /** If given and not empty, the chain must end in one of its roots. */
  readonly trustBundle?: TrustBundle;
}

/**
 * A certificate of this workload together with its key: what a TLS context is made of.
 *
 * Shape: immutable; made by `acceptCertificate`, so whoever holds one holds a certificate that was right when it came.
 * The key stands in no property: neither a log line nor JSON of this object can hold it.
 */
export class WorkloadCertificate {
  readonly spiffeId: SpiffeId;
  readonly serialHex: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly leafDer: Buffer;
  /** The leaf and what lies between it and the root. */
  readonly chainPem: string;
  readonly #keyPair: WorkloadKeyPair;

  constructor(parts: Omit<WorkloadCertificate, 'privateKeyPem'>, keyPair: WorkloadKeyPair) {
    this.spiffeId = parts.spiffeId;
    this.serialHex = parts.serialHex;
    this.notBeforeMs = parts.notBeforeMs;
    this.notAfterMs = parts.notAfterMs;
    this.leafDer = parts.leafDer;
    this.chainPem = parts.chainPem;
    this.#keyPair = keyPair;
    Object.freeze(this);
  }

  /** The private key as PEM, for `key` of node:tls. It must not be stored, nor sent to anybody but the own supervisor. */
  privateKeyPem(): string {
    return this.#keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  }
}

/**
 * Takes what an authority sent: checks that it is a valid X.509-SVID, for this identity, for this key, that each
 * certificate signed the one before it and, with a bundle, that a trusted root signed the last.
 *
 * A leaf whose validity has not begun is accepted: this machine's clock may be the one that is wrong.
 * Errors: CertificateChainError.
 */
export function acceptCertificate(options: AcceptCertificateOptions): WorkloadCertificate {
  const { keyPair, spiffeId, nowMs, trustBundle } = options;
  const chain = parseChain(options.chainPem);
  const leaf = chain[0] as Buffer;
  const fields = parseCertificate(leaf);
  const verdict = verifySvid(leaf, {
    trustDomains: new Set([spiffeId.trustDomain]),
    nowMs: Math.max(nowMs, fields.notBeforeMs),
  });
  if (!verdict.ok) throw refusal(`is no valid identity: ${verdict.reason} (${verdict.detail})`);
  if (verdict.spiffeId.uri !== spiffeId.uri) {
    throw refusal(`is for ${verdict.spiffeId.uri}, not for ${spiffeId.uri}`);
  }
  if (!fields.publicKeyInfo.equals(keyPair.publicKeyInfo)) throw refusal('is for another key');
  checkSignatures(chain, trustBundle, Math.max(nowMs, fields.notBeforeMs));
  return new WorkloadCertificate(
    {
      spiffeId,
      serialHex: verdict.serialHex,
      notBeforeMs: verdict.notBeforeMs,
      notAfterMs: verdict.notAfterMs,
      leafDer: leaf,
      chainPem: chain.map((der) => formatPem('CERTIFICATE', der)).join(''),
    },
    keyPair,
  );
}

function parseChain(pem: string): readonly Buffer[] {
  try {
    const chain = [...parsePem(pem, 'CERTIFICATE', { maxBlocks: MAX_CHAIN_LENGTH })];
    const last = parseCertificate(chain[chain.length - 1] as Buffer);
    if (chain.length > 1 && last.issuer.equals(last.subject)) chain.pop();
    // Read here, so that everything that cannot be read is one error.
    for (const der of chain) parseCertificate(der);
    return chain;
  } catch (error) {
    if (error instanceof EncodingError) throw refusal('cannot be read', error);
    throw error;
  }
}

function checkSignatures(
  chain: readonly Buffer[],
  trustBundle: TrustBundle | undefined,
  nowMs: number,
): void {
  try {
    const certificates = chain.map((der) => new X509Certificate(der));
    for (const [index, certificate] of certificates.entries()) {
      const issuer = certificates[index + 1];
      if (issuer === undefined) {
        if (trustBundle === undefined || trustBundle.roots.length === 0) return;
        if (trustBundle.issuerOf(certificate, nowMs) === undefined)
          throw refusal('is signed by no trusted root');
      } else if (!issuer.ca || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
        throw refusal('is not a chain: a certificate did not sign the one before it');
      }
    }
  } catch (error) {
    if (error instanceof CertificateChainError) throw error;
    throw refusal('cannot be read', error);
  }
}

function refusal(problem: string, cause?: unknown): CertificateChainError {
  return new CertificateChainError(
    `the certificate that came ${problem}`,
    cause === undefined ? undefined : { cause },
  );
}
