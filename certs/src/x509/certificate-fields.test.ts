import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DerTag } from '../der/der-tag.js';
import { derSequence, encodeDer } from '../der/der-writer.js';
import { DerReader } from '../der/der-reader.js';
import { EncodingError } from '../errors.js';
import { forgeCertificate, forgeRoot, uriName } from '../testing/index.js';
import { GeneralNameTag, KeyUsageBit, parseCertificate } from './certificate-fields.js';

describe('parseCertificate', () => {
  it('reads the times that OpenSSL reads, to the second, from 1950 to 9999', () => {
    const seconds = fc.integer({
      min: Date.UTC(1950, 0, 1) / 1000,
      max: Date.UTC(9999, 11, 31, 23, 59, 59) / 1000,
    });
    const { key, name } = forgeRoot();
    fc.assert(
      fc.property(seconds, seconds, (from, to) => {
        const { der } = forgeCertificate({
          issuer: { key, name },
          notBeforeMs: from * 1000,
          notAfterMs: to * 1000,
        });
        const fields = parseCertificate(der);
        assert.deepEqual([fields.notBeforeMs, fields.notAfterMs], [from * 1000, to * 1000]);
        assert.equal(Date.parse(new X509Certificate(der).validTo), to * 1000);
      }),
      {
        numRuns: 60,
        examples: [
          [Date.UTC(2049, 11, 31, 23, 59, 59) / 1000, Date.UTC(2050, 0, 1) / 1000],
          [Date.UTC(2000, 1, 29) / 1000, Date.UTC(9999, 11, 31, 23, 59, 59) / 1000],
        ],
      },
    );
  });

  const badTimes: ReadonlyArray<readonly [number, string]> = [
    [DerTag.utcTime, '261121000000'],
    [DerTag.utcTime, '2611210000Z'],
    [DerTag.utcTime, '261121000000+0100'],
    [DerTag.utcTime, '261321000000Z'],
    [DerTag.utcTime, '260021000000Z'],
    [DerTag.utcTime, '260230000000Z'],
    [DerTag.utcTime, '250229000000Z'],
    [DerTag.utcTime, '261100000000Z'],
    [DerTag.utcTime, '261121240000Z'],
    [DerTag.utcTime, '261121006000Z'],
    [DerTag.utcTime, '261121000060Z'],
    [DerTag.utcTime, '20261121000000Z'],
    [DerTag.utcTime, '2611210000 0Z'],
    [DerTag.generalizedTime, '261121000000Z'],
    [DerTag.generalizedTime, '20261121000000.5Z'],
    [DerTag.generalizedTime, '00261121000000Z'],
    [DerTag.utf8String, '261121000000Z'],
  ];
  for (const [tag, text] of badTimes) {
    it(`refuses the time ${text} of type ${tag}`, () => {
      assert.throws(() => parseCertificate(withNotAfter(encodeDer(tag, Buffer.from(text)))), /bad time/);
    });
  }

  it('takes the time that stands in place of the bad ones', () => {
    const der = withNotAfter(encodeDer(DerTag.utcTime, Buffer.from('261121000000Z')));
    assert.equal(parseCertificate(der).notAfterMs, Date.UTC(2026, 10, 21));
  });

  it('gives serial numbers as OpenSSL does', () => {
    for (const hex of ['01', '7f', '80', 'ff00', `80${'00'.repeat(15)}`]) {
      const { der } = forgeCertificate({ serial: Buffer.from(hex, 'hex') });
      assert.equal(parseCertificate(der).serialHex, hex);
      assert.equal(new X509Certificate(der).serialNumber.toLowerCase(), hex);
    }
  });

  it('refuses a serial number that is too long', () => {
    assert.throws(
      () => parseCertificate(forgeCertificate({ serial: Buffer.alloc(21, 0x80) }).der),
      EncodingError,
    );
  });

  it('reads every bit of the key usage', () => {
    const bits = Object.values(KeyUsageBit);
    fc.assert(
      fc.property(fc.subarray(bits), (keyUsage) => {
        const { der } = forgeCertificate({ keyUsage });
        assert.deepEqual([...(parseCertificate(der).keyUsage?.bits ?? [])], keyUsage);
      }),
      { numRuns: 40 },
    );
  });

  it('gives URI names as they stand, octet for octet', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
        const { der } = forgeCertificate({ names: [{ tag: uriName('').tag, octets }] });
        assert.deepEqual([...(parseCertificate(der).subjectAltName?.uris[0] ?? [])], [...octets]);
      }),
      { numRuns: 40 },
    );
  });

  it('tells names of each type apart, and passes over those of other types', () => {
    const tags = [GeneralNameTag.dnsName, GeneralNameTag.rfc822Name, GeneralNameTag.ipAddress, 0x88];
    const names = tags.map((tag) => ({ tag, octets: Buffer.of(tag, 0) }));
    const found = parseCertificate(forgeCertificate({ names }).der).subjectAltName;
    assert.deepEqual(
      [found?.dnsNames, found?.emails, found?.ipAddresses, found?.uris].map((list) =>
        list?.map((octets) => octets[0]),
      ),
      [[tags[0]], [tags[1]], [tags[2]], []],
    );
  });

  it('refuses a name that is spelled as if it had parts', () => {
    for (const tag of [GeneralNameTag.dnsName, GeneralNameTag.uri, GeneralNameTag.rfc822Name]) {
      const { der } = forgeCertificate({ names: [{ tag: tag | 0x20, octets: Buffer.of() }] });
      assert.throws(() => parseCertificate(der), /broken name/);
    }
  });
});

/** A certificate with this element as the end of its validity. Its signature is wrong, which nobody looks at here. */
function withNotAfter(notAfter: Buffer): Buffer {
  const outer = new DerReader(forgeCertificate().der, 'a certificate').enter(DerTag.sequence);
  const tbs = outer.enter(DerTag.sequence);
  const before = [tbs.readElement(), tbs.readElement(), tbs.readElement(), tbs.readElement()].map(
    ({ whole }) => whole,
  );
  const validity = tbs.enter(DerTag.sequence);
  const notBefore = validity.readElement().whole;
  const rest: Buffer[] = [];
  while (!tbs.atEnd) rest.push(tbs.readElement().whole);
  return derSequence(
    derSequence(...before, derSequence(notBefore, notAfter), ...rest),
    outer.readElement().whole,
    outer.readElement().whole,
  );
}
