import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createPublicKey, webcrypto } from 'node:crypto';
import { describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { CertificateRequestError } from '../errors.js';
import { requireSpiffeId } from '../spiffe-id.js';
import { createCertificateRequest } from '../workload/create-certificate-request.js';
import { generateWorkloadKeyPair } from '../workload/workload-key-pair.js';
import { EMPTY_NAME, signCertificateRequest } from '../x509/certificate-builder.js';
import { formatPem, parsePem } from '../x509/pem.js';
import { parseCertificateRequest } from './parse-certificate-request.js';

const spiffeId = requireSpiffeId('spiffe://td/ns/shop/sa/web');

describe('parseCertificateRequest', () => {
  it('finds the key of a request of ours', () => {
    const keyPair = generateWorkloadKeyPair();
    const request = parseCertificateRequest(createCertificateRequest(keyPair, spiffeId));
    assert.ok(request.publicKeyInfo.equals(keyPair.publicKeyInfo));
    assert.equal(request.keyType, 'ec');
  });

  const accepted: ReadonlyArray<readonly [string, KeyAlgorithm]> = [
    ['P-256 with SHA-256', { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }],
    ['P-384 with SHA-384', { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }],
    ['RSA of 2048 bits', rsa(2048)],
  ];
  for (const [what, algorithm] of accepted) {
    it(`takes a request of another library with ${what}`, async () => {
      const { pem, publicKey } = await foreignRequest(algorithm);
      assert.ok(parseCertificateRequest(pem).publicKeyInfo.equals(publicKey));
    });
  }

  const refusedKeys: ReadonlyArray<readonly [string, KeyAlgorithm, RegExp]> = [
    ['P-521', { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-256' }, /type, curve or form/],
    ['RSA of 1024 bits', rsa(1024), /RSA key of 1024 bits/],
    ['Ed25519', { name: 'Ed25519' }, /signed in a way/],
  ];
  for (const [what, algorithm, message] of refusedKeys) {
    it(`refuses ${what}`, async () => {
      const { pem } = await foreignRequest(algorithm);
      assert.throws(() => parseCertificateRequest(pem), refusalOf(message));
    });
  }

  it('refuses a request that is signed with another key than its own', () => {
    const [own, other] = [generateWorkloadKeyPair(), generateWorkloadKeyPair()];
    const der = signCertificateRequest(
      { subject: EMPTY_NAME, publicKeyInfo: own.publicKeyInfo, extensions: [] },
      other.privateKey,
    );
    const pem = formatPem('CERTIFICATE REQUEST', der);
    assert.throws(() => parseCertificateRequest(pem), refusalOf(/not signed with the key that it is for/));
  });

  it('refuses a point that is not on the curve, and one in compressed form', () => {
    const keyPair = generateWorkloadKeyPair();
    const odd = ((keyPair.publicKeyInfo.at(-1) as number) & 1) === 1;
    const compressed = Buffer.from(
      '3039301306072a8648ce3d020106082a8648ce3d030107032200' +
        (odd ? '03' : '02') +
        keyPair.publicKeyInfo.toString('hex', 27, 59),
      'hex',
    );
    // OpenSSL would take it.
    createPublicKey({ key: compressed, type: 'spki', format: 'der' });
    const offCurve = Buffer.from(keyPair.publicKeyInfo);
    offCurve.fill(1, 27);
    for (const publicKeyInfo of [offCurve, compressed]) {
      const der = signCertificateRequest(
        { subject: EMPTY_NAME, publicKeyInfo, extensions: [] },
        keyPair.privateKey,
      );
      assert.throws(
        () => parseCertificateRequest(formatPem('CERTIFICATE REQUEST', der)),
        CertificateRequestError,
      );
    }
  });

  it('refuses what is no request, two of them, and one that is too long', () => {
    const pem = createCertificateRequest(generateWorkloadKeyPair(), spiffeId);
    for (const text of [
      '',
      'x',
      pem.repeat(2),
      pem.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'),
      ' '.repeat(20_000) + pem,
    ]) {
      assert.throws(() => parseCertificateRequest(text), CertificateRequestError);
    }
  });

  it('refuses a request with any damage, and throws nothing else', () => {
    const der = parsePem(
      createCertificateRequest(generateWorkloadKeyPair(), spiffeId),
      'CERTIFICATE REQUEST',
    )[0] as Buffer;
    fc.assert(
      fc.property(
        fc.nat({ max: der.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        fc.nat({ max: 3 }),
        (at, flip, cut) => {
          const bytes = Buffer.from(der);
          bytes[at] = (bytes[at] as number) ^ flip;
          const pem = formatPem('CERTIFICATE REQUEST', bytes.subarray(0, bytes.length - cut));
          assert.throws(() => parseCertificateRequest(pem), CertificateRequestError);
        },
      ),
      { numRuns: 600 },
    );
  });

  it('throws nothing else for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
        assert.throws(
          () => parseCertificateRequest(formatPem('CERTIFICATE REQUEST', bytes)),
          CertificateRequestError,
        );
      }),
    );
  });
});

describe('createCertificateRequest', () => {
  it('writes what another library reads and verifies', async () => {
    x509.cryptoProvider.set(webcrypto);
    const keyPair = generateWorkloadKeyPair();
    const request = new x509.Pkcs10CertificateRequest(createCertificateRequest(keyPair, spiffeId));
    assert.equal(await request.verify(), true);
    assert.equal(request.subject, '');
    const names = request.extensions.find(
      (extension) => extension instanceof x509.SubjectAlternativeNameExtension,
    );
    assert.deepEqual(names?.names.toJSON(), [{ type: 'url', value: spiffeId.uri }]);
    assert.equal(names?.critical, true);
  });
});

type KeyAlgorithm = { readonly name: string } & Record<string, unknown>;

function rsa(bits: number): KeyAlgorithm {
  return {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: bits,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
}

async function foreignRequest(algorithm: KeyAlgorithm): Promise<{ pem: string; publicKey: Buffer }> {
  x509.cryptoProvider.set(webcrypto);
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=somebody else',
    keys,
    signingAlgorithm: algorithm,
  });
  return {
    pem: request.toString('pem'),
    publicKey: Buffer.from(await webcrypto.subtle.exportKey('spki', keys.publicKey)),
  };
}

function refusalOf(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof CertificateRequestError && message.test(error.message);
}
