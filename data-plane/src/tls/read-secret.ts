import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { HiddenText, type TlsCertificateConfig, type ValidationContextConfig } from '@heddle/engine';
import type { DataSources } from './data-sources.js';
import type { CertificateSecret, TrustSecret } from './secret.js';

export type SecretReading<T> =
  | { readonly ok: true; readonly secret: T }
  /** In words that hold nothing of what was read. */
  | { readonly ok: false; readonly problem: string };

/** Chains and lists of roots have fewer. */
const MOST_CERTIFICATES = 1024;
/** Where systems keep the roots they trust. */
const SYSTEM_ROOTS = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Reads a certificate and its key, and checks that they belong together. */
export function readCertificateSecret(
  config: TlsCertificateConfig,
  sources: DataSources,
): SecretReading<CertificateSecret> {
  try {
    const chain = certificatesIn(sources.read(config.chain), 'the certificate chain');
    const keyPem = sources.read(config.privateKey);
    const password = config.password === undefined ? undefined : sources.read(config.password);
    const key = readKey(keyPem, password);
    if (!(chain[0] as X509Certificate).checkPrivateKey(key)) {
      return { ok: false, problem: 'the private key is not the one of the certificate' };
    }
    return {
      ok: true,
      secret: {
        kind: 'certificate',
        chainPem: chain.map(String).join(''),
        privateKey: new HiddenText(keyPem),
        password: password === undefined ? undefined : new HiddenText(password),
      },
    };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : 'it cannot be read' };
  }
}

/** Reads whom to trust. */
export function readTrustSecret(
  config: ValidationContextConfig,
  sources: DataSources,
): SecretReading<TrustSecret> {
  try {
    const given =
      config.trustedCa === undefined
        ? ''
        : certificatesIn(sources.read(config.trustedCa), 'trusted_ca').map(String).join('');
    return {
      ok: true,
      secret: {
        kind: 'trust',
        rootsPem: config.systemRoots ? given + systemRootsPem() : given,
        crlPem: config.crl === undefined ? '' : crlIn(sources.read(config.crl)),
        rules: config.rules,
      },
    };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : 'it cannot be read' };
  }
}

function readKey(pem: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey(passphrase === undefined ? { key: pem } : { key: pem, passphrase });
  } catch {
    // OpenSSL's own words say less, and nobody knows what they may hold.
    throw new Error('the private key cannot be read: it must be PEM, with its password where it has one');
  }
}

const CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** The certificates of a text; words and other blocks may stand around them, as in many files. */
function certificatesIn(text: string, what: string): readonly X509Certificate[] {
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw new Error(`${what} holds no certificate in PEM`);
  if (blocks.length > MOST_CERTIFICATES)
    throw new Error(`${what} holds more than ${MOST_CERTIFICATES} certificates`);
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new Error(`certificate ${i + 1} of ${what} cannot be read`);
    }
  });
}

function crlIn(text: string): string {
  const blocks = text.match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g);
  if (blocks === null) throw new Error('crl holds no list of revoked certificates in PEM');
  return blocks.join('\n');
}

/** The roots that this machine trusts. Errors: throws where there is no list of them. */
function systemRootsPem(): string {
  for (const path of SYSTEM_ROOTS) {
    try {
      return certificatesIn(readFileSync(path, 'latin1'), path).map(String).join('');
    } catch {
      // Another system keeps them elsewhere.
    }
  }
  throw new Error('this machine has no list of trusted roots where systems keep one');
}
