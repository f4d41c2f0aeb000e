import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EncodingError } from '../errors.js';
import { formatPem, parsePem } from './pem.js';

describe('parsePem', () => {
  it('reads what formatPem writes, also several blocks and other line ends', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 4 }),
        (ders) => {
          const pem = ders.map((der) => formatPem('CERTIFICATE', der)).join('\n');
          for (const text of [pem, pem.replaceAll('\n', '\r\n')]) {
            const blocks = parsePem(text, 'CERTIFICATE');
            assert.deepEqual(
              blocks.map((block) => [...block]),
              ders.map((der) => [...der]),
            );
          }
        },
      ),
    );
  });

  const block = formatPem('CERTIFICATE', Buffer.from('hello'));
  const refused: ReadonlyArray<readonly [string, string]> = [
    ['nothing', ''],
    ['another label', formatPem('CERTIFICATE REQUEST', Buffer.from('hello'))],
    ['text around a block', `subject=\n${block}`],
    ['text after a block', `${block}x`],
    ['another block beside it', block + formatPem('CERTIFICATE REQUEST', Buffer.from('hello'))],
    ['a block without end', block.replace(/-----END.*/, '')],
    ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
    ['what is not base64', block.replace('aGVsbG8=', 'aGVs*G8=')],
    ['base64 without its padding', block.replace('aGVsbG8=', 'aGVsbG8')],
    ['base64 whose last bits are not zero', block.replace('aGVsbG8=', 'aGVsbG9=')],
    ['too many blocks', block.repeat(17)],
  ];
  for (const [what, text] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => parsePem(text, 'CERTIFICATE'), EncodingError));
  }

  it('refuses a text that is too long before it looks at it', () => {
    assert.throws(() => parsePem(block, 'CERTIFICATE', { maxBytes: 10 }), /longer than 10 bytes/);
  });
});
