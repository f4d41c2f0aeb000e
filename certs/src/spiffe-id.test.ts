import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SpiffeIdError } from './errors.js';
import {
  formatSpiffeId,
  formatWorkloadId,
  isTrustDomain,
  parseSpiffeId,
  parseWorkloadId,
  requireSpiffeId,
  type SpiffeIdProblem,
} from './spiffe-id.js';

describe('parseSpiffeId', () => {
  it('reads trust domain and path', () => {
    assert.deepEqual(requireSpiffeId('spiffe://example.org/ns/shop/sa/web'), {
      uri: 'spiffe://example.org/ns/shop/sa/web',
      trustDomain: 'example.org',
      path: '/ns/shop/sa/web',
    });
  });

  it('reads the ID of a trust domain, which has no path', () => {
    assert.equal(requireSpiffeId('spiffe://td').path, '');
  });

  it('takes every character that the standard allows', () => {
    requireSpiffeId('spiffe://a-z_0.9/azAZ09._-/.../..a/.b');
  });

  const refused: ReadonlyArray<readonly [string, string, SpiffeIdProblem]> = [
    ['nothing', '', 'wrong-scheme'],
    ['another scheme', 'https://example.org/a', 'wrong-scheme'],
    ['an upper-case scheme', 'SPIFFE://example.org/a', 'wrong-scheme'],
    ['a scheme without slashes', 'spiffe:example.org/a', 'wrong-scheme'],
    ['white space before', ' spiffe://example.org/a', 'wrong-scheme'],
    ['no trust domain', 'spiffe://', 'empty-trust-domain'],
    ['no trust domain before a path', 'spiffe:///a', 'empty-trust-domain'],
    ['an upper-case trust domain', 'spiffe://Example.org/a', 'bad-trust-domain-character'],
    ['a port', 'spiffe://example.org:80/a', 'bad-trust-domain-character'],
    ['an empty port', 'spiffe://example.org:/a', 'bad-trust-domain-character'],
    ['user information', 'spiffe://me@example.org/a', 'bad-trust-domain-character'],
    ['an encoded trust domain', 'spiffe://ex%61mple.org/a', 'bad-trust-domain-character'],
    [
      'a letter of another alphabet in the trust domain',
      'spiffe://ex\u0430mple.org/a',
      'bad-trust-domain-character',
    ],
    ['a line end after the trust domain', 'spiffe://example.org\n', 'bad-trust-domain-character'],
    ['a query without path', 'spiffe://example.org?a', 'bad-trust-domain-character'],
    ['a path that is only a slash', 'spiffe://example.org/', 'empty-path-segment'],
    ['a slash at the end', 'spiffe://example.org/a/', 'empty-path-segment'],
    ['two slashes', 'spiffe://example.org/a//b', 'empty-path-segment'],
    ['a dot segment', 'spiffe://example.org/./a', 'dot-path-segment'],
    ['a double dot segment', 'spiffe://example.org/a/..', 'dot-path-segment'],
    ['percent-encoding', 'spiffe://example.org/a%2Fb', 'bad-path-character'],
    ['a query', 'spiffe://example.org/a?b', 'bad-path-character'],
    ['a fragment', 'spiffe://example.org/a#b', 'bad-path-character'],
    ['a NUL', 'spiffe://example.org/a\0', 'bad-path-character'],
    ['a line end', 'spiffe://example.org/a\n', 'bad-path-character'],
    ['a look-alike letter', 'spiffe://example.org/ns/\u0430', 'bad-path-character'],
    ['a backslash', 'spiffe://example.org/a\\b', 'bad-path-character'],
    ['a colon in the path', 'spiffe://example.org/a:b', 'bad-path-character'],
  ];
  for (const [what, text, reason] of refused) {
    it(`refuses ${what}`, () => {
      assert.deepEqual(parseSpiffeId(text), { ok: false, reason });
      assert.throws(() => requireSpiffeId(text), SpiffeIdError);
    });
  }

  it('takes 2048 bytes and refuses one more', () => {
    const longest = `spiffe://td/${'a'.repeat(2048 - 'spiffe://td/'.length)}`;
    assert.equal(requireSpiffeId(longest).uri.length, 2048);
    assert.deepEqual(parseSpiffeId(`${longest}a`), { ok: false, reason: 'too-long' });
  });

  it('takes a trust domain of 255 bytes and refuses one more', () => {
    const longest = 'a'.repeat(255);
    assert.equal(isTrustDomain(longest), true);
    assert.deepEqual(parseSpiffeId(`spiffe://${longest}a/b`), { ok: false, reason: 'trust-domain-too-long' });
  });

  it('never throws, and what it takes is its own only spelling', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }).map((tail) => `spiffe://${tail}`),
      fc
        .array(fc.constantFrom('spiffe://', 'td', '/', 'a', '.', '..', '%2e', '\0', 'A'))
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(anything, (text) => {
        const result = parseSpiffeId(text);
        if (!result.ok) return;
        const { uri, trustDomain, path } = result.id;
        assert.equal(uri, text);
        assert.equal(`spiffe://${trustDomain}${path}`, text);
        // What a URL library makes of it is the same, so nobody else reads another name.
        assert.equal(new URL(text).href, path === '' ? text : text);
        assert.match(text, /^[\x21-\x7e]+$/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('formatSpiffeId', () => {
  it('writes what parseSpiffeId reads', () => {
    fc.assert(
      fc.property(trustDomains(), fc.array(segments(), { maxLength: 5 }), (trustDomain, path) => {
        const id = formatSpiffeId(trustDomain, ...path);
        assert.deepEqual(parseSpiffeId(id.uri), { ok: true, id });
        assert.equal(id.trustDomain, trustDomain);
        assert.deepEqual(id.path.split('/').slice(1), path);
      }),
    );
  });

  it('refuses a segment with a slash, which would become two', () => {
    assert.throws(() => formatSpiffeId('td', 'a/b'), SpiffeIdError);
    assert.throws(
      () => formatWorkloadId({ trustDomain: 'td', namespace: 'a/sa/b', serviceAccount: 'c' }),
      SpiffeIdError,
    );
  });

  it('refuses empty segments and trust domains', () => {
    assert.throws(() => formatSpiffeId('td', ''), SpiffeIdError);
    assert.throws(() => formatSpiffeId('', 'a'), SpiffeIdError);
  });
});

describe('parseWorkloadId', () => {
  it("reads what formatWorkloadId writes, in Istio's form", () => {
    const identity = { trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' };
    const id = formatWorkloadId(identity);
    assert.equal(id.uri, 'spiffe://cluster.local/ns/shop/sa/web');
    assert.deepEqual(parseWorkloadId(id), identity);
  });

  it('knows no other form', () => {
    for (const path of [
      '',
      '/ns/a',
      '/ns/a/sa',
      '/ns/a/sa/b/c',
      '/sa/a/ns/b',
      '/NS/a/SA/b',
      '/x/ns/a/sa/b',
    ]) {
      assert.equal(parseWorkloadId(requireSpiffeId(`spiffe://td${path}`)), undefined, path);
    }
  });
});

function trustDomains(): fc.Arbitrary<string> {
  return fc.stringMatching(/^[a-z0-9._-]{1,40}$/);
}

function segments(): fc.Arbitrary<string> {
  return fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/).filter((text) => text !== '.' && text !== '..');
}
