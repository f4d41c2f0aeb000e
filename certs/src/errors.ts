import { MeshError } from '@heddle/common';

/** Text that had to be a SPIFFE ID, or a part of one, is none. */
export class SpiffeIdError extends MeshError {
  override readonly code = 'MESH_SPIFFE_ID';
}

/** Bytes that had to be PEM or DER are not, or are not what they had to hold. */
export class EncodingError extends MeshError {
  override readonly code = 'MESH_CERTIFICATE_ENCODING';
}

/** What came back for a request is not a certificate that this workload could use. */
export class CertificateChainError extends MeshError {
  override readonly code = 'MESH_CERTIFICATE_CHAIN';
}

/** A set of trusted roots would have become unusable. */
export class TrustBundleError extends MeshError {
  override readonly code = 'MESH_TRUST_BUNDLE';
}

/** A file or folder that holds secrets cannot be used, or must not be because others may read or change it. */
export class PrivateFileError extends MeshError {
  override readonly code = 'MESH_PRIVATE_FILE';
}

/** A certificate request is refused by the authority. */
export class CertificateRequestError extends MeshError {
  override readonly code = 'MESH_CERTIFICATE_REQUEST';
}

/** The authority's stored state cannot be used, or a step of a root rotation came out of order. */
export class AuthorityStateError extends MeshError {
  override readonly code = 'MESH_AUTHORITY_STATE';
}

/** A join token cannot be issued or read. */
export class JoinTokenError extends MeshError {
  override readonly code = 'MESH_JOIN_TOKEN';
}
