import type { Texts } from './shared-fields.js';

/* `Gateway`, of Istio and of the Gateway API. What the schemas of `source/schema` let through: every field may be absent. */

export interface GatewaySpec {
  readonly selector?: Texts;
  readonly servers: readonly {
    readonly port: { readonly number: number; readonly name: string; readonly protocol: string };
    readonly hosts: readonly string[];
    readonly name?: string;
    readonly tls?: ServerTlsSpec;
  }[];
}

export interface ServerTlsSpec {
  readonly httpsRedirect?: boolean;
  readonly mode?: string;
  readonly serverCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly caCrl?: string;
  readonly credentialName?: string;
  readonly credentialNames?: readonly string[];
  readonly subjectAltNames?: readonly string[];
  readonly verifyCertificateSpki?: readonly string[];
  readonly verifyCertificateHash?: readonly string[];
  readonly minProtocolVersion?: string;
  readonly maxProtocolVersion?: string;
  readonly cipherSuites?: readonly string[];
}

export interface KubernetesGatewaySpec {
  readonly gatewayClassName: string;
  readonly listeners: readonly {
    readonly name: string;
    readonly hostname?: string;
    readonly port: number;
    readonly protocol: string;
    readonly tls?: {
      readonly mode?: string;
      readonly certificateRefs?: readonly { readonly name: string; readonly namespace?: string }[];
    };
    readonly allowedRoutes?: { readonly namespaces?: { readonly from?: string } };
  }[];
}
