import { envoy, packAny } from '@heddle/xds-protos';
import type { ClientTls } from '../model/mesh-model.js';
import { clientProtocolVersions, subjectAltNameMatchers, tlsSocketName } from './mesh-tls.js';
import { authoritiesFrom, certificateFrom } from './secret-references.js';

type CommonTlsContext = envoy.extensions.transport_sockets.tls.v3.ICommonTlsContext;
type ValidationContext = envoy.extensions.transport_sockets.tls.v3.ICertificateValidationContext;

const tls = envoy.extensions.transport_sockets.tls.v3;

/** TLS towards a service as a DestinationRule asks for it (SIMPLE or MUTUAL). Source: Istio's constructUpstreamTLS. */
export function clientSocket(
  rule: ClientTls,
  { sni, names }: { readonly sni: string; readonly names: readonly string[] },
  speaks: 'http' | 'http2' | 'tcp',
  systemRootsPath: string,
): envoy.config.core.v3.ITransportSocket {
  return {
    name: tlsSocketName,
    typedConfig: packAny(tls.UpstreamTlsContext, {
      sni,
      commonTlsContext: {
        tlsParams: clientProtocolVersions,
        ...(speaks === 'http2' ? { alpnProtocols: ['h2'] } : {}),
        ...certificateOf(rule),
        ...validationOf(rule, names, systemRootsPath),
      },
    }),
  };
}

function certificateOf(rule: ClientTls): CommonTlsContext {
  if (rule.mode !== 'mutual') return {};
  if (rule.credentialName !== '') {
    return { tlsCertificateSdsSecretConfigs: [certificateFrom(rule.credentialName)] };
  }
  return {
    tlsCertificates: [
      { certificateChain: { filename: rule.certificateFile }, privateKey: { filename: rule.keyFile } },
    ],
  };
}

function validationOf(rule: ClientTls, names: readonly string[], systemRootsPath: string): CommonTlsContext {
  // Without authorities nothing is verified.
  if (rule.insecureSkipVerify) return { validationContext: {} };
  const named: ValidationContext =
    names.length === 0 ? {} : { matchTypedSubjectAltNames: subjectAltNameMatchers(names) };
  if (rule.credentialName !== '') {
    return {
      combinedValidationContext: {
        defaultValidationContext: named,
        validationContextSdsSecretConfig: authoritiesFrom(rule.credentialName),
      },
    };
  }
  return {
    validationContext: {
      ...named,
      ...rootsOf(rule.caFile || systemRootsPath),
      ...(rule.crlFile === '' ? {} : { crl: { filename: rule.crlFile } }),
    },
  };
}

/** No path is what the proxy itself takes for the public authorities. */
function rootsOf(path: string): ValidationContext {
  return path === '' ? { systemRootCerts: {} } : { trustedCa: { filename: path } };
}
