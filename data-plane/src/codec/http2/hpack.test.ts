import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cutAt } from '../../testing/cut-at.js';
import { decodeFields, encodeFields } from '../../testing/http2-under-test.js';
import { BAD_HUFFMAN, decodedBound, decodeHuffman, encodeHuffman, huffmanLength } from './huffman.js';
import { HUFFMAN_CODE } from './huffman-code.js';
import { BROKEN_BLOCK, HpackDecoder, type FieldSink } from './hpack-decoder.js';
import { HpackEncoder } from './hpack-encoder.js';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');

/** Header blocks of one connection, and what they say, in order. Source: the examples of RFC 7541 appendix C.3 to C.6. */
const EXAMPLES: readonly {
  title: string;
  tableBytes: number;
  blocks: readonly (readonly [string, string])[];
}[] = [
  {
    title: 'requests without Huffman',
    tableBytes: 4096,
    blocks: [
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        ':method GET,:scheme http,:path /,:authority www.example.com',
      ],
      [
        '8286 84be 5808 6e6f 2d63 6163 6865',
        ':method GET,:scheme http,:path /,:authority www.example.com,cache-control no-cache',
      ],
      [
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
        ':method GET,:scheme https,:path /index.html,:authority www.example.com,custom-key custom-value',
      ],
    ],
  },
  {
    title: 'requests with Huffman',
    tableBytes: 4096,
    blocks: [
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        ':method GET,:scheme http,:path /,:authority www.example.com',
      ],
      [
        '8286 84be 5886 a8eb 1064 9cbf',
        ':method GET,:scheme http,:path /,:authority www.example.com,cache-control no-cache',
      ],
      [
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
        ':method GET,:scheme https,:path /index.html,:authority www.example.com,custom-key custom-value',
      ],
    ],
  },
  {
    title: 'responses with Huffman, that push entries out of a small table',
    tableBytes: 256,
    blocks: [
      [
        '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
        ':status 302,cache-control private,date Mon; 21 Oct 2013 20:13:21 GMT,location https://www.example.com',
      ],
      [
        '4883 640e ffc1 c0bf',
        ':status 307,cache-control private,date Mon; 21 Oct 2013 20:13:21 GMT,location https://www.example.com',
      ],
      [
        '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
        ':status 200,cache-control private,date Mon; 21 Oct 2013 20:13:22 GMT,location https://www.example.com,content-encoding gzip,set-cookie foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
      ],
    ],
  },
];

const printed = (fields: [string, string][] | undefined): string =>
  (fields ?? [['broken', '']]).map(([name, value]) => `${name} ${value.replace('Mon,', 'Mon;')}`).join(',');

describe('HPACK', () => {
  for (const { title, tableBytes, blocks } of EXAMPLES) {
    it(`decodes the examples of RFC 7541: ${title}`, () => {
      const decoder = new HpackDecoder(tableBytes);
      for (const [bytes, fields] of blocks) assert.equal(printed(decodeFields(decoder, hex(bytes))), fields);
      assert.ok(decoder.tableBytes <= tableBytes);
    });
  }

  it('has a complete Huffman code, with the codes of RFC 7541 appendix B', () => {
    let share = 0;
    for (const length of HUFFMAN_CODE.lengths) share += 2 ** -length;
    assert.equal(share, 1);
    const code = (symbol: number): string => (HUFFMAN_CODE.bits[symbol] as number).toString(16);
    // One of each kind, and the last.
    assert.deepEqual([0x30, 0x61, 0x20, 0x7b, 0xff, 0x0a, 256].map(code), [
      '0',
      '3',
      '14',
      '7ffe',
      '3ffffee',
      '3ffffffc',
      '3fffffff',
    ]);
  });

  it('decodes a block in parts as it decodes the whole', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.constantFrom('x-a', ':path', 'cookie', 'x-long-name'), fc.string({ maxLength: 80 })),
          {
            maxLength: 12,
          },
        ),
        fc.array(fc.nat(), { maxLength: 8 }),
        (fields, cuts) => {
          const encoder = new HpackEncoder(300);
          const [whole, parted] = [new HpackDecoder(300), new HpackDecoder(300)];
          for (let block = 0; block < 3; block++) {
            const bytes = encodeFields(encoder, fields);
            const seen: [string, string][] = [];
            const sink: FieldSink = { onField: (name, value) => seen.push([name.name, value]) };
            let rest: Buffer = Buffer.alloc(0);
            parted.begin();
            for (const part of cutAt(bytes, cuts)) {
              rest = Buffer.concat([rest, part]);
              const upTo = parted.decodePart(rest, 0, rest.length, sink);
              assert.notEqual(upTo, BROKEN_BLOCK);
              rest = rest.subarray(upTo);
            }
            assert.equal(rest.length, 0);
            assert.deepEqual(seen, decodeFields(whole, bytes));
            assert.equal(parted.tableBytes, whole.tableBytes);
          }
        },
      ),
    );
  });

  it('gets back every string of bytes that it has Huffman-coded', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = Buffer.from(bytes).toString('latin1');
        const encoded = Buffer.alloc(4 * bytes.length + 1);
        const length = encodeHuffman(text, encoded, 0);
        assert.equal(length, huffmanLength(text));
        const decoded = Buffer.alloc(decodedBound(length));
        const decodedLength = decodeHuffman(encoded, 0, length, decoded);
        assert.deepEqual(decoded.subarray(0, decodedLength), Buffer.from(bytes));
      }),
    );
  });

  for (const [title, bytes] of [
    ['is padded with more than seven bits', 'ff'],
    ['is padded with zeros', '18'],
    ['holds the code of the end', 'fffffffc'],
  ] as const) {
    it(`takes no Huffman string that ${title}`, () => {
      const encoded = hex(bytes);
      assert.equal(decodeHuffman(encoded, 0, encoded.length, Buffer.alloc(16)), BAD_HUFFMAN);
    });
  }

  it('gets back every list of fields, whatever the tables have become', () => {
    const name = fc.constantFrom(
      ':path',
      'cookie',
      'x-a',
      'x-b',
      'x-c',
      'authorization',
      'date',
      'content-type',
      'set-cookie',
    );
    const value = fc.oneof(
      fc.constantFrom(
        '',
        'GET',
        'a',
        'text/plain',
        'a much longer value, to fill the table with, of seventy bytes or so',
      ),
      fc.stringMatching(/^[\x20-\x7e\x80-\xff]{0,60}$/),
    );
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.array(fc.tuple(name, value), { maxLength: 12 }) },
      { weight: 1, arbitrary: fc.nat(4096) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const encoder = new HpackEncoder(4096);
        const decoder = new HpackDecoder(4096);
        for (const one of steps) {
          // The peer's SETTINGS change; its decoder takes whatever the encoder says below its maximum.
          if (typeof one === 'number') encoder.limitTable(one);
          else assert.deepEqual(decodeFields(decoder, encodeFields(encoder, one)), one);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('takes one byte for a field from its third time on', () => {
    const encoder = new HpackEncoder(4096);
    const lengths = [1, 2, 3].map(() => encodeFields(encoder, [['x-thing', 'a value']]).length);
    assert.equal(lengths[2], 1);
    assert.ok((lengths[0] as number) > 10 && (lengths[1] as number) > 10);
  });

  it('never puts a secret into the table', () => {
    const encoder = new HpackEncoder(4096);
    const fields = [
      ['authorization', 'Bearer secret'],
      ['cookie', 'short'],
    ] as const;
    for (let i = 0; i < 4; i++) {
      const bytes = encodeFields(encoder, fields);
      assert.equal((bytes[0] as number) & 0xf0, 0x10);
    }
  });

  it('survives any bytes, within the bound of its table', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 10 }), (blocks) => {
        const decoder = new HpackDecoder(256);
        for (const block of blocks) if (decodeFields(decoder, Buffer.from(block)) === undefined) break;
        assert.ok(decoder.tableBytes <= 256);
      }),
      { numRuns: 1000 },
    );
  });

  for (const [title, bytes] of [
    ['an index beyond the table', 'be'],
    ['the index 0', '80'],
    ['a table above the limit', '3fe21f'],
    ['a change of the table behind a field', '8220'],
    ['an integer without an end', 'ffffffffffffff'],
    ['a string that is cut off', '400a6375'],
  ] as const) {
    it(`refuses ${title}`, () => {
      assert.equal(decodeFields(new HpackDecoder(4096), hex(bytes)), undefined);
    });
  }
});
