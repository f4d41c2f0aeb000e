import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { derSequence, derSetOf, encodeDer } from '../der/der-writer.js';
import { ObjectIdentifier, Oid } from '../der/object-identifier.js';
import { EncodingError } from '../errors.js';
import { distinguishedName } from './certificate-builder.js';
import { distinguishedNameText } from './distinguished-name-text.js';

const UTF8 = 0x0c;

describe('distinguishedNameText', () => {
  it('writes the last part first, and nothing for an empty name', () => {
    const name = distinguishedName([Oid.organizationName, 'Example'], [Oid.commonName, 'web']);
    assert.equal(distinguishedNameText(name), 'CN=web,O=Example');
    assert.equal(distinguishedNameText(derSequence()), '');
  });

  it('writes parts of several attributes with a plus sign', () => {
    const name = derSequence(
      derSetOf(attribute(Oid.commonName, UTF8, 'a'), attribute(Oid.organizationName, UTF8, 'b')),
    );
    assert.match(distinguishedNameText(name), /^(CN=a\+O=b|O=b\+CN=a)$/);
  });

  const values: ReadonlyArray<readonly [number, string, string]> = [
    [UTF8, 'a,b+c"d\\e<f>g;h', 'a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h'],
    [UTF8, ' #a ', '\\ #a\\ '],
    [UTF8, '#a', '\\#a'],
    [UTF8, 'a\0b\r\nc', 'a\\00b\\0D\\0Ac'],
    [UTF8, 'b\u00c3\u00a8', 'b\\C3\\A8'],
    [0x1e, '\0b\0\u00e8', 'b\\C3\\A8'],
    [0x1c, '\0\0\0b\0\0\0\u00e8', 'b\\C3\\A8'],
    [0x14, 'b\u00e8', 'b\\C3\\A8'],
    [0x1e, 'odd', 'odd'],
  ];
  for (const [tag, octets, text] of values) {
    it(`writes ${JSON.stringify(octets)} of type ${tag} as ${text}`, () => {
      const name = derSequence(derSetOf(attribute(Oid.commonName, tag, octets)));
      assert.equal(distinguishedNameText(name), `CN=${text}`);
    });
  }

  it('writes attributes of other types by their number and DER', () => {
    const other = new ObjectIdentifier('1.3.6.1.4.1.99999.1');
    const name = derSequence(derSetOf(attribute(other, UTF8, 'x')));
    assert.equal(distinguishedNameText(name), '1.3.6.1.4.1.99999.1=#0C0178');
  });

  it('makes printable ASCII or an EncodingError of any bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 60 });
    fc.assert(
      fc.property(bytes, fc.constantFrom(0x0c, 0x13, 0x16, 0x1e, 0x1c, 0x14), (value, tag) => {
        const named = derSequence(derSetOf(derSequence(Oid.commonName.der, encodeDer(tag, value))));
        assert.match(distinguishedNameText(named), /^CN=[\x20-\x7e]*$/);
        for (const der of [Buffer.from(value), derSequence(value)]) {
          try {
            assert.match(distinguishedNameText(der), /^[\x20-\x7e]*$/);
          } catch (error) {
            assert.ok(error instanceof EncodingError, String(error));
          }
        }
      }),
    );
  });
});

function attribute(type: ObjectIdentifier, tag: number, latin1: string): Buffer {
  return derSequence(type.der, encodeDer(tag, Buffer.from(latin1, 'latin1')));
}
