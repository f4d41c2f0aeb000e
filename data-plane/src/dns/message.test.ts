import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { framed, MessageReader } from './framed-messages.js';
import { formatAnswer, soaRecord } from './answer.js';
import { addressAnswer, questionFor, recordsOf } from './dns-message.test-support.js';
import { answerLife, isTruncated, parseQuery, repeatsQuestion, type DnsQuery } from './message.js';

describe('DNS messages', () => {
  it('are read as the questions that they are', () => {
    const query = parseQuery(questionFor('ReViews.Default', 28, { id: 7, udpBytes: 1232 }));
    assert.deepEqual(query, {
      id: 7,
      name: 'reviews.default',
      type: 28,
      class: 1,
      recursionDesired: true,
      end: 12 + 17 + 4,
      mostBytes: 1232,
      edns: 0,
    });
  });

  it('of any bytes at all are read or refused, within their bounds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const query = parseQuery(Buffer.from(bytes));
        if (query === 'ignored' || 'rcode' in query) return;
        assert.ok(query.end <= bytes.length);
        assert.ok(query.name.length <= 2 * 255);
      }),
      { numRuns: 2_000 },
    );
  });

  it('that are nearly right are read or refused, and what is answered can be read', () => {
    const name = fc
      .array(fc.stringMatching(/^[a-z0-9._\\-]{1,70}$/), { maxLength: 6 })
      .map((labels) => labels.join('.'));
    const edit = fc.record({ at: fc.nat(300), to: fc.nat(255) });
    fc.assert(
      fc.property(
        name,
        fc.nat(65_535),
        fc.array(edit, { maxLength: 3 }),
        fc.nat(300),
        (host, type, edits, cut) => {
          const bytes = questionFor(host, type).subarray(0, 320 - cut);
          for (const { at, to } of edits) if (at < bytes.length) bytes[at] = to;
          const query = parseQuery(bytes);
          if (query === 'ignored' || 'rcode' in query) return;
          const answer = addressAnswer(bytes, query, ['10.0.0.1', '2001:db8::1'], 30);
          assert.deepEqual(recordsOf(answer), ['10.0.0.1', '2001:db8:0:0:0:0:0:1']);
          assert.equal(answerLife(answer, query)?.ttlS, 30);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('that answer something are not answered, so that two servers cannot go on for ever', () => {
    const answer = questionFor('a', 1);
    answer[2] = (answer[2] as number) | 0x80;
    assert.equal(parseQuery(answer), 'ignored');
    assert.equal(parseQuery(Buffer.alloc(11)), 'ignored');
  });

  it('with compression, with two questions, or of another kind are refused by a code', () => {
    const pointing = questionFor('a', 1);
    pointing[12] = 0xc0;
    assert.deepEqual(parseQuery(pointing), { id: 1, rcode: 1 });
    const two = questionFor('a', 1);
    two[5] = 2;
    assert.deepEqual(parseQuery(two), { id: 1, rcode: 1 });
    const notify = questionFor('a', 1);
    notify[2] = 0x20;
    assert.deepEqual(parseQuery(notify), { id: 1, rcode: 4 });
  });

  it('keep a dot inside a label apart from one between labels', () => {
    const request = Buffer.concat([
      questionFor('', 1).subarray(0, 12),
      Buffer.from('\x03a.b\x00\x00\x01\x00\x01', 'latin1'),
    ]);
    assert.equal((parseQuery(request) as DnsQuery).name, 'a\\.b');
  });

  it('that are too long for UDP are cut to their question and say so', () => {
    const request = questionFor('a', 1);
    const short = formatAnswer(request, parseQuery(request) as DnsQuery, { isTruncated: true });
    assert.ok(isTruncated(short));
    assert.deepEqual(recordsOf(short), []);
  });

  it('have a life of their shortest TTL, and none where something failed', () => {
    const request = questionFor('a', 1);
    const query = parseQuery(request) as DnsQuery;
    const answer = addressAnswer(request, query, ['10.0.0.1', '10.0.0.2'], 60);
    answer.writeUInt32BE(5, query.end + 6);
    assert.deepEqual(answerLife(answer, query), {
      ttlS: 5,
      ttlOffsets: [query.end + 6, query.end + 22],
    });
    assert.equal(answerLife(formatAnswer(request, query, { rcode: 2 }), query), undefined);
    assert.equal(answerLife(formatAnswer(request, query, { rcode: 3 }), query), undefined, 'without an SOA');
  });

  it('that say that something is not there hold as long as the SOA beside them says', () => {
    const request = questionFor('a.example', 1);
    const query = parseQuery(request) as DnsQuery;
    const authorities = [{ ...soaRecord('example', 7), ttlS: 600 }];
    assert.equal(answerLife(formatAnswer(request, query, { rcode: 3, authorities }), query)?.ttlS, 7);
    assert.equal(answerLife(formatAnswer(request, query, { authorities }), query)?.ttlS, 7);
  });

  it('repeat a question when it is the very same, with the case of its letters', () => {
    const request = questionFor('A.eXample', 1);
    const query = parseQuery(request) as DnsQuery;
    const answer = addressAnswer(request, query, ['10.0.0.1'], 1);
    assert.equal(repeatsQuestion(request, query, answer), true);
    for (const other of [questionFor('a.example', 1), questionFor('A.eXample', 28), Buffer.alloc(5)])
      assert.equal(repeatsQuestion(request, query, other), false);
  });

  it('whose names point at themselves, or round in circles, are passed over without end', () => {
    const request = questionFor('a', 1);
    const query = parseQuery(request) as DnsQuery;
    const pointer = fc.nat(60).map((at) => [0xc0, at]);
    const label = fc.constantFrom([1, 97], [0]);
    const names = fc.array(fc.oneof(pointer, label), { maxLength: 20 }).map((parts) => parts.flat());
    fc.assert(
      fc.property(names, fc.nat(4), (bytes, answers) => {
        const answer = Buffer.concat([formatAnswer(request, query, {}), Buffer.from(bytes)]);
        answer.writeUInt16BE(answers, 6);
        answerLife(answer, query);
        parseQuery(Buffer.concat([request.subarray(0, 12), Buffer.from(bytes)]));
      }),
      { numRuns: 2_000 },
    );
  });

  it('have no life, and no end of the process, when their records are any bytes at all', () => {
    const request = questionFor('a', 1);
    const query = parseQuery(request) as DnsQuery;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5), fc.nat(5), (bytes, answers, authorities) => {
        const answer = Buffer.concat([formatAnswer(request, query, {}), bytes]);
        answer.writeUInt16BE(answers, 6);
        answer.writeUInt16BE(authorities, 8);
        for (const at of answerLife(answer, query)?.ttlOffsets ?? []) assert.ok(at + 4 <= answer.length);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are taken out of a stream whole, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.nat(7), (messages, step) => {
        const stream = Buffer.concat(messages.map((message) => framed(Buffer.from(message))));
        const read: number[][] = [];
        const reader = new MessageReader((message) => read.push([...message]));
        for (let at = 0; at < stream.length; at += step + 1) reader.read(stream.subarray(at, at + step + 1));
        assert.deepEqual(
          read,
          messages.map((message) => [...message]),
        );
      }),
    );
  });
});
