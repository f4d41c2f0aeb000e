import { createHash } from 'node:crypto';
import { envoy } from '@heddle/xds-protos';
import type { TrustedRoot } from '../workload/trust-bundle.js';
import type { WorkloadCertificate } from '../workload/workload-certificate.js';

/** The names by which Istio's proxies ask for the workload's own certificate and for the roots of the mesh. */
export const CERTIFICATE_SECRET = 'default';
export const ROOTS_SECRET = 'ROOTCA';

const { Secret } = envoy.extensions.transport_sockets.tls.v3;

/** A secret as SDS carries it. */
export interface ServedSecret {
  readonly name: string;
  /** Equal for equal content; says nothing of it. */
  readonly version: string;
  /** The encoded envoy.extensions.transport_sockets.tls.v3.Secret. */
  readonly bytes: Buffer;
}

/** The roots to trust, in their order. Source: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext. */
export function servedRoots(roots: readonly TrustedRoot[]): ServedSecret {
  const pem = roots.map((root) => root.pem).join('');
  return {
    name: ROOTS_SECRET,
    version: createHash('sha256').update(pem).digest('hex').slice(0, 16),
    bytes: Secret.encode({
      name: ROOTS_SECRET,
      validationContext: { trustedCa: { inlineBytes: Buffer.from(pem) } },
    }).finish(),
  };
}

/** The workload's certificate with its key, for a proxy of the same workload and nobody else. */
export function servedCertificate(certificate: WorkloadCertificate): ServedSecret {
  return {
    name: CERTIFICATE_SECRET,
    version: certificate.serialHex,
    bytes: Secret.encode({
      name: CERTIFICATE_SECRET,
      tlsCertificate: {
        certificateChain: { inlineBytes: Buffer.from(certificate.chainPem) },
        privateKey: { inlineBytes: Buffer.from(certificate.privateKeyPem()) },
      },
    }).finish(),
  };
}

/** The PEM text of the roots in an encoded secret; undefined where it is another kind. Errors: throws for malformed bytes. */
export function rootsOfSecret(bytes: Uint8Array): string | undefined {
  const trustedCa = Secret.decode(bytes).validationContext?.trustedCa;
  if (trustedCa?.inlineBytes != null) return Buffer.from(trustedCa.inlineBytes).toString('latin1');
  return trustedCa?.inlineString ?? undefined;
}
