import { X509Certificate } from 'node:crypto';
import { envoy, toJson } from '@heddle/xds-protos';
import type { ContextCertificates } from '../../tls/transport.js';
import { json, type AdminPage } from '../admin-page.js';

type CertificateDetails = envoy.admin.v3.ICertificateDetails;

const DAY_MS = 86_400_000;

/** `/certs` in the shape of envoy.admin.v3.Certificates: the certificates of every context in use. */
export function certsPage(contexts: () => readonly ContextCertificates[], nowMs: () => number): AdminPage {
  return {
    path: '/certs',
    description: 'print certs on machine',
    respond: () => {
      const certificates = contexts().map(({ chainsPem, rootsPem }) => ({
        caCert: detailsOf(rootsPem, nowMs()),
        certChain: chainsPem.flatMap((pem) => detailsOf(pem, nowMs())),
      }));
      return json(toJson(envoy.admin.v3.Certificates, { certificates }));
    },
  };
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function detailsOf(pem: string, nowMs: number): CertificateDetails[] {
  return (pem.match(BLOCK) ?? []).map((block) => {
    const certificate = new X509Certificate(block);
    const expiresAtMs = Date.parse(certificate.validTo);
    return {
      path: '<inline>',
      serialNumber: certificate.serialNumber.toLowerCase(),
      subjectAltNames: alternativeNames(certificate),
      daysUntilExpiration: Math.max(0, Math.floor((expiresAtMs - nowMs) / DAY_MS)),
      validFrom: { seconds: Math.floor(Date.parse(certificate.validFrom) / 1000) },
      expirationTime: { seconds: Math.floor(expiresAtMs / 1000) },
    };
  });
}

/** For people alone: of our own certificates and roots, whose names are as Node writes them. */
function alternativeNames(certificate: X509Certificate): envoy.admin.v3.ISubjectAlternateName[] {
  return (certificate.subjectAltName ?? '')
    .split(', ')
    .flatMap((name): envoy.admin.v3.ISubjectAlternateName[] => {
      if (name.startsWith('DNS:')) return [{ dns: name.slice(4) }];
      if (name.startsWith('URI:')) return [{ uri: name.slice(4) }];
      return name.startsWith('IP Address:') ? [{ ipAddress: name.slice(11) }] : [];
    });
}
