import type { envoy } from '@heddle/xds-protos';
import type { CommonTlsConfig, DownstreamTlsConfig, UpstreamTlsConfig } from '../config/tls-config.js';
import { isIpAddress } from './address.js';
import type { Findings } from './findings.js';
import { durationMs, enumName } from './proto-values.js';
import { translateSecretReference } from './secret-reference.js';
import { translateTlsCertificate } from './tls-certificate.js';
import { translateTlsParameters } from './tls-parameters.js';
import {
  reportNamesWithoutRoots,
  translateValidationContext,
  verifiesNothing,
} from './validation-context.js';

type Common = envoy.extensions.transport_sockets.tls.v3.CommonTlsContext;

/** Source: RFC 7301 section 3.1. */
const MOST_ALPN_BYTES = 65_535;
/**
 * Where both sides agree on it, Istio's sidecars begin connections with metadata. Nobody reads or writes them here: they would be
 * taken for the application's bytes.
 */
const PEER_EXCHANGE = 'istio-peer-exchange';

/** Source: envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext. */
export function translateDownstreamTls(
  context: envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext,
  path: string,
  findings: Findings,
): DownstreamTlsConfig {
  const common = translateCommon(context.commonTlsContext, `${path}.common_tls_context`, findings);
  if (common.certificates.length === 0) {
    findings.problem(`${path}.common_tls_context.tls_certificates`, 'a server needs a certificate');
  }
  const requireClientCertificate = context.requireClientCertificate?.value ?? false;
  if (requireClientCertificate && !verifies(common)) {
    findings.problem(
      `${path}.require_client_certificate`,
      'needs a validation context with trusted_ca or hashes: otherwise any certificate would do',
    );
  }
  if (
    context.sessionTicketKeysType === 'sessionTicketKeys' ||
    context.sessionTicketKeysType === 'sessionTicketKeysSdsSecretConfig'
  ) {
    findings.warn(
      `${path}.session_ticket_keys`,
      'has no effect: each proxy makes keys of its own, and new ones when certificates or trust change',
    );
  }
  findings.unsupported(
    `${path}.full_scan_certs_on_sni_mismatch`,
    context.fullScanCertsOnSniMismatch?.value === true,
    'warning',
  );
  const policy = enumName(
    ['lenient', 'strict', 'must-staple'] as const,
    context.ocspStaplePolicy,
    `${path}.ocsp_staple_policy`,
    findings,
  );
  findings.unsupported(`${path}.ocsp_staple_policy`, policy !== 'lenient', 'problem');
  return {
    ...common,
    requireClientCertificate,
    requireSni: context.requireSni?.value ?? false,
    sessionTimeoutMs: durationMs(context.sessionTimeout, 0, `${path}.session_timeout`, findings),
    statelessResumption: context.disableStatelessSessionResumption !== true,
    statefulResumption: !context.disableStatefulSessionResumption,
  };
}

/** Source: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext. */
export function translateUpstreamTls(
  context: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext,
  path: string,
  findings: Findings,
): UpstreamTlsConfig {
  const common = translateCommon(context.commonTlsContext, `${path}.common_tls_context`, findings);
  if (common.certificates.length > 1) {
    findings.problem(`${path}.common_tls_context.tls_certificates`, 'a client may have one certificate only');
  }
  if (!verifies(common)) {
    findings.warn(
      `${path}.common_tls_context.validation_context`,
      'without trusted_ca or hashes the server may be anybody: its certificate is not verified',
    );
  }
  const { sni } = context;
  if (sni.length > 255) findings.problem(`${path}.sni`, 'must be at most 255 bytes long');
  if (/[^\x21-\x7e]/.test(sni)) findings.problem(`${path}.sni`, 'must be printable ASCII');
  if (isIpAddress(sni)) findings.warn(`${path}.sni`, 'an address is not sent as SNI');
  findings.unsupported(`${path}.allow_renegotiation`, context.allowRenegotiation, 'problem');
  findings.unsupported(
    `${path}.enforce_rsa_key_usage`,
    context.enforceRsaKeyUsage?.value === true,
    'warning',
  );
  return {
    ...common,
    sni: isIpAddress(sni) ? '' : sni,
    resumption: context.maxSessionKeys?.value !== 0,
  };
}

/** Whether something of a certificate is verified, as far as that is known before secrets are fetched. */
function verifies(common: CommonTlsConfig): boolean {
  const { validation } = common;
  if (validation === undefined) return false;
  return (
    validation.fetched !== undefined || (validation.given !== undefined && !verifiesNothing(validation.given))
  );
}

function translateCommon(common: Common | null, path: string, findings: Findings): CommonTlsConfig {
  if (common !== null) reportUnsupported(common, path, findings);
  const alpnProtocols = common?.alpnProtocols ?? [];
  alpnProtocols.forEach((protocol, i) => {
    if (protocol === '' || Buffer.byteLength(protocol) > 255) {
      findings.problem(`${path}.alpn_protocols[${i}]`, 'must be 1 to 255 bytes long');
    }
  });
  if (alpnProtocols.reduce((bytes, one) => bytes + 1 + Buffer.byteLength(one), 0) > MOST_ALPN_BYTES) {
    findings.problem(`${path}.alpn_protocols`, `are longer than ${MOST_ALPN_BYTES} bytes together`);
  }
  const given = (common?.tlsCertificates ?? []).flatMap((one, i) => {
    const certificate = translateTlsCertificate(one, `${path}.tls_certificates[${i}]`, findings);
    return certificate === undefined ? [] : [{ kind: 'given', certificate } as const];
  });
  const fetched = (common?.tlsCertificateSdsSecretConfigs ?? []).map((one, i) => {
    const at = `${path}.tls_certificate_sds_secret_configs[${i}]`;
    return { kind: 'fetched', secret: translateSecretReference(one, at, findings) } as const;
  });
  if (given.length > 0 && fetched.length > 0) {
    findings.problem(
      `${path}.tls_certificate_sds_secret_configs`,
      'does not go together with tls_certificates',
    );
  }
  return {
    kind: 'tls',
    parameters: translateTlsParameters(common?.tlsParams ?? null, `${path}.tls_params`, findings),
    certificates: [...given, ...fetched],
    validation: common === null ? undefined : translateValidation(common, path, findings),
    alpnProtocols: alpnProtocols.filter((protocol) => protocol !== PEER_EXCHANGE),
  };
}

function translateValidation(
  common: Common,
  path: string,
  findings: Findings,
): CommonTlsConfig['validation'] {
  switch (common.validationContextType) {
    case 'validationContext': {
      if (common.validationContext === null) return undefined;
      const at = `${path}.validation_context`;
      const given = translateValidationContext(common.validationContext, at, findings);
      reportNamesWithoutRoots(given, at, findings);
      return { given, fetched: undefined };
    }
    case 'validationContextSdsSecretConfig': {
      const config = common.validationContextSdsSecretConfig;
      if (config === null) return undefined;
      const at = `${path}.validation_context_sds_secret_config`;
      return { given: undefined, fetched: translateSecretReference(config, at, findings) };
    }
    case 'combinedValidationContext': {
      const combined = common.combinedValidationContext;
      const at = `${path}.combined_validation_context`;
      const { defaultValidationContext: given = null, validationContextSdsSecretConfig: fetched = null } =
        combined ?? {};
      if (combined?.validationContextCertificateProvider !== null) {
        findings.problem(`${at}.validation_context_certificate_provider`, 'is not supported');
      }
      if (combined?.validationContextCertificateProviderInstance !== null) {
        findings.problem(`${at}.validation_context_certificate_provider_instance`, 'is not supported');
      }
      if (given === null) findings.problem(`${at}.default_validation_context`, 'must be set');
      if (fetched === null) findings.problem(`${at}.validation_context_sds_secret_config`, 'must be set');
      return {
        given:
          given === null
            ? undefined
            : translateValidationContext(given, `${at}.default_validation_context`, findings),
        fetched:
          fetched === null
            ? undefined
            : translateSecretReference(fetched, `${at}.validation_context_sds_secret_config`, findings),
      };
    }
    case 'validationContextCertificateProvider':
    case 'validationContextCertificateProviderInstance':
      findings.problem(path, 'certificate providers are not supported');
      return undefined;
    case undefined:
      return undefined;
  }
}

function reportUnsupported(common: Common, path: string, findings: Findings): void {
  const problem = (field: string, isSet: boolean): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'problem');
  problem('tls_certificate_provider_instance', common.tlsCertificateProviderInstance !== null);
  problem('tls_certificate_certificate_provider', common.tlsCertificateCertificateProvider !== null);
  problem(
    'tls_certificate_certificate_provider_instance',
    common.tlsCertificateCertificateProviderInstance !== null,
  );
  problem('custom_handshaker', common.customHandshaker !== null);
  problem('key_log', common.keyLog !== null);
}
