import { parseClientHello, readProxyHeader } from '@heddle/data-plane/testing';
import type { FuzzTarget } from '../fuzz-target.js';

/** Asks again and again, each time with more of the bytes, until it is decided: as a listener does. */
function decided<T>(parts: readonly Buffer[], ask: (bytes: Buffer) => T | undefined): T | 'undecided' {
  let bytes = Buffer.alloc(0);
  for (const part of parts) {
    bytes = Buffer.concat([bytes, part]);
    const answer = ask(bytes);
    if (answer !== undefined) return answer;
  }
  return 'undecided';
}

export const firstBytesTargets: readonly FuzzTarget[] = [
  {
    name: 'client-hello',
    isStream: true,
    mostBytes: 20_000,
    tokens: [
      '16030100',
      '160303',
      '01000100',
      '0303',
      '0000',
      '0010',
      '000b',
      '00',
      'ffff',
      '4000',
      '4001',
      '02',
      '03026832',
    ].map((text) => Buffer.from(text, 'hex')),
    run: (parts) =>
      JSON.stringify(
        decided(parts, (bytes) => {
          const hello = parseClientHello(bytes);
          return hello === 'more' ? undefined : hello;
        }),
      ),
  },
  {
    name: 'proxy-protocol',
    isStream: true,
    mostBytes: 70_000,
    tokens: [
      ...[
        'PROXY ',
        'TCP4',
        'TCP6',
        'UNKNOWN',
        ' ',
        '\r\n',
        '127.0.0.1',
        '::1',
        '65535',
        '65536',
        '0',
        '01',
        '::ffff:1.2.3.4',
      ],
      ...['\r\n\r\n\0\r\nQUIT\n', '\x21', '\x20', '\x11', '\x21\x21', '\0\x0c', '\0\x24', '\0\0', '\xff\xff'],
    ],
    run: (parts) =>
      JSON.stringify(
        decided(parts, (bytes) => {
          const verdict = readProxyHeader(bytes);
          return verdict.kind === 'more' ? undefined : verdict;
        }),
      ),
  },
];
