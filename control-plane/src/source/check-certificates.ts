import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { secretFields } from '../model/build-secrets.js';
import type { SchemaProblem } from './validate-resource.js';

type Values = ReadonlyMap<string, string>;
type Places = ReadonlyMap<string, readonly string[]>;

/** More is no chain but a mistake. */
const maxCertificates = 1_000;
/** Envoy takes no smaller ones. */
const leastRsaBits = 2_048;
const curves: readonly string[] = ['prime256v1', 'secp384r1', 'secp521r1'];

/**
 * Whether a Secret's certificates can be served: that they can be read, and that the key is that of the leaf.
 *
 * Errors: each in the place of its field. No message holds any part of a value. A Secret without certificates is none of ours.
 */
export function checkCertificates(type: string, values: Values, places: Places): readonly SchemaProblem[] {
  const check = new CertificateCheck(places);
  const certificate = secretFields.certificate.find((name) => values.has(name));
  const key = secretFields.key.find((name) => values.has(name));
  if (type === 'kubernetes.io/tls') {
    for (const name of ['tls.crt', 'tls.key']) {
      if (values.has(name)) continue;
      check.say(['data', name], `a Secret of type ${type} lacks "${name}"`, 'tls.crt and tls.key');
    }
  }
  const chain =
    certificate === undefined ? undefined : check.chain(certificate, values.get(certificate) ?? '');
  const privateKey = key === undefined ? undefined : check.key(key, values.get(key) ?? '');
  if (certificate !== undefined && key !== undefined && chain !== undefined && privateKey !== undefined) {
    check.pair(certificate, key, chain, privateKey);
  } else if (type !== 'kubernetes.io/tls' && (certificate === undefined) !== (key === undefined)) {
    const [present, absent] = certificate === undefined ? [key, 'tls.crt'] : [certificate, 'tls.key'];
    check.say(
      places.get(present ?? '') ?? [],
      `${present ?? ''} stands without "${absent}"`,
      'tls.crt and tls.key',
    );
  }
  const authorities = secretFields.authorities.find((name) => values.has(name));
  if (authorities !== undefined) check.chain(authorities, values.get(authorities) ?? '');
  const revocations = secretFields.revocations.find((name) => values.has(name));
  if (revocations !== undefined) check.revocations(revocations, values.get(revocations) ?? '');
  return check.problems;
}

class CertificateCheck {
  readonly problems: SchemaProblem[] = [];
  readonly #places: Places;

  constructor(places: Places) {
    this.#places = places;
  }

  say(path: readonly string[], message: string, expected: string): void {
    this.problems.push({ path, message, expected, at: 'key' });
  }

  chain(name: string, pem: string): readonly X509Certificate[] | undefined {
    const expected = 'certificates in PEM (BEGIN CERTIFICATE), the leaf first';
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    if (blocks.length === 0 || blocks.length > maxCertificates) {
      const what =
        blocks.length === 0
          ? 'no certificate'
          : `${blocks.length} certificates, more than ${maxCertificates}`;
      this.#at(name, `${name} holds ${what}`, expected);
      return undefined;
    }
    const chain: X509Certificate[] = [];
    for (const [i, block] of blocks.entries()) {
      try {
        chain.push(new X509Certificate(block));
      } catch {
        this.#at(name, `certificate ${i + 1} of ${name} cannot be read`, expected);
        return undefined;
      }
    }
    return chain;
  }

  /** Nothing here reads these lists: their form alone is looked at. */
  revocations(name: string, pem: string): void {
    if (/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/.test(pem)) return;
    this.#at(name, `${name} holds no list of revoked certificates`, 'a list in PEM (BEGIN X509 CRL)');
  }

  key(name: string, pem: string): KeyObject | undefined {
    const expected =
      'a private key in PEM without a password: RSA of 2048 bits or more, or ECDSA on P-256, P-384 or P-521';
    if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(pem)) {
      this.#at(name, `the key in ${name} is encrypted, and nobody can give its password`, expected);
      return undefined;
    }
    let key: KeyObject;
    try {
      key = createPrivateKey({ key: pem, format: 'pem' });
    } catch {
      this.#at(name, `${name} holds no private key`, expected);
      return undefined;
    }
    const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
    const isRsa = key.asymmetricKeyType === 'rsa' && modulusLength >= leastRsaBits;
    const isEcdsa = key.asymmetricKeyType === 'ec' && curves.includes(namedCurve);
    if (isRsa || isEcdsa) return key;
    this.#at(name, `the key in ${name} is of a kind that proxies do not take`, expected);
    return undefined;
  }

  pair(certificate: string, name: string, chain: readonly X509Certificate[], key: KeyObject): void {
    const owner = chain.findIndex((candidate) => candidate.checkPrivateKey(key));
    if (owner === 0) return;
    if (owner > 0) {
      const message = `the key in ${name} belongs to certificate ${owner + 1} of ${certificate}`;
      return this.#at(certificate, message, 'the certificate of the key first, then those that sign it');
    }
    this.#at(
      name,
      `the key in ${name} does not belong to the certificate in ${certificate}`,
      'the key of that certificate',
    );
  }

  #at(name: string, message: string, expected: string): void {
    this.say(this.#places.get(name) ?? [], message, expected);
  }
}
