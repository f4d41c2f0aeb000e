// The names that everybody may know. The workload's side is @heddle/certs/workload, the authority @heddle/certs/authority.
export * from './spiffe-id.js';
export {
  AuthorityStateError,
  CertificateChainError,
  CertificateRequestError,
  EncodingError,
  JoinTokenError,
  PrivateFileError,
  SpiffeIdError,
  TrustBundleError,
} from './errors.js';
