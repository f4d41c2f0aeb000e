import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  GeneralNameTag,
  KeyUsageBit,
  forgeCertificate,
  forgeRoot,
  uriName,
  type ForgeOptions,
} from '../testing/index.js';
import { derSequence, derTrue } from '../der/der-writer.js';
import { ObjectIdentifier, Oid } from '../der/object-identifier.js';
import { extension } from '../x509/certificate-builder.js';
import { verifySvid, type SvidProblem, type SvidVerdict } from './verify-svid.js';

const NOW_MS = Date.UTC(2026, 10, 21);
const ID = 'spiffe://example.org/ns/shop/sa/web';
const root = forgeRoot();

describe('verifySvid', () => {
  it('tells who a right certificate is, and until when', () => {
    const verdict = judge({});
    assert.ok(verdict.ok);
    assert.equal(verdict.spiffeId.uri, ID);
    assert.equal(verdict.notAfterMs, NOW_MS + 60_000);
  });

  it('takes every trust domain where the roots alone decide, and none where none is named', () => {
    const { der } = forgeCertificate({ names: [uriName('spiffe://other/a')] });
    const nowMs = Date.now();
    assert.equal(verifySvid(der, { trustDomains: 'any', nowMs }).ok, true);
    const verdict = verifySvid(der, { trustDomains: new Set(), nowMs });
    assert.ok(!verdict.ok && verdict.reason === 'other-trust-domain');
  });

  it('takes other names beside the one URI', () => {
    const dns = { tag: GeneralNameTag.dnsName, octets: Buffer.from('web.shop') };
    const ip = { tag: GeneralNameTag.ipAddress, octets: Buffer.of(127, 0, 0, 1) };
    assert.equal(judge({ names: [dns, uriName(ID), ip] }).ok, true);
  });

  it('takes a certificate without extended key usage, and one without basic constraints', () => {
    assert.equal(judge({ purposes: 'left-out' }).ok, true);
    assert.equal(judge({ ca: 'left-out' }).ok, true);
  });

  it('takes further key usages that leaves may have', () => {
    const { digitalSignature, keyEncipherment, keyAgreement } = KeyUsageBit;
    assert.equal(judge({ keyUsage: [digitalSignature, keyEncipherment, keyAgreement] }).ok, true);
  });

  it('takes a name that is not critical where there is a subject', () => {
    assert.equal(judge({ commonName: 'web', namesCritical: false }).ok, true);
  });

  it('takes extensions that it does not know and that are not critical', () => {
    const odd = extension(new ObjectIdentifier('1.3.6.1.4.1.99999.1'), false, derSequence());
    assert.equal(judge({ furtherExtensions: [odd] }).ok, true);
  });

  const { digitalSignature, keyEncipherment, keyCertSign, cRLSign } = KeyUsageBit;
  const refused: ReadonlyArray<readonly [string, ForgeOptions, SvidProblem]> = [
    ['no alternative name at all', { names: [], commonName: ID }, 'no-uri-name'],
    ['a SPIFFE ID in a DNS name', { names: [nameOf('dnsName', ID)] }, 'no-uri-name'],
    ['a SPIFFE ID in a mail address', { names: [nameOf('rfc822Name', ID)] }, 'no-uri-name'],
    ['a SPIFFE ID as an IP address', { names: [nameOf('ipAddress', ID)] }, 'no-uri-name'],
    [
      'two URI names',
      { names: [uriName(ID), uriName('spiffe://example.org/ns/bank/sa/vault')] },
      'several-uri-names',
    ],
    ['the same URI name twice', { names: [uriName(ID), uriName(ID)] }, 'several-uri-names'],
    [
      'a second URI name that is no SPIFFE ID',
      { names: [uriName(ID), uriName('https://x')] },
      'several-uri-names',
    ],
    [
      'a URI name that is no SPIFFE ID',
      { names: [uriName('https://example.org/ns/shop/sa/web')] },
      'bad-spiffe-id',
    ],
    ['a NUL at the end of the name', { names: [uriName(`${ID}\0`)] }, 'bad-spiffe-id'],
    ['a NUL before another name', { names: [uriName(`${ID}\0.evil.example`)] }, 'bad-spiffe-id'],
    [
      'a line end in the name',
      { names: [uriName(`${ID}\r\nx-forwarded-client-cert: By=x`)] },
      'bad-spiffe-id',
    ],
    [
      'a comma and another name in the name',
      { names: [uriName(`${ID}, URI:spiffe://example.org/admin`)] },
      'bad-spiffe-id',
    ],
    ['a quote in the name', { names: [uriName(`${ID}"`)] }, 'bad-spiffe-id'],
    [
      'a Cyrillic look-alike in UTF-8',
      { names: [utf8Uri('spiffe://ex\u0430mple.org/ns/shop/sa/web')] },
      'bad-spiffe-id',
    ],
    [
      'a Latin-1 look-alike',
      { names: [uriName('spiffe://example.org/ns/shop/sa/w\u00e8b')] },
      'bad-spiffe-id',
    ],
    [
      'an upper-case trust domain',
      { names: [uriName('spiffe://EXAMPLE.org/ns/shop/sa/web')] },
      'bad-spiffe-id',
    ],
    [
      'percent-encoding in the name',
      { names: [uriName('spiffe://example.org/ns/shop/sa/w%65b')] },
      'bad-spiffe-id',
    ],
    ['dots that climb', { names: [uriName('spiffe://example.org/ns/shop/../bank/sa/web')] }, 'bad-spiffe-id'],
    ['an empty name', { names: [uriName('')] }, 'bad-spiffe-id'],
    ['a name longer than 2048 bytes', { names: [uriName(`${ID}/${'a'.repeat(2048)}`)] }, 'bad-spiffe-id'],
    ["the trust domain's own name", { names: [uriName('spiffe://example.org')] }, 'no-path'],
    [
      'a name of another trust domain',
      { names: [uriName('spiffe://example.com/ns/shop/sa/web')] },
      'other-trust-domain',
    ],
    [
      'a trust domain that begins like ours',
      { names: [uriName('spiffe://example.org.evil/a')] },
      'other-trust-domain',
    ],
    ['a name that is not critical under an empty subject', { namesCritical: false }, 'name-not-critical'],
    ['a CA certificate', { ca: true, keyUsage: [digitalSignature] }, 'ca-certificate'],
    [
      'a CA certificate that may sign others',
      { ca: true, keyUsage: [digitalSignature, keyCertSign] },
      'ca-certificate',
    ],
    [
      'keyCertSign without the CA flag',
      { keyUsage: [digitalSignature, keyCertSign] },
      'may-sign-certificates',
    ],
    ['cRLSign', { keyUsage: [digitalSignature, cRLSign] }, 'may-sign-revocation-lists'],
    ['no digitalSignature', { keyUsage: [keyEncipherment] }, 'no-digital-signature'],
    ['an empty key usage', { keyUsage: [] }, 'no-digital-signature'],
    ['no key usage', { keyUsage: 'left-out' }, 'no-key-usage'],
    ['a key usage that is not critical', { keyUsageCritical: false }, 'key-usage-not-critical'],
    ['an extended key usage without serverAuth', { purposes: ['clientAuth'] }, 'no-server-auth'],
    ['an extended key usage without clientAuth', { purposes: ['serverAuth'] }, 'no-client-auth'],
    ['an extended key usage of neither', { purposes: [] }, 'no-server-auth'],
    ['an expired certificate', { notAfterMs: NOW_MS - 1000 }, 'expired'],
    ['a certificate whose time has not come', { notBeforeMs: NOW_MS + 1000 }, 'not-yet-valid'],
    [
      'a critical extension that it does not know',
      { furtherExtensions: [extension(new ObjectIdentifier('1.3.6.1.4.1.99999.1'), true, derSequence())] },
      'unknown-critical-extension',
    ],
    [
      'the same extension twice',
      { furtherExtensions: [extension(Oid.subjectAltName, true, derSequence())] },
      'malformed',
    ],
    ['a name of no known type', { names: [{ tag: 0x89, octets: Buffer.from(ID) }] }, 'malformed'],
    [
      'a URI name in a constructed form',
      { names: [uriName(ID), { tag: 0xa6, octets: Buffer.alloc(0) }] },
      'malformed',
    ],
    [
      'basic constraints that go on after their end',
      {
        ca: 'left-out',
        furtherExtensions: [extension(Oid.basicConstraints, true, Buffer.concat([derSequence(), derTrue()]))],
      },
      'malformed',
    ],
  ];
  for (const [what, options, reason] of refused) {
    it(`refuses ${what}`, () => {
      const verdict = judge(options);
      assert.ok(!verdict.ok, 'it was taken');
      assert.equal(verdict.reason, reason, verdict.detail);
      assert.match(verdict.detail, /^[\x20-\x7e]*$/);
      assert.ok(verdict.detail.length < 3000);
    });
  }

  it('counts both ends of the validity as valid, to the second', () => {
    const options = { notBeforeMs: NOW_MS, notAfterMs: NOW_MS + 1000 };
    const { der } = forge(options);
    const at = (nowMs: number): boolean => verifySvid(der, { trustDomains, nowMs }).ok;
    assert.deepEqual(
      [-1, 0, 1000, 1001].map((ms) => at(NOW_MS + ms)),
      [false, true, true, false],
    );
  });

  it('allows clocks to differ as far as it is told', () => {
    const { der } = forge({ notBeforeMs: NOW_MS + 5000 });
    assert.equal(verifySvid(der, { trustDomains, nowMs: NOW_MS, clockSkewMs: 5000 }).ok, true);
    assert.equal(verifySvid(der, { trustDomains, nowMs: NOW_MS - 1, clockSkewMs: 5000 }).ok, false);
  });

  it('trusts nobody where there is no trust domain or no time', () => {
    const { der } = forge({});
    assert.equal(verifySvid(der, { trustDomains: new Set(), nowMs: NOW_MS }).ok, false);
    assert.equal(verifySvid(der, { trustDomains, nowMs: NaN }).ok, false);
  });

  it('refuses nothing at all, another structure, and bytes after the end', () => {
    const { der } = forge({});
    for (const bytes of [
      Buffer.alloc(0),
      derSequence(),
      Buffer.concat([der, Buffer.of(0)]),
      Buffer.alloc(70_000),
    ]) {
      assert.equal(reasonOf(verifySvid(bytes, { trustDomains, nowMs: NOW_MS })), 'malformed');
    }
  });

  it('gives a verdict for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.equal(reasonOf(verifySvid(bytes, { trustDomains, nowMs: NOW_MS })), 'malformed');
      }),
      { numRuns: 1000 },
    );
  });

  it('gives a verdict for a right certificate with any damage, and never names another workload of the trust domain', () => {
    const { der } = forge({});
    const damage = fc.record({
      kind: fc.constantFrom('flip', 'cut', 'repeat', 'insert'),
      at: fc.nat({ max: der.length - 1 }),
      length: fc.integer({ min: 1, max: 16 }),
      byte: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (damages) => {
        let bytes: Buffer = Buffer.from(der);
        for (const { kind, at, length, byte } of damages) {
          const place = Math.min(at, bytes.length);
          const [head, tail] = [bytes.subarray(0, place), bytes.subarray(place)];
          if (kind === 'flip' && place < bytes.length) bytes[place] = byte;
          if (kind === 'cut') bytes = Buffer.concat([head, tail.subarray(length)]);
          if (kind === 'repeat') bytes = Buffer.concat([head, tail.subarray(0, length), tail]);
          if (kind === 'insert') bytes = Buffer.concat([head, Buffer.alloc(length, byte), tail]);
        }
        const verdict = verifySvid(bytes, { trustDomains, nowMs: NOW_MS });
        // The signature is TLS's to check, so a changed letter in the name is a changed name; it is never a broken one.
        if (verdict.ok) assert.match(verdict.spiffeId.uri, /^spiffe:\/\/example\.org(\/[a-zA-Z0-9._-]+)+$/);
        else assert.match(verdict.detail, /^[\x20-\x7e]*$/);
      }),
      { numRuns: 5000 },
    );
  });
});

const trustDomains: ReadonlySet<string> = new Set(['example.org', 'mesh.internal']);

function forge(options: ForgeOptions): { readonly der: Buffer } {
  return forgeCertificate({
    issuer: root,
    names: [uriName(ID)],
    notBeforeMs: NOW_MS - 60_000,
    notAfterMs: NOW_MS + 60_000,
    ...options,
  });
}

function judge(options: ForgeOptions): SvidVerdict {
  return verifySvid(forge(options).der, { trustDomains, nowMs: NOW_MS });
}

function reasonOf(verdict: SvidVerdict): SvidProblem | 'none' {
  return verdict.ok ? 'none' : verdict.reason;
}

function nameOf(tag: keyof typeof GeneralNameTag, text: string): { tag: number; octets: Buffer } {
  return { tag: GeneralNameTag[tag], octets: Buffer.from(text) };
}

function utf8Uri(text: string): { tag: number; octets: Buffer } {
  return { tag: GeneralNameTag.uri, octets: Buffer.from(text, 'utf8') };
}
