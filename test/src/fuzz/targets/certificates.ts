import assert from 'node:assert/strict';
import { DerReader, parseCertificate } from '@heddle/certs/testing';
import { EncodingError, parseSpiffeId } from '@heddle/certs';
import { parsePem, verifySvid } from '@heddle/certs/workload';
import { clientCertificateText, type TlsInfo } from '@heddle/engine';
import { readLeafCertificate } from '@heddle/data-plane/testing';
import type { FuzzTarget } from '../fuzz-target.js';

const PRINTABLE = /^[\x20-\x7e]*$/;
const DER_TOKENS = [
  ...[
    '30',
    '3000',
    '3080',
    '308180',
    '30820100',
    '02',
    '0201',
    '020100',
    '03',
    '030100',
    '04',
    '0400',
    '05',
    '06',
    '0603551d11',
  ],
  ...[
    '0603551d0f',
    '0603551d13',
    '0603551d25',
    '0101ff',
    '170d',
    '180f',
    'a0',
    'a003020102',
    'a3',
    '82',
    '8600',
    '8704',
    '7f',
    'ff',
  ],
  ...[
    '8605687474703a',
    '86097370696666653a2f2f',
    '00',
    '0000',
    '84ffffffff',
    '85ffffffffff',
    '1e',
    '13',
    '0c',
  ],
].map((text) => Buffer.from(text, 'hex'));

/** Every element, as deep as it goes. */
function walk(bytes: Buffer, depth: number): number {
  const reader = new DerReader(bytes, 'fuzz');
  let elements = 0;
  while (!reader.atEnd) {
    const { tag, content, whole } = reader.readElement();
    assert.ok(whole.length >= content.length + 2);
    elements += 1 + ((tag & 0x20) !== 0 && depth < 32 ? walk(content, depth + 1) : 0);
  }
  return elements;
}

function told(run: () => string, isDeclared: (thrown: unknown) => boolean): string {
  try {
    return run();
  } catch (thrown) {
    if (!isDeclared(thrown)) throw thrown;
    return `refused: ${(thrown as Error).message}`;
  }
}

const isEncodingError = (thrown: unknown): boolean => thrown instanceof EncodingError;

export const certificateTargets: readonly FuzzTarget[] = [
  {
    name: 'der',
    isStream: false,
    tokens: DER_TOKENS,
    run: ([bytes = Buffer.alloc(0)]) => told(() => `${walk(bytes, 0)} elements`, isEncodingError),
  },
  {
    name: 'certificate',
    isStream: false,
    tokens: DER_TOKENS,
    run: ([bytes = Buffer.alloc(0)]) => {
      const parsed = told(() => parseCertificate(bytes).serialHex, isEncodingError);
      const verdict = verifySvid(bytes, { trustDomains: 'any', nowMs: 1_800_000_000_000 });
      if (!verdict.ok) assert.match(verdict.detail, PRINTABLE);
      const read = readLeafCertificate(bytes);
      if (!read.ok) {
        assert.match(read.problem, PRINTABLE);
        return `${parsed} ${JSON.stringify(verdict)} ${read.problem}`;
      }
      const { certificate } = read;
      // Of what it says of itself, nothing may end a header or a log line, or stand for another part of one.
      const tls = { peer: certificate, local: certificate } as unknown as TlsInfo;
      const text = clientCertificateText(tls, {
        forward: 'sanitize-set',
        details: ['subject', 'uri', 'dns'],
      });
      assert.match(text, PRINTABLE);
      return `${parsed} ${JSON.stringify(verdict)} ${text}`;
    },
  },
  {
    name: 'pem',
    isStream: false,
    tokens: [
      '-----BEGIN CERTIFICATE-----',
      '-----END CERTIFICATE-----',
      '-----',
      '\n',
      '\r\n',
      '=',
      '==',
      'AAAA',
      ' ',
      '\0',
    ],
    run: ([bytes = Buffer.alloc(0)]) =>
      told(() => `${parsePem(bytes.toString('latin1'), 'CERTIFICATE').length} parts`, isEncodingError),
  },
  {
    name: 'spiffe-id',
    isStream: false,
    tokens: ['spiffe://', 'td', '/', '//', '/ns/a/sa/b', '.', '..', '%2f', ':80', '@', '?', '#', '\0', ' '],
    run: ([bytes = Buffer.alloc(0)]) => {
      const result = parseSpiffeId(bytes.toString('latin1'));
      // What is taken has one spelling only.
      if (result.ok) assert.equal(result.id.uri, `spiffe://${result.id.trustDomain}${result.id.path}`);
      return JSON.stringify(result);
    },
  },
];
