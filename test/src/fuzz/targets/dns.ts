import assert from 'node:assert/strict';
import {
  answerLife,
  DNS_RCODE,
  addressRecords,
  formatAnswer,
  MessageReader,
  parseQuery,
  soaRecord,
} from '@heddle/data-plane/testing';
import type { FuzzTarget } from '../fuzz-target.js';

/** A question for `a.b`, to hold answers against. */
const QUESTION = Buffer.from('123401000001000000000000016101620000010001', 'hex');
/** Source: RFC 1035, section 4.2.1; RFC 6891. */
const MOST_UDP_BYTES = 4096;
const TOKENS = [
  ...[
    '0161016200',
    '00010001',
    '001c0001',
    '00210001',
    '00100001',
    '00060001',
    'c00c',
    'c0ff',
    '3f',
    '40',
    '00',
    'ffff',
    '0000',
  ],
  ...[
    '0000291000000000000000',
    '0100',
    '8180',
    '8183',
    '0001',
    'c00c000100010000003c00047f000001',
    '7fffffff',
  ],
].map((text) => Buffer.from(text, 'hex'));

function asked(bytes: Buffer): string {
  const query = parseQuery(bytes);
  if (query === 'ignored' || !('name' in query)) return JSON.stringify(query);
  assert.ok(query.end <= bytes.length && query.mostBytes <= MOST_UDP_BYTES);
  for (const answer of [
    formatAnswer(bytes, query, { answers: addressRecords(['127.0.0.1', '2001:db8::1'], 60) }),
    formatAnswer(bytes, query, { rcode: DNS_RCODE.noSuchName, authorities: [soaRecord('example', 30)] }),
    formatAnswer(bytes, query, { isTruncated: true }),
  ]) {
    // Every answer is one to this question, and can be read again.
    assert.equal(answer.readUInt16BE(0), query.id);
    assert.ok(answer.subarray(12, query.end).equals(bytes.subarray(12, query.end)));
  }
  return JSON.stringify(query);
}

export const dnsTargets: readonly FuzzTarget[] = [
  { name: 'dns-query', isStream: false, tokens: TOKENS, run: ([bytes = Buffer.alloc(0)]) => asked(bytes) },
  {
    name: 'dns-answer',
    isStream: false,
    tokens: TOKENS,
    run: ([bytes = Buffer.alloc(0)]) => {
      const question = parseQuery(QUESTION);
      assert.ok(question !== 'ignored' && 'name' in question);
      const life = answerLife(bytes, question);
      for (const at of life?.ttlOffsets ?? []) assert.ok(at + 4 <= bytes.length);
      return JSON.stringify(life ?? 'none');
    },
  },
  {
    name: 'dns-over-tcp',
    isStream: true,
    tokens: [...TOKENS, Buffer.from('0015', 'hex')],
    run: (parts) => {
      const lines: string[] = [];
      const reader = new MessageReader((message) => lines.push(asked(Buffer.from(message))));
      for (const part of parts) reader.read(part);
      return lines.join('\n    ');
    },
  },
];
