import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GeneralNameTag, forgeCertificate } from '../testing/index.js';
import { addressOctets } from './address-octets.js';

describe('addressOctets', () => {
  it('writes IPv4 and every form of IPv6', () => {
    const hex = (address: string): string => addressOctets(address).toString('hex');
    assert.equal(hex('127.0.0.1'), '7f000001');
    assert.equal(hex('::1'), '0'.repeat(31) + '1');
    assert.equal(hex('::'), '0'.repeat(32));
    assert.equal(hex('fe80::'), 'fe80' + '0'.repeat(28));
    assert.equal(hex('1:2:3:4:5:6:7:8'), '00010002000300040005000600070008');
    assert.equal(hex('::ffff:10.1.2.3'), '00000000000000000000ffff0a010203');
    assert.equal(hex('2001:DB8::a:0'), '20010db80000000000000000000a0000');
  });

  it("writes what OpenSSL's reading finds again", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        const names = [{ tag: GeneralNameTag.ipAddress, octets: addressOctets(address) }];
        const certificate = new X509Certificate(forgeCertificate({ names }).der);
        assert.notEqual(certificate.checkIP(address), undefined, address);
      }),
      { numRuns: 100 },
    );
  });
});
