import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '@heddle/engine';
import { readProxyHeader, type ProxiedAddress } from './proxy-header.js';
import { writeProxyHeader } from './write-proxy-header.js';

const port = fc.integer({ min: 0, max: 65_535 });
const anyEnd = fc.record({ host: fc.oneof(fc.ipV4(), fc.ipV6()), port });
const version = fc.constantFrom(1 as const, 2 as const);

describe('writeProxyHeader', () => {
  it('writes what is read as the very same ends, whatever they are', () => {
    fc.assert(
      fc.property(version, anyEnd, anyEnd, (written, source, destination) => {
        const bytes = writeProxyHeader(written, { source, destination });
        const verdict = readProxyHeader(Buffer.concat([bytes, Buffer.from('rest')]));
        assert.equal(verdict.kind, 'header', bytes.toString('latin1'));
        if (verdict.kind !== 'header') return;
        const { header } = verdict;
        assert.deepEqual([header.version, header.length], [written, bytes.length]);
        const same = (read: ProxiedAddress | undefined, given: ProxiedAddress): void =>
          assert.deepEqual([parseIp(read?.host ?? ''), read?.port], [parseIp(given.host), given.port]);
        same(header.addresses?.source, source);
        same(header.addresses?.destination, destination);
      }),
    );
  });

  it('says that the proxy speaks for itself where there are no ends, or they are none of IP', () => {
    const nowhere = { host: '', port: 0 };
    for (const ends of [undefined, { source: nowhere, destination: nowhere }]) {
      for (const written of [1, 2] as const) {
        const verdict = readProxyHeader(writeProxyHeader(written, ends));
        assert.ok(verdict.kind === 'header');
        assert.deepEqual([verdict.header.version, verdict.header.addresses], [written, undefined]);
      }
    }
  });

  it('tells ends of two families as two of IPv6', () => {
    const source = { host: '192.0.2.1', port: 1 };
    const destination = { host: '2001:db8::7', port: 2 };
    assert.equal(
      writeProxyHeader(1, { source, destination }).toString('latin1'),
      'PROXY TCP6 ::ffff:c000:201 2001:db8::7 1 2\r\n',
    );
  });
});
