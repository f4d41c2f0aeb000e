/**
 * Why TLS failed, in Envoy's form: `TLS_error:|NUMBER:SSL routines:OPENSSL_internal:NAME:TLS_error_end`.
 *
 * Shape: names and numbers are BoringSSL's where it has them, so that what reads Envoy's logs reads these.
 */
const NUMBERS: Readonly<Record<string, number>> = {
  CERTIFICATE_VERIFY_FAILED: 125,
  HTTP_REQUEST: 156,
  NO_SHARED_CIPHER: 184,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 192,
  UNSUPPORTED_PROTOCOL: 240,
  WRONG_VERSION_NUMBER: 247,
  NO_APPLICATION_PROTOCOL: 307,
  SSLV3_ALERT_HANDSHAKE_FAILURE: 1040,
  SSLV3_ALERT_BAD_CERTIFICATE: 1042,
  SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: 1043,
  SSLV3_ALERT_CERTIFICATE_REVOKED: 1044,
  SSLV3_ALERT_CERTIFICATE_EXPIRED: 1045,
  SSLV3_ALERT_CERTIFICATE_UNKNOWN: 1046,
  TLSV1_ALERT_UNKNOWN_CA: 1048,
  TLSV1_ALERT_PROTOCOL_VERSION: 1070,
  TLSV1_ALERT_CERTIFICATE_REQUIRED: 1116,
  TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 1120,
};
/** ERR_LIB_SSL of BoringSSL in its place. */
const LIBRARY = 16 * 2 ** 24;
/** What OpenSSL calls otherwise. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  TLSV13_ALERT_CERTIFICATE_REQUIRED: 'TLSV1_ALERT_CERTIFICATE_REQUIRED',
};

function tlsError(name: string, detail: string): string {
  const number = NUMBERS[name];
  const text = `${number === undefined ? '' : LIBRARY + number}:SSL routines:OPENSSL_internal:${name}`;
  return `TLS_error:|${text}${detail === '' ? '' : `:${detail}`}:TLS_error_end`;
}

/** The peer's certificate was refused by us. */
export function verifyFailureText(reason: string): string {
  return tlsError('CERTIFICATE_VERIFY_FAILED', `verify cert failed: ${reason}`);
}

/** Node's codes for chains that OpenSSL does not verify, in words. Source: X509_verify_cert_error_string of OpenSSL. */
const CHAIN_PROBLEMS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  CERT_REVOKED: 'certificate revoked',
  CERT_REJECTED: 'certificate rejected',
  CERT_SIGNATURE_FAILURE: 'certificate signature failure',
  CERT_UNTRUSTED: 'certificate not trusted',
  CERT_CHAIN_TOO_LONG: 'certificate chain too long',
  CRL_HAS_EXPIRED: 'CRL has expired',
  CRL_NOT_YET_VALID: 'CRL is not yet valid',
  CRL_SIGNATURE_FAILURE: 'CRL signature failure',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self signed certificate',
  INVALID_CA: 'invalid CA certificate',
  INVALID_PURPOSE: 'unsupported certificate purpose',
  PATH_LENGTH_EXCEEDED: 'path length constraint exceeded',
  SELF_SIGNED_CERT_IN_CHAIN: 'self signed certificate in certificate chain',
  UNABLE_TO_GET_CRL: 'unable to get certificate CRL',
  UNABLE_TO_GET_ISSUER_CERT: 'unable to get issuer certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unable to verify the first certificate: no trusted root signed it',
};

/** Why a chain was not verified, by Node's code. */
export function chainProblemText(code: string): string {
  return CHAIN_PROBLEMS[code] ?? code.toLowerCase().replaceAll('_', ' ').slice(0, 128);
}

/** What an error on a TLS socket means: the same text for what is not TLS's own. */
export function tlsErrorText(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string') return error.message;
  if (code.startsWith('ERR_SSL_')) {
    const name = code.slice('ERR_SSL_'.length);
    return tlsError(OTHER_NAMES[name] ?? name, '');
  }
  return isChainProblem(error) ? verifyFailureText(chainProblemText(code)) : error.message;
}

/** Whether OpenSSL did not verify the peer's chain. */
export function isChainProblem(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && Object.hasOwn(CHAIN_PROBLEMS, code);
}
