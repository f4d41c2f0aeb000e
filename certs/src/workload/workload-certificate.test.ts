import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CertificateChainError } from '../errors.js';
import { requireSpiffeId } from '../spiffe-id.js';
import {
  forgeCertificate,
  forgeRoot,
  uriName,
  type ForgeOptions,
  type ForgedCertificate,
} from '../testing/index.js';
import { TrustBundle } from './trust-bundle.js';
import { acceptCertificate, type AcceptCertificateOptions } from './workload-certificate.js';
import { generateWorkloadKeyPair } from './workload-key-pair.js';

const spiffeId = requireSpiffeId('spiffe://td/ns/shop/sa/web');
const root = forgeRoot('root');
const keyPair = generateWorkloadKeyPair();

describe('acceptCertificate', () => {
  it('takes a certificate for this identity and key that a trusted root signed', () => {
    const certificate = acceptCertificate(options(leaf()));
    assert.equal(certificate.spiffeId.uri, spiffeId.uri);
    assert.equal(certificate.chainPem.match(/BEGIN CERTIFICATE/g)?.length, 1);
    assert.match(certificate.privateKeyPem(), /BEGIN PRIVATE KEY/);
  });

  it('drops the root that some authorities send along', () => {
    const chainPem = leaf().certificatePem + root.certificatePem;
    assert.equal(acceptCertificate({ ...options(), chainPem }).chainPem, leafOf(chainPem));
  });

  it('keeps an authority in between', () => {
    const between = forgeCertificate({ commonName: 'between', ca: true, purposes: 'left-out', issuer: root });
    const chainPem = leaf({ issuer: between }).certificatePem + between.certificatePem;
    assert.equal(acceptCertificate({ ...options(), chainPem }).chainPem, chainPem);
  });

  it('takes a certificate of the future, for the clock here may be behind', () => {
    acceptCertificate(options(leaf({ notBeforeMs: Date.now() + 60_000 })));
  });

  it('shows its key in no log line', () => {
    const certificate = acceptCertificate(options(leaf()));
    const secret = certificate.privateKeyPem().split('\n')[1] as string;
    for (const text of [inspect(certificate, { depth: 9, showHidden: true }), JSON.stringify(certificate)]) {
      assert.equal(text.includes(secret), false);
      assert.doesNotMatch(text, /PRIVATE/);
    }
  });

  const other = forgeRoot('other');
  const notAuthority = forgeCertificate({ commonName: 'leaf', issuer: root });
  const refused: ReadonlyArray<readonly [string, () => string, RegExp]> = [
    ['nothing', () => '', /cannot be read/],
    ['no PEM', () => 'nonsense', /cannot be read/],
    [
      'PEM that is no certificate',
      () => '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----',
      /cannot be read/,
    ],
    [
      'the certificate of somebody else',
      () => leaf({ names: [uriName('spiffe://td/ns/shop/sa/db')] }).certificatePem,
      /is for spiffe:\/\/td\/ns\/shop\/sa\/db, not for/,
    ],
    [
      'a certificate for another key',
      () => leaf({ keyPair: generateWorkloadKeyPair() }).certificatePem,
      /another key/,
    ],
    ['a certificate by another root', () => leaf({ issuer: other }).certificatePem, /no trusted root/],
    ['an expired certificate', () => leaf({ notAfterMs: Date.now() - 5000 }).certificatePem, /expired/],
    [
      'two URI names',
      () => leaf({ names: [uriName(spiffeId.uri), uriName(spiffeId.uri)] }).certificatePem,
      /several-uri-names/,
    ],
    [
      'certificates that are not a chain',
      () => leaf().certificatePem + notAuthority.certificatePem,
      /not a chain/,
    ],
    [
      'a chain through a leaf',
      () => leaf({ issuer: notAuthority }).certificatePem + notAuthority.certificatePem,
      /not a chain/,
    ],
    ['a chain that is too long', () => leaf().certificatePem.repeat(9), /cannot be read/],
  ];
  for (const [what, chainPem, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => acceptCertificate({ ...options(), chainPem: chainPem() }),
        (error: unknown) => {
          assert.ok(error instanceof CertificateChainError);
          assert.match(`${error.message}`, message);
          return true;
        },
      );
    });
  }

  it('refuses a chain through what is no authority, also where its key usage does not forbid it', () => {
    const between = forgeCertificate({ commonName: 'x', issuer: root, keyUsage: 'left-out', ca: false });
    const chainPem = leaf({ issuer: between }).certificatePem + between.certificatePem;
    assert.throws(() => acceptCertificate({ ...options(), chainPem }), /not a chain/);
  });

  it('answers any damage with a certificate or a CertificateChainError', () => {
    const { certificatePem } = leaf();
    const damage = fc.record({
      at: fc.nat({ max: certificatePem.length - 1 }),
      letter: fc.constantFrom(...'AZaz09+/=\n-'),
    });
    fc.assert(
      fc.property(damage, ({ at, letter }) => {
        const chainPem = certificatePem.slice(0, at) + letter + certificatePem.slice(at + 1);
        try {
          acceptCertificate({ ...options(), chainPem });
        } catch (error) {
          assert.ok(error instanceof CertificateChainError, String(error));
          return;
        }
        // Nothing but white space may have changed: the signature covers all the rest.
        assert.equal(chainPem.replace(/\s/g, ''), certificatePem.replace(/\s/g, ''));
      }),
      { numRuns: 300 },
    );
  });
});

function leaf(changes: ForgeOptions = {}): ForgedCertificate {
  return forgeCertificate({ issuer: root, keyPair, names: [uriName(spiffeId.uri)], ...changes });
}

function options(certificate: ForgedCertificate = leaf()): AcceptCertificateOptions {
  const trustBundle = new TrustBundle({ trustDomain: 'td', roots: root.certificatePem });
  return { keyPair, spiffeId, chainPem: certificate.certificatePem, nowMs: Date.now(), trustBundle };
}

function leafOf(chainPem: string): string {
  const end = '-----END CERTIFICATE-----\n';
  return chainPem.slice(0, chainPem.indexOf(end) + end.length);
}
