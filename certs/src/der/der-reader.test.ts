import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EncodingError } from '../errors.js';
import { DerReader } from './der-reader.js';
import { DerTag } from './der-tag.js';
import { derNamedBits, derSequence, derSetOf, derTime, derUnsignedInteger, encodeDer } from './der-writer.js';
import { objectIdentifierOctets } from './object-identifier.js';

describe('DerReader', () => {
  it('reads what the writer writes, for every length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 70_000 }), (length) => {
        const content = Buffer.alloc(length, 7);
        const reader = new DerReader(encodeDer(DerTag.octetString, content), 'a value');
        assert.ok(reader.read(DerTag.octetString).equals(content));
        reader.end();
      }),
      { examples: [[0], [127], [128], [255], [256], [65_535], [65_536]] },
    );
  });

  const refused: ReadonlyArray<readonly [string, string]> = [
    ['nothing', ''],
    ['a tag without length', '30'],
    ['content that is cut short', '300201'],
    ['a length that is cut short', '3082'],
    ['an indefinite length', '30800000'],
    ['a length in two octets that fits one', '308101ff'],
    ['a length in three octets that fits two', '308200ff' + 'aa'.repeat(255)],
    ['a length of four octets', '308400000001ff'],
    ['a tag of several octets', '3f8101ff'],
  ];
  for (const [what, hex] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => new DerReader(Buffer.from(hex, 'hex'), 'a value').readElement(), EncodingError);
    });
  }

  it('refuses integers in a longer form, and empty ones', () => {
    for (const hex of ['0200', '02020001', '0202ffff']) {
      assert.throws(
        () => new DerReader(Buffer.from(hex, 'hex'), 'a value').readInteger(),
        EncodingError,
        hex,
      );
    }
    for (const hex of ['020100', '02020080', '0202ff7f', '0201ff']) {
      new DerReader(Buffer.from(hex, 'hex'), 'a value').readInteger();
    }
  });

  it('takes only 0 and 255 for booleans', () => {
    const read = (hex: string): boolean =>
      new DerReader(Buffer.from(hex, 'hex'), 'a value').readBooleanOrFalse();
    assert.equal(read('0101ff'), true);
    assert.equal(read('010100'), false);
    assert.equal(read('0500'), false);
    for (const hex of ['010101', '0100', '0102ffff']) assert.throws(() => read(hex), EncodingError, hex);
  });

  it('refuses bit strings whose padding is not zero or too long', () => {
    for (const hex of ['0300', '030101', '030208ff', '03020101']) {
      assert.throws(
        () => new DerReader(Buffer.from(hex, 'hex'), 'a value').readBitString(),
        EncodingError,
        hex,
      );
    }
  });

  it('refuses what follows the end', () => {
    const reader = new DerReader(Buffer.from('05000500', 'hex'), 'a value');
    reader.read(DerTag.null);
    assert.throws(() => reader.end(), EncodingError);
  });

  it('gives an element or an EncodingError for any bytes, and never leaves them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const reader = new DerReader(Buffer.from(bytes), 'a value');
        let total = 0;
        try {
          while (!reader.atEnd) total += reader.readElement().whole.length;
        } catch (error) {
          assert.ok(error instanceof EncodingError);
          return;
        }
        assert.equal(total, bytes.length);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the writer of DER', () => {
  it('writes integers in the shortest form, never negative', () => {
    assert.equal(derUnsignedInteger(Buffer.of(0)).toString('hex'), '020100');
    assert.equal(derUnsignedInteger(Buffer.of(0, 0, 5)).toString('hex'), '020105');
    assert.equal(derUnsignedInteger(Buffer.of(0x80)).toString('hex'), '02020080');
    assert.equal(derUnsignedInteger(Buffer.alloc(0)).toString('hex'), '020100');
  });

  it('numbers bits from the left and leaves zeros at the end out', () => {
    assert.equal(derNamedBits([0]).toString('hex'), '03020780');
    assert.equal(derNamedBits([5, 6]).toString('hex'), '03020106');
    assert.equal(derNamedBits([8]).toString('hex'), '0303070080');
    assert.equal(derNamedBits([]).toString('hex'), '030100');
  });

  it('writes object identifiers with arcs of any size', () => {
    assert.equal(objectIdentifierOctets('1.2.840.113549.1.9.14').toString('hex'), '2a864886f70d01090e');
    assert.equal(objectIdentifierOctets('2.5.29.17').toString('hex'), '551d11');
  });

  it('writes years before 2050 with two digits and later ones with four', () => {
    assert.equal(derTime(Date.UTC(2049, 11, 31, 23, 59, 59, 999)).toString('latin1', 2), '491231235959Z');
    assert.equal(derTime(Date.UTC(2050, 0, 1)).toString('latin1', 2), '20500101000000Z');
  });

  it('sorts the elements of a set', () => {
    const [a, b] = [derUnsignedInteger(Buffer.of(1)), derSequence()];
    assert.ok(derSetOf(b, a).equals(derSetOf(a, b)));
  });
});
