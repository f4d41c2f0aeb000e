import type { envoy } from '@heddle/xds-protos';
import type { TlsCertificateConfig } from '../config/tls-config.js';
import { translateDataSource } from './data-source.js';
import type { Findings } from './findings.js';

/**
 * A certificate chain with its key; undefined when a problem was found.
 *
 * Source: envoy.extensions.transport_sockets.tls.v3.TlsCertificate.
 */
export function translateTlsCertificate(
  certificate: envoy.extensions.transport_sockets.tls.v3.TlsCertificate,
  path: string,
  findings: Findings,
): TlsCertificateConfig | undefined {
  findings.unsupported(`${path}.pkcs12`, certificate.pkcs12 !== null, 'problem');
  findings.unsupported(`${path}.private_key_provider`, certificate.privateKeyProvider !== null, 'problem');
  findings.unsupported(`${path}.ocsp_staple`, certificate.ocspStaple !== null, 'warning');
  findings.unsupported(
    `${path}.signed_certificate_timestamp`,
    certificate.signedCertificateTimestamp.length > 0,
    'warning',
  );
  const watched = certificate.watchedDirectory?.path ?? '';
  const chain = translateDataSource(
    certificate.certificateChain,
    watched,
    `${path}.certificate_chain`,
    findings,
  );
  const privateKey = translateDataSource(certificate.privateKey, watched, `${path}.private_key`, findings);
  const password = translateDataSource(certificate.password, watched, `${path}.password`, findings);
  if (certificate.certificateChain === null && certificate.pkcs12 === null) {
    findings.problem(`${path}.certificate_chain`, 'must be set');
  }
  if (
    certificate.privateKey === null &&
    certificate.pkcs12 === null &&
    certificate.privateKeyProvider === null
  ) {
    findings.problem(`${path}.private_key`, 'must be set');
  }
  return chain === undefined || privateKey === undefined ? undefined : { chain, privateKey, password };
}
