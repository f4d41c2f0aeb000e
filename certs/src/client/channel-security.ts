import { Metadata, credentials, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import { CertificateChainError } from '../errors.js';
import { controlPlaneId } from '../spiffe-id.js';
import { verifySvid } from '../workload/verify-svid.js';
import type { WorkloadCertificate } from '../workload/workload-certificate.js';

/** How the server of a channel is told from every other one that the same roots stand behind. */
export type ServerName =
  /** It is heddled, by its SPIFFE ID, whatever its address. */
  | { readonly kind: 'control-plane'; readonly trustDomain: string }
  /** A host name or address in its certificate: for other authorities. */
  | { readonly kind: 'host'; readonly name: string };

export interface ChannelSecurityParts {
  /** PEM. */
  readonly roots: readonly string[];
  readonly server: ServerName;
  readonly certificate: WorkloadCertificate | undefined;
  /** A join token, where there is no certificate. */
  readonly token: string | undefined;
  readonly nowMs: () => number;
}

/** What a gRPC channel and its calls are made with. */
export interface ChannelSecurity {
  readonly credentials: ChannelCredentials;
  /** To be sent with each call. */
  readonly metadata: Metadata;
  readonly options: ChannelOptions;
}

/** How a workload proves who it is to heddled, and makes sure that it talks to heddled. */
export function channelSecurity(parts: ChannelSecurityParts): ChannelSecurity {
  const { roots, server, certificate, token, nowMs } = parts;
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  return {
    metadata,
    credentials: credentials.createSsl(
      Buffer.from(roots.join('')),
      certificate === undefined ? null : Buffer.from(certificate.privateKeyPem()),
      certificate === undefined ? null : Buffer.from(certificate.chainPem),
      server.kind === 'host'
        ? {}
        : {
            checkServerIdentity: (_host, { raw }) =>
              wrongServer(raw as Buffer | undefined, server.trustDomain, nowMs()),
          },
    ),
    options: {
      // Every connection is verified anew, by the roots of its own channel.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.ssl_target_name_override': server.kind === 'host' ? server.name : 'heddled',
    },
  };
}

/** Every workload's certificate is from the same roots: only the name tells heddled from them. */
function wrongServer(der: Buffer | undefined, trustDomain: string, nowMs: number): Error | undefined {
  if (der === undefined) return new CertificateChainError('the server showed no certificate');
  const verdict = verifySvid(der, { trustDomains: new Set([trustDomain]), nowMs });
  if (!verdict.ok) {
    return new CertificateChainError(`the server is nobody: ${verdict.reason} (${verdict.detail})`);
  }
  const expected = controlPlaneId(trustDomain).uri;
  if (verdict.spiffeId.uri === expected) return undefined;
  return new CertificateChainError(`the server is ${verdict.spiffeId.uri}, not ${expected}`);
}
