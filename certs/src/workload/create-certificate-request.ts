import type { SpiffeId } from '../spiffe-id.js';
import {
  EMPTY_NAME,
  signCertificateRequest,
  subjectAltNameExtension,
  uriName,
} from '../x509/certificate-builder.js';
import { formatPem } from '../x509/pem.js';
import type { WorkloadKeyPair } from './workload-key-pair.js';

/**
 * A certificate request for a SPIFFE ID, signed with the key that it is for.
 *
 * The name in it is a wish for authorities that want one; ours issues what the caller proved to be.
 * Shape: PEM; PKCS#10 with an empty subject and one URI name. Source: RFC 2986.
 */
export function createCertificateRequest(keyPair: WorkloadKeyPair, spiffeId: SpiffeId): string {
  const der = signCertificateRequest(
    {
      subject: EMPTY_NAME,
      publicKeyInfo: keyPair.publicKeyInfo,
      extensions: [subjectAltNameExtension([uriName(spiffeId.uri)], true)],
    },
    keyPair.privateKey,
  );
  return formatPem('CERTIFICATE REQUEST', der);
}
