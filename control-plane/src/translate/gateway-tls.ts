import { envoy, packAny } from '@heddle/xds-protos';
import { authoritiesOf } from '../model/build-secrets.js';
import type { ServerTls } from '../model/mesh-model.js';
import type { GatewayPlace } from './gateway-routes.js';
import { meshServerSocket, subjectAltNameMatchers, tlsSocketName } from './mesh-tls.js';
import { authoritiesFrom, certificateFrom } from './secret-references.js';

type CommonTlsContext = envoy.extensions.transport_sockets.tls.v3.ICommonTlsContext;
type TransportSocket = envoy.config.core.v3.ITransportSocket;

const tlsProtos = envoy.extensions.transport_sockets.tls.v3;
const { TLS_AUTO, TLSv1_2, TLSv1_3 } = tlsProtos.TlsParameters.TlsProtocol;

/**
 * How a server of a gateway terminates TLS; undefined where it cannot: a certificate, or those that clients are checked by, are not
 * there. Source: Istio's BuildListenerTLSContext.
 */
export function serverSocket(
  { model, view }: Pick<GatewayPlace, 'model' | 'view'>,
  tls: ServerTls,
  speaks: 'http' | 'tcp',
): TransportSocket | undefined {
  if (tls.mode === 'istio-mutual') {
    return view.mtls ? meshServerSocket(model.settings.trustDomain, speaks, tls.subjectAltNames) : undefined;
  }
  const asksClients = tls.mode === 'mutual' || tls.mode === 'optional-mutual';
  const [first] = tls.credentialNames;
  if (first !== undefined) {
    const has = (name: string): boolean =>
      model.secrets.get(`${view.namespace}/${name}`)?.certificate !== undefined;
    if (!tls.credentialNames.every(has)) return undefined;
    if (asksClients && authoritiesOf(model.secrets, view.namespace, first) === undefined) return undefined;
  }
  return {
    name: tlsSocketName,
    typedConfig: packAny(tlsProtos.DownstreamTlsContext, {
      requireClientCertificate: { value: tls.mode === 'mutual' },
      commonTlsContext: {
        ...parametersOf(tls),
        ...(speaks === 'http' ? { alpnProtocols: ['h2', 'http/1.1'] } : {}),
        ...certificatesOf(tls),
        ...(asksClients ? clientValidationOf(tls) : {}),
      },
    }),
  };
}

function parametersOf(tls: ServerTls): CommonTlsContext {
  if (tls.minVersion === undefined && tls.maxVersion === undefined && tls.cipherSuites.length === 0)
    return {};
  return {
    tlsParams: {
      tlsMinimumProtocolVersion: protocolOf(tls.minVersion),
      tlsMaximumProtocolVersion: protocolOf(tls.maxVersion),
      cipherSuites: [...tls.cipherSuites],
    },
  };
}

function protocolOf(version: ServerTls['minVersion']): number {
  if (version === undefined) return TLS_AUTO;
  return version === '1.2' ? TLSv1_2 : TLSv1_3;
}

function certificatesOf(tls: ServerTls): CommonTlsContext {
  if (tls.credentialNames.length > 0) {
    return { tlsCertificateSdsSecretConfigs: tls.credentialNames.map(certificateFrom) };
  }
  return {
    tlsCertificates: [
      { certificateChain: { filename: tls.certificateFile }, privateKey: { filename: tls.keyFile } },
    ],
  };
}

function clientValidationOf(tls: ServerTls): CommonTlsContext {
  const rules = {
    matchTypedSubjectAltNames: subjectAltNameMatchers(tls.subjectAltNames),
    verifyCertificateSpki: [...tls.publicKeyHashes],
    verifyCertificateHash: [...tls.certificateHashes],
  };
  const [first] = tls.credentialNames;
  if (first === undefined) {
    const crl = tls.crlFile === '' ? {} : { crl: { filename: tls.crlFile } };
    return { validationContext: { ...rules, ...crl, trustedCa: { filename: tls.caFile } } };
  }
  return {
    combinedValidationContext: {
      defaultValidationContext: rules,
      validationContextSdsSecretConfig: authoritiesFrom(first),
    },
  };
}
