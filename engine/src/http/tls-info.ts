/**
 * What TLS told about one connection: about a downstream connection for policy, logs and metrics, about an upstream one
 * for logs.
 *
 * Source: what envoy `Ssl::ConnectionInfo` answers to access logs, RBAC and header templates. Names are read from DER.
 */
export interface TlsInfo {
  readonly version: 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL's name, e.g. `TLS_AES_128_GCM_SHA256`. */
  readonly cipherSuite: string;
  /** The name that the client asked for; empty when it asked for none. */
  readonly serverName: string;
  /** The protocol that both agreed on; empty when they agreed on none. */
  readonly applicationProtocol: string;
  /** True when an earlier session was resumed, so that no certificates were sent. */
  readonly resumed: boolean;
  /** The peer's certificate, which was verified on this connection; undefined when it presented none. */
  readonly peer: CertificateInfo | undefined;
  /** Ours; undefined when we presented none. */
  readonly local: CertificateInfo | undefined;
}

/** What logs, headers and policy may ask of a certificate. */
export interface CertificateInfo {
  /** In the order of the certificate; a workload has exactly one, its SPIFFE ID. */
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  /** RFC 2253 text; empty for an SVID without subject. */
  readonly subject: string;
  readonly issuer: string;
  readonly serialHex: string;
  /** Of the DER, lower-case hexadecimal. */
  readonly sha256Hex: string;
  /** Wall clock, ms. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** PEM, made when asked for: only XFCC's `Cert` and `%DOWNSTREAM_PEER_CERT%` want it. */
  pem(): string;
}

/** Our own SPIFFE ID on the connection, or empty. */
export function localPrincipal(tls: TlsInfo | undefined): string {
  return tls?.local?.uriSans[0] ?? '';
}

/** The SPIFFE ID of the peer, or empty: who is calling, as far as that is proven. */
export function peerPrincipal(tls: TlsInfo | undefined): string {
  return tls?.peer?.uriSans[0] ?? '';
}
