import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { createLogger } from '@heddle/common';
import { EncodingError, TrustBundleError } from '../errors.js';
import { KeyUsageBit, forgeCertificate, forgeRoot, uriName } from '../testing/index.js';
import { formatSpiffeBundle, parseSpiffeBundle } from './spiffe-bundle.js';
import { TrustBundle } from './trust-bundle.js';

describe('TrustBundle', () => {
  it('trusts old and new roots at once while they overlap', () => {
    const [old, next] = [forgeRoot('old'), forgeRoot('next')];
    const bundle = new TrustBundle({ trustDomain: 'td', roots: old.certificatePem });
    const leaves = [old, next].map((issuer) => new X509Certificate(forgeCertificate({ issuer }).der));
    const trusted = (): boolean[] => leaves.map((leaf) => bundle.issuerOf(leaf, Date.now()) !== undefined);
    assert.deepEqual(trusted(), [true, false]);
    bundle.add(next.certificatePem);
    assert.deepEqual(trusted(), [true, true]);
    bundle.remove(bundle.roots[0]?.fingerprint ?? '');
    assert.deepEqual(trusted(), [false, true]);
  });

  it('tells listeners of changes, once for each, and counts generations', () => {
    const [a, b] = [forgeRoot('a').certificatePem, forgeRoot('b').certificatePem];
    const bundle = new TrustBundle({ trustDomain: 'td', roots: a });
    const seen: number[] = [];
    const remove = bundle.onChange(({ generation }) => seen.push(generation));
    assert.equal(bundle.add(a), false);
    assert.equal(bundle.add(b), true);
    assert.equal(bundle.replace(b + a), false);
    assert.equal(bundle.replace(b), true);
    assert.equal(bundle.remove('unknown'), false);
    remove();
    assert.equal(bundle.add(a), true);
    assert.deepEqual(seen, [2, 3]);
  });

  it('tells the other listeners when one throws, and logs it', () => {
    const lines: string[] = [];
    const logger = createLogger({ component: 'test', sink: { write: (line) => lines.push(line) } });
    const bundle = new TrustBundle({ trustDomain: 'td', logger });
    let told = 0;
    bundle.onChange(() => {
      throw new Error('broken listener');
    });
    bundle.onChange(() => told++);
    bundle.add(forgeRoot().certificatePem);
    assert.equal(told, 1);
    assert.match(lines.join(''), /broken listener/);
  });

  it('never becomes empty again, and keeps what it had when a change is refused', () => {
    const bundle = new TrustBundle({ trustDomain: 'td', roots: forgeRoot().certificatePem });
    const before = bundle.roots;
    assert.throws(() => bundle.remove(before[0]?.fingerprint ?? ''), TrustBundleError);
    assert.throws(() => bundle.replace('nonsense'), EncodingError);
    assert.throws(() => bundle.replace(''), EncodingError);
    assert.equal(bundle.roots, before);
    assert.equal(bundle.generation, 1);
  });

  it('bounds its roots', () => {
    const bundle = new TrustBundle({ trustDomain: 'td', maxRoots: 2 });
    bundle.add(forgeRoot('a').certificatePem + forgeRoot('b').certificatePem);
    assert.throws(() => bundle.add(forgeRoot('c').certificatePem), /more than 2 roots/);
    assert.throws(() =>
      bundle.replace(['a', 'b', 'c'].map((name) => forgeRoot(name).certificatePem).join('')),
    );
  });

  it('refuses what is not an authority', () => {
    const bundle = new TrustBundle({ trustDomain: 'td' });
    const add = (options: Parameters<typeof forgeCertificate>[0]) => () =>
      bundle.add(forgeCertificate({ commonName: 'x', ...options }).certificatePem);
    assert.throws(add({}), /not the certificate of an authority/);
    assert.throws(add({ ca: true, keyUsage: [KeyUsageBit.digitalSignature] }), /may not sign/);
    assert.throws(add({ ca: true, names: [uriName('spiffe://td/ns/a/sa/b')] }), /SPIFFE ID of a workload/);
    assert.throws(() => new TrustBundle({ trustDomain: 'Not One' }), TrustBundleError);
  });

  it('does not trust an expired root', () => {
    const root = forgeCertificate({ commonName: 'r', ca: true, notAfterMs: Date.now() + 60_000 });
    const leaf = new X509Certificate(forgeCertificate({ issuer: root }).der);
    const bundle = new TrustBundle({ trustDomain: 'td', roots: root.certificatePem });
    assert.notEqual(bundle.issuerOf(leaf, Date.now()), undefined);
    assert.equal(bundle.issuerOf(leaf, Date.now() + 120_000), undefined);
  });

  it("does not take another key's signature under a root's name", () => {
    const root = forgeRoot('same name');
    const impostor = forgeRoot('same name');
    const bundle = new TrustBundle({ trustDomain: 'td', roots: root.certificatePem });
    const leaf = new X509Certificate(forgeCertificate({ issuer: impostor }).der);
    assert.equal(bundle.issuerOf(leaf, Date.now()), undefined);
  });
});

describe('a SPIFFE bundle', () => {
  const bundle = new TrustBundle({
    trustDomain: 'td',
    roots: forgeRoot('a').certificatePem + forgeRoot('b').certificatePem,
  });

  it('has one certificate for each key, use x509-svid, and no kid', () => {
    const { keys, spiffe_sequence } = JSON.parse(formatSpiffeBundle(bundle.roots, { sequence: 7 })) as {
      keys: Array<Record<string, unknown>>;
      spiffe_sequence: number;
    };
    assert.equal(spiffe_sequence, 7);
    assert.equal(keys.length, 2);
    for (const [index, key] of keys.entries()) {
      assert.deepEqual(Object.keys(key).sort(), ['crv', 'kty', 'use', 'x', 'x5c', 'y']);
      assert.equal(key['use'], 'x509-svid');
      assert.deepEqual(key['x5c'], [bundle.roots[index]?.der.toString('base64')]);
    }
  });

  it('comes back as the same roots', () => {
    const copy = new TrustBundle({
      trustDomain: 'td',
      roots: parseSpiffeBundle(formatSpiffeBundle(bundle.roots)),
    });
    assert.deepEqual(copy.pems, bundle.pems);
  });

  it('passes over keys of other uses, keys without certificates, and all certificates of a key but the first', () => {
    const [first, second] = bundle.roots.map((root) => root.der.toString('base64'));
    const json = JSON.stringify({
      keys: [
        { use: 'jwt-svid', kid: 'a' },
        { use: 'x509-svid' },
        { use: 'x509-svid', x5c: [] },
        null,
        { use: 'x509-svid', x5c: [first, second] },
      ],
    });
    assert.equal(parseSpiffeBundle(json), bundle.pems[0]);
    assert.equal(parseSpiffeBundle('{"keys":[]}'), '');
  });

  it('is refused where it is not a JWK set', () => {
    for (const json of ['', '[]', '{}', '{"keys":1}', 'null', '{"keys":[{"use":"x509-svid","x5c":["*"]}]}']) {
      assert.throws(() => parseSpiffeBundle(json), TrustBundleError, json);
    }
  });
});
