import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { createAuthority } from '../authority/index.js';
import { CertificateChainError, EncodingError } from '../errors.js';
import { requireSpiffeId } from '../spiffe-id.js';
import { createCertificateRequest, generateWorkloadKeyPair } from '../workload/index.js';
import { splitChain } from './request-certificate.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-split-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const authority = createAuthority({ folder, trustDomain: 'td' });
authority.beginRotation();
const web = requireSpiffeId('spiffe://td/ns/shop/sa/web');
const leaf = authority.sign(createCertificateRequest(generateWorkloadKeyPair(), web), web).chainPem;
const roots = authority.roots.map(({ pem }) => pem);

describe('what an authority answers', () => {
  it('is parted into the chain and all roots, in their order', () => {
    assert.deepEqual(splitChain([leaf, ...roots]), { chainPem: leaf, rootsPem: roots.join('') });
    // Others send several in one text.
    assert.deepEqual(splitChain([leaf + roots.join('')]), { chainPem: leaf, rootsPem: roots.join('') });
  });

  it('may hold no root, and what stands between is no root', () => {
    assert.deepEqual(splitChain([leaf]), { chainPem: leaf, rootsPem: '' });
    assert.deepEqual(splitChain([leaf, leaf]), { chainPem: leaf + leaf, rootsPem: '' });
  });

  it('is an error where there is no certificate', () => {
    assert.throws(() => splitChain([]), CertificateChainError);
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constant(leaf)), { maxLength: 3 }), (chain) => {
        try {
          splitChain(chain);
        } catch (error) {
          assert.ok(error instanceof EncodingError || error instanceof CertificateChainError, String(error));
        }
      }),
    );
  });
});
