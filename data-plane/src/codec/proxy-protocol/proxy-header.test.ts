import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readProxyHeader, type ProxyHeaderVerdict } from './proxy-header.js';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

function binary(versionAndCommand: number, familyAndProtocol: number, rest: readonly number[]): Buffer {
  const fixed = [versionAndCommand, familyAndProtocol, rest.length >> 8, rest.length & 0xff];
  return Buffer.concat([SIGNATURE, Buffer.from([...fixed, ...rest])]);
}

const FROM_TO_4 = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];
const GOOD: readonly (readonly [string, Buffer])[] = [
  ['text, IPv4', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n')],
  ['text, IPv6', Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::7 56324 443\r\n')],
  ['text, unknown', Buffer.from('PROXY UNKNOWN\r\n')],
  ['text, unknown, with words', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n')],
  ['binary, IPv4', binary(0x21, 0x11, FROM_TO_4)],
  ['binary, IPv4, with values', binary(0x21, 0x11, [...FROM_TO_4, 0x04, 0, 2, 1, 1])],
  ['binary, IPv6', binary(0x21, 0x21, [...Array.from({ length: 32 }, (_, i) => i), 1, 2, 3, 4])],
  ['binary, for itself', binary(0x20, 0x00, [])],
  ['binary, for itself, with an address', binary(0x20, 0x11, FROM_TO_4)],
];

function addressesOf(verdict: ProxyHeaderVerdict): string {
  assert.equal(verdict.kind, 'header');
  if (verdict.kind !== 'header' || verdict.header.addresses === undefined) return 'none';
  const { source, destination } = verdict.header.addresses;
  return `${source.host} ${source.port} > ${destination.host} ${destination.port}`;
}

describe('readProxyHeader', () => {
  it('reads both forms', () => {
    assert.deepEqual(
      GOOD.map(([, bytes]) => addressesOf(readProxyHeader(bytes))),
      [
        '192.0.2.1 56324 > 198.51.100.7 443',
        '2001:db8::1 56324 > 2001:db8::7 443',
        'none',
        'none',
        '192.0.2.1 56324 > 198.51.100.7 443',
        '192.0.2.1 56324 > 198.51.100.7 443',
        '1:203:405:607:809:a0b:c0d:e0f 258 > 1011:1213:1415:1617:1819:1a1b:1c1d:1e1f 772',
        'none',
        'none',
      ],
    );
  });

  it('waits for the end of a header, byte by byte, and leaves what follows', () => {
    for (const [title, bytes] of GOOD) {
      for (let length = 0; length < bytes.length; length++) {
        assert.deepEqual(readProxyHeader(bytes.subarray(0, length)), { kind: 'more' }, `${title}: ${length}`);
      }
      const verdict = readProxyHeader(Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1\r\n')]));
      assert.equal(verdict.kind === 'header' && verdict.header.length, bytes.length, title);
    }
  });

  it('knows what is no header from its first bytes', () => {
    for (const text of [
      `PROXY TCP4 ${'1'.repeat(100)}`,
      'G',
      'PUT / HTTP/1.1',
      'PROXX ',
      '\r\nGET',
      '\x16\x03\x01',
    ]) {
      assert.deepEqual(readProxyHeader(Buffer.from(text, 'latin1')), { kind: 'none' }, text);
    }
  });

  it('says what is wrong', () => {
    const problems: readonly (readonly [string | Buffer, RegExp])[] = [
      ['PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n', /family "TCP5"/],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n', /no two TCP4 addresses/],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n', /no two TCP4 addresses/],
      ['PROXY TCP4 ::1 ::2 1 2\r\n', /no two TCP4 addresses/],
      ['PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n', /no two TCP6 addresses/],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n', /a port is not a number/],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n', /a port is not a number/],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 1 +2\r\n', /a port is not a number/],
      [binary(0x11, 0x11, FROM_TO_4), /version 1/],
      [binary(0x22, 0x11, FROM_TO_4), /command 2/],
      [binary(0x21, 0x31, []), /0x31 are not IPv4/],
      [binary(0x21, 0x00, []), /0x00 are not IPv4/],
      [binary(0x21, 0x11, FROM_TO_4.slice(1)), /too short/],
    ];
    for (const [bytes, expected] of problems) {
      const verdict = readProxyHeader(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
      assert.equal(verdict.kind, 'broken', String(expected));
      assert.match(verdict.kind === 'broken' ? verdict.problem : '', expected);
    }
  });

  it('throws for no bytes at all, and what it calls a header lies within them', () => {
    const changed = fc
      .tuple(
        fc.constantFrom(...GOOD.map(([, bytes]) => bytes)),
        fc.array(fc.tuple(fc.nat(120), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
        fc.uint8Array({ maxLength: 200 }),
      )
      .map(([good, changes, tail]) => {
        const bytes = Buffer.concat([good, tail]);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        return bytes;
      });
    fc.assert(
      fc.property(
        fc.oneof(
          changed,
          fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        ),
        (bytes) => {
          const verdict = readProxyHeader(bytes);
          if (verdict.kind === 'header') assert.ok(verdict.header.length <= bytes.length);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
