import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { IpRanges } from './ip-ranges.js';

const v4 = fc.ipV4();
const v6 = fc.ipV6().filter((address) => !address.toLowerCase().includes('ffff'));

describe('address ranges', () => {
  it('hold what the ranges of Node hold', () => {
    const range = fc.oneof(
      fc.record({
        address: v4,
        prefixLength: fc.integer({ min: 0, max: 32 }),
        type: fc.constant('ipv4' as const),
      }),
      fc.record({
        address: v6,
        prefixLength: fc.integer({ min: 0, max: 128 }),
        type: fc.constant('ipv6' as const),
      }),
    );
    fc.assert(
      fc.property(fc.array(range, { maxLength: 5 }), fc.oneof(v4, v6), fc.boolean(), (list, text, near) => {
        // Arbitrary addresses hardly ever meet: half of them are taken from the ranges themselves.
        const asked = near ? (list[0]?.address ?? text) : text;
        const family = asked.includes(':') ? 'ipv6' : 'ipv4';
        const blocks = new BlockList();
        for (const { address, prefixLength, type } of list) {
          if (type === family) blocks.addSubnet(address, prefixLength, type);
        }
        const ranges = new IpRanges(list);
        const expected = blocks.check(asked, family);
        assert.equal(ranges.contains(asked), expected);
        assert.equal(ranges.contains(asked), expected, 'the second time');
      }),
      { numRuns: 2000 },
    );
  });

  it('take IPv4 inside IPv6 for IPv4, in addresses and in ranges', () => {
    assert.equal(rangesOf('10.0.0.0/8').contains('::ffff:10.1.2.3'), true);
    assert.equal(rangesOf('::ffff:10.0.0.0/104').contains('10.1.2.3'), true);
    assert.equal(rangesOf('::ffff:10.0.0.0/104').contains('11.1.2.3'), false);
    assert.equal(rangesOf('::/0').contains('10.1.2.3'), false);
  });

  it('say nothing about what is no address', () => {
    for (const text of ['', 'a', '10.0.0', '10.0.0.0/8', '010.0.0.1']) {
      assert.equal(rangesOf('0.0.0.0/0').contains(text), undefined, text);
    }
  });
});

function rangesOf(text: string): IpRanges {
  const [address = '', prefixLength = ''] = text.split('/');
  return new IpRanges([{ address, prefixLength: Number(prefixLength) }]);
}
