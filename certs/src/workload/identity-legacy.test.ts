import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EncodingError } from '../errors.js';
import { requireSpiffeId } from '../spiffe-id.js';
import { forgeCertificate, uriName } from '../testing/index.js';
import { formatIdentityLegacy, parseIdentityLegacy, rootsFileDigest } from './identity-legacy.js';
import { acceptCertificate } from './workload-certificate.js';
import { generateWorkloadKeyPair } from './workload-key-pair.js';

const web = requireSpiffeId('spiffe://td/ns/shop/sa/web');

describe('what a workload leaves to its next process', () => {
  it('is the same certificate, key and roots again', () => {
    const { certificate, text } = create();
    const legacy = parseIdentityLegacy(text);
    assert.equal(legacy.spiffeId, web.uri);
    assert.equal(legacy.arrivedAtMs, 7);
    assert.equal(legacy.rootsPem, 'roots');
    assert.equal(legacy.rootsFileDigest, rootsFileDigest('a file'));
    const again = acceptCertificate({ ...legacy, spiffeId: web, nowMs: Date.now() });
    assert.equal(again.privateKeyPem(), certificate.privateKeyPem());
    assert.equal(again.chainPem, certificate.chainPem);
  });

  it('is refused where a part is missing or cut, in words that hold nothing of it', () => {
    const { text } = create();
    const parts = JSON.parse(text) as Record<string, unknown>;
    for (const name of Object.keys(parts)) {
      const rest = Object.fromEntries(Object.entries(parts).filter(([key]) => key !== name));
      assert.throws(() => parseIdentityLegacy(JSON.stringify(rest)), {
        name: EncodingError.name,
        message: `${name} is missing`,
      });
    }
    const changes = fc.tuple(fc.nat(text.length - 1), fc.nat(40), fc.string({ maxLength: 3 }));
    fc.assert(
      fc.property(changes, ([at, length, put]) => {
        try {
          parseIdentityLegacy(text.slice(0, at) + put + text.slice(at + length));
        } catch (error) {
          assert.ok(error instanceof EncodingError, String(error));
          assert.match(error.message, /^(it is no JSON|\w+ is missing|its key cannot be read)$/);
        }
      }),
    );
    for (const nonsense of ['', 'null', '7', '[]', '"text"']) {
      assert.throws(() => parseIdentityLegacy(nonsense), EncodingError);
    }
  });
});

function create() {
  const keyPair = generateWorkloadKeyPair();
  const root = forgeCertificate({ ca: true, commonName: 'root' });
  const { certificatePem: chainPem } = forgeCertificate({ issuer: root, names: [uriName(web.uri)], keyPair });
  const certificate = acceptCertificate({ keyPair, spiffeId: web, chainPem, nowMs: Date.now() });
  const rest = { arrivedAtMs: 7, rootsPem: 'roots', rootsFileDigest: rootsFileDigest('a file') };
  return { certificate, text: formatIdentityLegacy(certificate, rest) };
}
