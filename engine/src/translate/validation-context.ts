import { envoy } from '@heddle/xds-protos';
import type {
  PeerRulesConfig,
  SubjectAltNameMatchConfig,
  ValidationContextConfig,
} from '../config/tls-config.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import { translateDataSource } from './data-source.js';
import type { Findings } from './findings.js';
import { translateStringMatcher } from './matchers.js';

type ValidationContext = envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext;

const { SPIFFECertValidatorConfig } = envoy.extensions.transport_sockets.tls.v3;
/** More would only make connections slow. */
const MOST_MATCHERS = 10_000;

/**
 * How a peer's certificate is verified. Whatever would make it stricter and is not there is a problem, and so is what would make it
 * laxer than it looks.
 *
 * Source: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.
 */
export function translateValidationContext(
  context: ValidationContext,
  path: string,
  findings: Findings,
): ValidationContextConfig {
  reportUnsupported(context, path, findings);
  const watched = context.watchedDirectory?.path ?? '';
  const spiffe = translateSpiffeValidator(context, path, findings);
  const trustedCa =
    spiffe?.bundle ?? translateDataSource(context.trustedCa, watched, `${path}.trusted_ca`, findings);
  const rules: PeerRulesConfig = {
    subjectAltNames: translateNames(context, path, findings),
    publicKeyHashes: context.verifyCertificateSpki.map((hash, i) => {
      if (!/^[A-Za-z0-9+/]{43}=$/.test(hash)) {
        findings.problem(`${path}.verify_certificate_spki[${i}]`, 'must be a SHA-256 in base64');
      }
      return hash;
    }),
    certificateHashes: context.verifyCertificateHash.map((hash, i) => {
      const plain = hash.replaceAll(':', '').toLowerCase();
      if (!/^[0-9a-f]{64}$/.test(plain)) {
        findings.problem(`${path}.verify_certificate_hash[${i}]`, 'must be a SHA-256 in hexadecimal');
      }
      return plain;
    }),
    spiffeTrustDomains: spiffe?.trustDomains,
  };
  return {
    trustedCa,
    systemRoots: context.systemRootCerts !== null,
    crl: translateDataSource(context.crl, watched, `${path}.crl`, findings),
    rules,
  };
}

/** Whether a context verifies nothing at all. */
export function verifiesNothing(validation: ValidationContextConfig): boolean {
  return (
    validation.trustedCa === undefined &&
    !validation.systemRoots &&
    validation.rules.publicKeyHashes.length === 0 &&
    validation.rules.certificateHashes.length === 0
  );
}

/**
 * Names say nothing where anybody may have written them: without roots they may not be asked for.
 *
 * Source: Envoy refuses the same ("SAN-based verification of peer certificates without trusted CA is insecure").
 */
export function reportNamesWithoutRoots(
  validation: ValidationContextConfig,
  path: string,
  findings: Findings,
): void {
  const { trustedCa, systemRoots, crl, rules } = validation;
  if (trustedCa !== undefined || systemRoots) return;
  if (rules.subjectAltNames.length > 0) {
    findings.problem(
      `${path}.match_typed_subject_alt_names`,
      'needs trusted_ca: without it anybody may have any name',
    );
  }
  if (crl !== undefined) findings.problem(`${path}.crl`, 'needs trusted_ca');
}

function translateNames(
  context: ValidationContext,
  path: string,
  findings: Findings,
): readonly SubjectAltNameMatchConfig[] {
  if (context.matchTypedSubjectAltNames.length > MOST_MATCHERS) {
    findings.problem(`${path}.match_typed_subject_alt_names`, `has more than ${MOST_MATCHERS} entries`);
    return [];
  }
  const typed = context.matchTypedSubjectAltNames.map((one, i): SubjectAltNameMatchConfig => {
    const at = `${path}.match_typed_subject_alt_names[${i}]`;
    if (one.matcher === null) findings.problem(`${at}.matcher`, 'must be set');
    return {
      type: nameType(one.sanType, `${at}.san_type`, findings),
      matcher: translateStringMatcher(
        one.matcher ?? envoy.type.matcher.v3.StringMatcher.create({ exact: '' }),
        `${at}.matcher`,
        findings,
      ),
    };
  });
  // The older list counts only where the newer one is empty, as in Envoy.
  if (typed.length > 0) return typed;
  return context.matchSubjectAltNames.map((matcher, i) => ({
    type: 'any',
    matcher: translateStringMatcher(matcher, `${path}.match_subject_alt_names[${i}]`, findings),
  }));
}

const NAME_TYPES = [undefined, 'email', 'dns', 'uri', 'ip'] as const;

function nameType(value: number, path: string, findings: Findings): SubjectAltNameMatchConfig['type'] {
  const type = NAME_TYPES[value];
  if (type === undefined) findings.problem(path, 'must be EMAIL, DNS, URI or IP_ADDRESS');
  return type ?? 'dns';
}

function translateSpiffeValidator(
  context: ValidationContext,
  path: string,
  findings: Findings,
):
  | { readonly bundle: ValidationContextConfig['trustedCa']; readonly trustDomains: readonly string[] }
  | undefined {
  const any = context.customValidatorConfig?.typedConfig ?? null;
  if (context.customValidatorConfig === null) return undefined;
  const at = `${path}.custom_validator_config.typed_config`;
  if (any === null || typeNameOfUrl(any.typeUrl) !== SPIFFECertValidatorConfig.typeName) {
    findings.problem(at, 'only the SPIFFE validator is supported');
    return undefined;
  }
  const config = unpackAs(any, SPIFFECertValidatorConfig, at, findings);
  const domain = config?.trustDomains[0];
  if (config === undefined) return undefined;
  if (domain === undefined) {
    findings.problem(`${at}.trust_domains`, 'must have an entry');
    return undefined;
  }
  // Each would have to be verified by its own roots alone, which OpenSSL's one set of roots cannot express.
  if (config.trustDomains.length > 1) {
    findings.problem(`${at}.trust_domains`, 'more than one trust domain is not supported');
  }
  if (context.trustedCa !== null) {
    findings.problem(`${path}.trusted_ca`, 'does not go together with the bundles of the SPIFFE validator');
  }
  if (!/^[a-z0-9._-]{1,255}$/.test(domain.name)) {
    findings.problem(`${at}.trust_domains[0].name`, `${JSON.stringify(domain.name)} names no trust domain`);
  }
  const bundlePath = `${at}.trust_domains[0].trust_bundle`;
  const bundle = translateDataSource(domain.trustBundle, '', bundlePath, findings);
  if (domain.trustBundle === null) findings.problem(bundlePath, 'must be set');
  return { bundle, trustDomains: [domain.name] };
}

function reportUnsupported(context: ValidationContext, path: string, findings: Findings): void {
  const problem = (field: string, isSet: boolean): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'problem');
  problem('ca_certificate_provider_instance', context.caCertificateProviderInstance !== null);
  problem('require_signed_certificate_timestamp', context.requireSignedCertificateTimestamp?.value === true);
  problem('allow_expired_certificate', context.allowExpiredCertificate);
  problem('trust_chain_verification', context.trustChainVerification !== 0);
  problem('only_verify_leaf_cert_crl', context.onlyVerifyLeafCertCrl);
  problem('max_verify_depth', context.maxVerifyDepth !== null);
}
