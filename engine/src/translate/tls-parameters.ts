import type { envoy } from '@heddle/xds-protos';
import type { TlsParametersConfig, TlsVersion } from '../config/tls-config.js';
import type { Findings } from './findings.js';

/** What Envoy can be told to use with TLS 1.2, by OpenSSL's names. Its names after RFCs mean the same. */
const CIPHERS: ReadonlyMap<string, string> = new Map(
  [
    ['ECDHE-ECDSA-AES128-GCM-SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'],
    ['ECDHE-RSA-AES128-GCM-SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
    ['ECDHE-ECDSA-AES256-GCM-SHA384', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'],
    ['ECDHE-RSA-AES256-GCM-SHA384', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'],
    ['ECDHE-ECDSA-CHACHA20-POLY1305', 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256'],
    ['ECDHE-RSA-CHACHA20-POLY1305', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256'],
    ['ECDHE-ECDSA-AES128-SHA', 'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA'],
    ['ECDHE-RSA-AES128-SHA', 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA'],
    ['ECDHE-ECDSA-AES256-SHA', 'TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA'],
    ['ECDHE-RSA-AES256-SHA', 'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA'],
    ['AES128-GCM-SHA256', 'TLS_RSA_WITH_AES_128_GCM_SHA256'],
    ['AES256-GCM-SHA384', 'TLS_RSA_WITH_AES_256_GCM_SHA384'],
    ['AES128-SHA', 'TLS_RSA_WITH_AES_128_CBC_SHA'],
    ['AES256-SHA', 'TLS_RSA_WITH_AES_256_CBC_SHA'],
  ].flatMap(([openssl, rfc]) => [
    [openssl as string, openssl as string] as const,
    [rfc as string, openssl as string] as const,
  ]),
);

const CURVES = new Set(['X25519', 'P-256', 'P-384', 'P-521', 'X25519MLKEM768']);
const SIGNATURES = new Set([
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp521r1_sha512',
  'ed25519',
  'rsa_pss_rsae_sha256',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
]);

const VERSION_FIELDS = ['tls_minimum_protocol_version', 'tls_maximum_protocol_version'] as const;

/**
 * Versions, ciphers, curves. TLS 1.3 is the default at most, also for clients, where Envoy stops at 1.2; 1.2 is the default at
 * least.
 *
 * Source: envoy.extensions.transport_sockets.tls.v3.TlsParameters.
 */
export function translateTlsParameters(
  parameters: envoy.extensions.transport_sockets.tls.v3.TlsParameters | null,
  path: string,
  findings: Findings,
): TlsParametersConfig {
  const minimum = parameters?.tlsMinimumProtocolVersion ?? 0;
  const maximum = parameters?.tlsMaximumProtocolVersion ?? 0;
  [minimum, maximum].forEach((version, i) => {
    if (version < 0 || version > 4) {
      findings.problem(`${path}.${VERSION_FIELDS[i]}`, `unknown value ${version}`);
    }
  });
  if (minimum === 1 || minimum === 2) {
    findings.warn(`${path}.${VERSION_FIELDS[0]}`, 'versions below TLS 1.2 are not spoken');
  }
  if (maximum === 1 || maximum === 2) {
    findings.problem(`${path}.${VERSION_FIELDS[1]}`, 'versions below TLS 1.2 are not spoken');
  }
  const minVersion: TlsVersion = minimum === 4 ? 'TLSv1.3' : 'TLSv1.2';
  const maxVersion: TlsVersion = maximum === 3 ? 'TLSv1.2' : 'TLSv1.3';
  if (minVersion > maxVersion) {
    findings.problem(`${path}.${VERSION_FIELDS[1]}`, 'must not be below tls_minimum_protocol_version');
  }
  return {
    minVersion,
    maxVersion,
    cipherSuites: translateCiphers(parameters?.cipherSuites ?? [], `${path}.cipher_suites`, findings),
    curves: known(parameters?.ecdhCurves ?? [], CURVES, `${path}.ecdh_curves`, findings),
    signatureAlgorithms: known(
      parameters?.signatureAlgorithms ?? [],
      SIGNATURES,
      `${path}.signature_algorithms`,
      findings,
    ),
  };
}

function translateCiphers(suites: readonly string[], path: string, findings: Findings): readonly string[] {
  return suites.flatMap((suite, i) => {
    // [A|B] are of equal preference, which OpenSSL's server has for none: they are taken in their order.
    const names = /^\[.*\]$/.test(suite) ? suite.slice(1, -1).split('|') : [suite];
    return names.map((name) => {
      const cipher = CIPHERS.get(name);
      if (cipher === undefined) {
        findings.problem(`${path}[${i}]`, `${JSON.stringify(name)} is not a cipher that is supported`);
      }
      return cipher ?? '';
    });
  });
}

function known(
  names: readonly string[],
  all: ReadonlySet<string>,
  path: string,
  findings: Findings,
): readonly string[] {
  names.forEach((name, i) => {
    if (!all.has(name)) findings.problem(`${path}[${i}]`, `${JSON.stringify(name)} is not supported`);
  });
  return [...names];
}
