export {
  CertificateRotator,
  type CertificateRotationState,
  type CertificateRotatorOptions,
  type SignCertificateRequest,
} from './certificate-rotator.js';
export { createCertificateRequest } from './create-certificate-request.js';
export { readJoinToken } from './join-token-file.js';
export { RENEWAL_ALARMS, type RenewalAlarm, type RenewalWindow } from './renewal-schedule.js';
export { formatSpiffeBundle, parseSpiffeBundle } from './spiffe-bundle.js';
export { TrustBundle, type TrustBundleOptions, type TrustedRoot } from './trust-bundle.js';
export {
  MAX_CERTIFICATE_BYTES,
  parseCertificate,
  type CertificateFields,
} from '../x509/certificate-fields.js';
export { distinguishedNameText } from '../x509/distinguished-name-text.js';
export { formatPem, parsePem, type PemBounds, type PemLabel } from '../x509/pem.js';
export { verifySvid, type SvidProblem, type SvidVerdict, type VerifySvidOptions } from './verify-svid.js';
export {
  WorkloadCertificate,
  acceptCertificate,
  type AcceptCertificateOptions,
} from './workload-certificate.js';
export { generateWorkloadKeyPair, type WorkloadKeyPair } from './workload-key-pair.js';
