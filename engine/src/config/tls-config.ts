import type { HiddenText } from './hidden-text.js';
import type { StringMatchConfig } from './route-config.js';

/** Source: envoy.config.core.v3.DataSource. Files are read again when they change. */
export type DataSourceConfig =
  | { readonly kind: 'inline'; readonly text: HiddenText }
  | { readonly kind: 'file'; readonly path: string; readonly watchedDirectory: string }
  | { readonly kind: 'environment'; readonly name: string };

/** Source: envoy.extensions.transport_sockets.tls.v3.TlsCertificate. */
export interface TlsCertificateConfig {
  /** PEM, the leaf first. */
  readonly chain: DataSourceConfig;
  /** PEM. */
  readonly privateKey: DataSourceConfig;
  readonly password: DataSourceConfig | undefined;
}

/** Source: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext. */
export interface ValidationContextConfig {
  /** PEM of the roots that are trusted. Without them, and without the system's, a chain is not verified at all. */
  readonly trustedCa: DataSourceConfig | undefined;
  readonly systemRoots: boolean;
  /** PEM. */
  readonly crl: DataSourceConfig | undefined;
  readonly rules: PeerRulesConfig;
}

/** What is asked of a peer's certificate beside its chain. Each list that is not empty has to be satisfied by one entry. */
export interface PeerRulesConfig {
  readonly subjectAltNames: readonly SubjectAltNameMatchConfig[];
  /** SHA-256 of the DER of the public key, base64. This list and the next one count as one. */
  readonly publicKeyHashes: readonly string[];
  /** SHA-256 of the DER of the certificate, lower-case hexadecimal. */
  readonly certificateHashes: readonly string[];
  /** Of the SPIFFE validator: the peer must be a workload of one of them. undefined: it was not asked for. */
  readonly spiffeTrustDomains: readonly string[] | undefined;
}

/** Source: envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher. `any` is the older, untyped form. */
export interface SubjectAltNameMatchConfig {
  readonly type: 'dns' | 'uri' | 'email' | 'ip' | 'any';
  readonly matcher: StringMatchConfig;
}

/** Where a secret is fetched. Source: envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig. */
export interface SecretReferenceConfig {
  readonly name: string;
  readonly source:
    /** The bootstrap's own secrets. */
    | { readonly kind: 'static' }
    | { readonly kind: 'ads' }
    /** A static cluster that serves SDS, often over a Unix socket. */
    | { readonly kind: 'grpc'; readonly cluster: string };
  /** How long whoever needs it waits before it goes on without; 0: without end. */
  readonly initialFetchTimeoutMs: number;
}

/** A secret as SDS serves it. Source: envoy.extensions.transport_sockets.tls.v3.Secret. */
export type SecretConfig =
  | { readonly kind: 'certificate'; readonly name: string; readonly certificate: TlsCertificateConfig }
  | { readonly kind: 'trust'; readonly name: string; readonly validation: ValidationContextConfig };

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** Source: envoy.extensions.transport_sockets.tls.v3.TlsParameters. Empty lists stand for the defaults. */
export interface TlsParametersConfig {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** Of TLS 1.2, by OpenSSL's names. */
  readonly cipherSuites: readonly string[];
  readonly curves: readonly string[];
  readonly signatureAlgorithms: readonly string[];
}

/** Source: envoy.extensions.transport_sockets.tls.v3.CommonTlsContext. */
export interface CommonTlsConfig {
  readonly kind: 'tls';
  readonly parameters: TlsParametersConfig;
  readonly certificates: readonly (
    | { readonly kind: 'given'; readonly certificate: TlsCertificateConfig }
    | { readonly kind: 'fetched'; readonly secret: SecretReferenceConfig }
  )[];
  /** How the peer is verified: by what is given, by what is fetched, or by both together. undefined: not at all. */
  readonly validation:
    | {
        readonly given: ValidationContextConfig | undefined;
        readonly fetched: SecretReferenceConfig | undefined;
      }
    | undefined;
  readonly alpnProtocols: readonly string[];
}

/** TLS as a server. Source: envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext. */
export interface DownstreamTlsConfig extends CommonTlsConfig {
  readonly requireClientCertificate: boolean;
  readonly requireSni: boolean;
  /** 0: OpenSSL's own. */
  readonly sessionTimeoutMs: number;
  /** Whether sessions may be resumed by tickets; where neither way is left, they are not resumed. */
  readonly statelessResumption: boolean;
  readonly statefulResumption: boolean;
}

/** TLS as a client. Source: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext. */
export interface UpstreamTlsConfig extends CommonTlsConfig {
  /** Empty: none is sent. */
  readonly sni: string;
  /** Whether sessions are kept to be resumed. */
  readonly resumption: boolean;
}

/** Nothing is asked of a peer's certificate but its chain. */
export const NO_PEER_RULES: PeerRulesConfig = Object.freeze({
  subjectAltNames: Object.freeze([]),
  publicKeyHashes: Object.freeze([]),
  certificateHashes: Object.freeze([]),
  spiffeTrustDomains: undefined,
});
