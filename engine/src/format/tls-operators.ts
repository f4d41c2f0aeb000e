import type { StreamInfo } from '../http/stream-info.js';
import type { CertificateInfo, TlsInfo } from '../http/tls-info.js';

type Read = (info: StreamInfo) => string | undefined;

/** What logs and header templates may ask of the TLS of both connections. Source: Envoy, access log command operators. */
export const TLS_OPERATORS: readonly (readonly [name: string, read: Read])[] = [
  ...operatorsOf('DOWNSTREAM', (info) => info.downstreamTls),
  ...operatorsOf('UPSTREAM', (info) => info.upstreamTls),
];

function operatorsOf(side: string, tlsOf: (info: StreamInfo) => TlsInfo | undefined): [string, Read][] {
  const peer =
    (read: (certificate: CertificateInfo) => string): Read =>
    (info) => {
      const certificate = tlsOf(info)?.peer;
      return certificate === undefined ? undefined : read(certificate) || undefined;
    };
  return [
    [`${side}_PEER_URI_SAN`, peer(({ uriSans }) => uriSans.join(','))],
    [`${side}_PEER_DNS_SAN`, peer(({ dnsSans }) => dnsSans.join(','))],
    [`${side}_PEER_SUBJECT`, peer(({ subject }) => subject)],
    [`${side}_PEER_ISSUER`, peer(({ issuer }) => issuer)],
    [`${side}_PEER_SERIAL`, peer(({ serialHex }) => serialHex)],
    [`${side}_PEER_FINGERPRINT_256`, peer(({ sha256Hex }) => sha256Hex)],
    [`${side}_PEER_CERT`, peer((certificate) => encodeURIComponent(certificate.pem()))],
    [`${side}_LOCAL_URI_SAN`, (info) => tlsOf(info)?.local?.uriSans.join(',') || undefined],
    [`${side}_LOCAL_DNS_SAN`, (info) => tlsOf(info)?.local?.dnsSans.join(',') || undefined],
    [`${side}_LOCAL_SUBJECT`, (info) => tlsOf(info)?.local?.subject || undefined],
    [`${side}_TLS_VERSION`, (info) => tlsOf(info)?.version],
    [`${side}_TLS_CIPHER`, (info) => tlsOf(info)?.cipherSuite],
  ];
}
