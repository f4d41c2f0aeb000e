import { isIP } from 'node:net';
import { envoy, packAny } from '@heddle/xds-protos';

type SdsSecretConfig = envoy.extensions.transport_sockets.tls.v3.ISdsSecretConfig;
type SubjectAltNameMatcher = envoy.extensions.transport_sockets.tls.v3.ISubjectAltNameMatcher;
type TransportSocket = envoy.config.core.v3.ITransportSocket;

const tls = envoy.extensions.transport_sockets.tls.v3;
const { TLSv1_2, TLSv1_3 } = tls.TlsParameters.TlsProtocol;
const { DNS, EMAIL, IP_ADDRESS, URI } = tls.SubjectAltNameMatcher.SanType;

/** Envoy as a client stops at TLS 1.2 unless it is told. */
export const clientProtocolVersions: envoy.extensions.transport_sockets.tls.v3.ITlsParameters = {
  tlsMinimumProtocolVersion: TLSv1_2,
  tlsMaximumProtocolVersion: TLSv1_3,
};

export const tlsSocketName = 'envoy.transport_sockets.tls';

/** What tells that a connection comes from another sidecar. Source: Istio. */
export const meshAlpn: readonly string[] = [
  'istio',
  'istio-peer-exchange',
  'istio-http/1.0',
  'istio-http/1.1',
  'istio-h2',
];

/** Source: Istio's SupportedCiphers; TLS 1.3 has its own, which are not chosen. */
const cipherSuites: readonly string[] = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
];

/** The workload's own certificate and its trust bundle, which come from beside the proxy and never from heddled. */
const ownCertificate = workloadSecret('default');
const trustBundle = workloadSecret('ROOTCA');

function workloadSecret(name: string): SdsSecretConfig {
  return {
    name,
    sdsConfig: {
      apiConfigSource: {
        apiType: envoy.config.core.v3.ApiConfigSource.ApiType.GRPC,
        transportApiVersion: 2,
        grpcServices: [{ envoyGrpc: { clusterName: 'sds-grpc' } }],
        setNodeOnFirstMessageOnly: true,
      },
      resourceApiVersion: 2,
      initialFetchTimeout: { seconds: 0 },
    },
  };
}

/** `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT` for `NAMESPACE/SERVICE_ACCOUNT`. */
export function spiffeId(trustDomain: string, account: string): string {
  const [namespace = '', serviceAccount = ''] = account.split('/');
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

/**
 * Mutual TLS as a sidecar's server side: callers of this trust domain alone, whoever they are unless names are given.
 * Source: Istio's BuildInboundTLS.
 */
export function meshServerSocket(
  trustDomain: string,
  speaks: 'http' | 'tcp',
  names: readonly string[] = [],
): TransportSocket {
  return {
    name: tlsSocketName,
    typedConfig: packAny(tls.DownstreamTlsContext, {
      requireClientCertificate: { value: true },
      commonTlsContext: {
        tlsParams: {
          tlsMinimumProtocolVersion: TLSv1_2,
          tlsMaximumProtocolVersion: TLSv1_3,
          cipherSuites: [...cipherSuites],
        },
        // Never the mesh's own words for HTTP: those would hide from the codec what is spoken.
        alpnProtocols: speaks === 'http' ? ['h2', 'http/1.1'] : ['istio', 'h2', 'http/1.1'],
        tlsCertificateSdsSecretConfigs: [ownCertificate],
        combinedValidationContext: {
          defaultValidationContext: {
            matchTypedSubjectAltNames:
              names.length === 0 ? [anybodyOf(trustDomain)] : subjectAltNameMatchers(names),
          },
          validationContextSdsSecretConfig: trustBundle,
        },
      },
    }),
  };
}

/** Mutual TLS towards a service of the mesh: the certificate must be one of `identities`; empty: of anybody in the trust bundle. */
export function meshClientSocket(options: {
  readonly sni: string;
  readonly speaks: 'http' | 'http2' | 'tcp';
  readonly identities: readonly string[];
}): TransportSocket {
  return {
    name: tlsSocketName,
    typedConfig: packAny(tls.UpstreamTlsContext, {
      sni: options.sni,
      commonTlsContext: {
        tlsParams: clientProtocolVersions,
        alpnProtocols: [...clientAlpn[options.speaks]],
        tlsCertificateSdsSecretConfigs: [ownCertificate],
        combinedValidationContext: {
          defaultValidationContext: {
            matchTypedSubjectAltNames: subjectAltNameMatchers(options.identities),
          },
          validationContextSdsSecretConfig: trustBundle,
        },
      },
    }),
  };
}

/** What both ends of a tunnel (HBONE) have in common: anybody of this trust domain, by TLS 1.3 and HTTP/2 alone. Source: Istio. */
function tunnelContext(trustDomain: string): envoy.extensions.transport_sockets.tls.v3.ICommonTlsContext {
  return {
    tlsParams: { tlsMinimumProtocolVersion: TLSv1_3, tlsMaximumProtocolVersion: TLSv1_3 },
    alpnProtocols: ['h2'],
    tlsCertificateSdsSecretConfigs: [ownCertificate],
    combinedValidationContext: {
      defaultValidationContext: { matchTypedSubjectAltNames: [anybodyOf(trustDomain)] },
      validationContextSdsSecretConfig: trustBundle,
    },
  };
}

/** Where tunnels end. */
export function tunnelServerSocket(trustDomain: string): TransportSocket {
  return {
    name: tlsSocketName,
    typedConfig: packAny(tls.DownstreamTlsContext, {
      requireClientCertificate: { value: true },
      commonTlsContext: tunnelContext(trustDomain),
    }),
  };
}

/** Where they begin. */
export function tunnelClientSocket(trustDomain: string): TransportSocket {
  const commonTlsContext = tunnelContext(trustDomain);
  return { name: tlsSocketName, typedConfig: packAny(tls.UpstreamTlsContext, { commonTlsContext }) };
}

/** Any of these names, each as the kind of name that it can only be. */
export function subjectAltNameMatchers(names: readonly string[]): SubjectAltNameMatcher[] {
  return names.map((exact) => ({ sanType: kindOfName(exact), matcher: { exact } }));
}

function anybodyOf(trustDomain: string): SubjectAltNameMatcher {
  return { sanType: URI, matcher: { prefix: `spiffe://${trustDomain}/` } };
}

function kindOfName(name: string): number {
  if (name.includes('://')) return URI;
  if (isIP(name) !== 0) return IP_ADDRESS;
  return name.includes('@') ? EMAIL : DNS;
}

/** Source: what Istio's `istio.alpn` filter makes of the protocol; the last is what the server picks. */
const clientAlpn: Readonly<Record<'http' | 'http2' | 'tcp', readonly string[]>> = {
  http: ['istio-http/1.1', 'istio', 'http/1.1'],
  http2: ['istio-h2', 'istio', 'h2'],
  tcp: ['istio'],
};
