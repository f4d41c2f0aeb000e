import { Client, type ServiceError } from '@grpc/grpc-js';
import { certificateService } from '@heddle/xds-protos';
import { CertificateChainError } from '../errors.js';
import { parseCertificate } from '../x509/certificate-fields.js';
import { formatPem, parsePem } from '../x509/pem.js';
import type { ChannelSecurity } from './channel-security.js';

const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_CERTIFICATES = 32;

/** What an authority answered. */
export interface CertificateAnswer {
  /** PEM: the leaf, and what lies between it and a root. */
  readonly chainPem: string;
  /** PEM of the roots to trust from now on, the one that signs first; empty where the authority told none. */
  readonly rootsPem: string;
}

export interface CertificateQuery {
  /** A gRPC target. */
  readonly address: string;
  readonly security: ChannelSecurity;
  readonly csrPem: string;
  /** 0: as long as the authority likes. */
  readonly ttlMs: number;
  readonly signal: AbortSignal;
}

/**
 * Asks an authority for a certificate, over a connection of its own: it is asked twice a day.
 *
 * Source: istio.v1.auth.IstioCertificateService.
 * Errors: rejects with gRPC's ServiceError; CertificateChainError or EncodingError where the answer cannot be read.
 */
export async function requestCertificate(query: CertificateQuery): Promise<CertificateAnswer> {
  const { address, security, csrPem, ttlMs, signal } = query;
  const client = new Client(address, security.credentials, {
    ...security.options,
    'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
  });
  const { path, requestSerialize, responseDeserialize } = certificateService.CreateCertificate;
  try {
    const chain = await new Promise<readonly string[]>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        path,
        requestSerialize as (message: object) => Buffer,
        responseDeserialize,
        { csr: csrPem, validityDuration: Math.ceil(ttlMs / 1000) },
        security.metadata,
        {},
        (error: ServiceError | null, response) => {
          if (error === null) resolve(response?.certChain ?? []);
          else reject(error);
        },
      );
      signal.addEventListener('abort', () => call.cancel(), { once: true });
    });
    return splitChain(chain);
  } finally {
    client.close();
  }
}

/**
 * Parts the leaf and what lies between from the roots, which are self-signed and stand last.
 *
 * Errors: CertificateChainError where there is no leaf; EncodingError.
 */
export function splitChain(chain: readonly string[]): CertificateAnswer {
  if (chain.length === 0) throw new CertificateChainError('the authority answered without a certificate');
  const ders = parsePem(chain.join('\n'), 'CERTIFICATE', {
    maxBlocks: MAX_CERTIFICATES,
    maxBytes: MAX_ANSWER_BYTES,
  });
  const isRoot = (der: Buffer): boolean => {
    const { issuer, subject, subjectIsEmpty } = parseCertificate(der);
    return !subjectIsEmpty && issuer.equals(subject);
  };
  let end = ders.length;
  while (end > 1 && isRoot(ders[end - 1] as Buffer)) end--;
  const pem = (part: readonly Buffer[]): string => part.map((der) => formatPem('CERTIFICATE', der)).join('');
  return { chainPem: pem(ders.slice(0, end)), rootsPem: pem(ders.slice(end)) };
}
