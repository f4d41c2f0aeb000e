import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cutAt } from '../../../testing/cut-at.js';
import { Base64Decoder } from './base64-decoder.js';

describe('base64 that comes in chunks', () => {
  it('is decoded however it is cut, also where it was encoded and padded in parts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (parts, cuts) => {
          const text = Buffer.from(parts.map((part) => Buffer.from(part).toString('base64')).join(''));
          const decoder = new Base64Decoder();
          const decoded = cutAt(text, cuts).map((chunk) => decoder.decode(chunk) as Buffer);
          assert.deepEqual(Buffer.concat(decoded), Buffer.concat(parts));
          assert.ok(decoder.isWhole);
        },
      ),
    );
  });

  it('is refused wherever it has another character', () => {
    for (const text of ['A', 'AAA', 'AAAAA', 'AA=', 'AAAAAA=']) assert.equal(decode(text), 'cut off', text);
    for (const text of [
      'AA-A',
      'AA\nAA',
      'AA A',
      '=',
      'A===',
      'AA=A',
      'AAA=A==',
      'AB==',
      'AAB=',
      '\0AAA',
      'AAAé',
    ])
      assert.equal(decode(text), 'refused', text);
    for (const text of ['', 'AAAA', 'AA==', 'AAA=', 'AA==AAA=AAAA', '+/+/']) {
      assert.notEqual(decode(text), 'refused', text);
      assert.notEqual(decode(text), 'cut off', text);
    }
  });
});

function decode(text: string): string {
  const decoder = new Base64Decoder();
  const bytes = decoder.decode(Buffer.from(text, 'latin1'));
  if (bytes === undefined) return 'refused';
  return decoder.isWhole ? bytes.toString('hex') : 'cut off';
}
