import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAddressGuard } from './address-guard.js';

describe('the guard of addresses', () => {
  const guard = createAddressGuard({ allowLoopback: false });

  for (const address of [
    '127.0.0.1',
    '127.8.8.8',
    '::1',
    '0.0.0.0',
    '::',
    '169.254.169.254',
    'fe80::1',
    'fd00:ec2::254',
    '100.100.100.200',
    '168.63.129.16',
    '224.0.0.1',
    'ff02::1',
    '255.255.255.255',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'localhost',
    '',
  ]) {
    it(`refuses ${JSON.stringify(address)}`, () => assert.ok(guard.whyRefused(address) !== undefined));
  }

  for (const address of ['10.0.0.1', '192.168.1.1', '172.20.0.1', '8.8.8.8', 'fd12::1', '2001:4860::8888']) {
    it(`lets heddled call ${address}`, () => assert.equal(guard.whyRefused(address), undefined));
  }

  it('lets loopback pass where it was asked to, and nothing else with it', () => {
    const open = createAddressGuard({ allowLoopback: true });
    assert.equal(open.whyRefused('127.0.0.1'), undefined);
    assert.equal(open.whyRefused('::1'), undefined);
    for (const address of ['169.254.169.254', '0.0.0.0', '::ffff:169.254.169.254', '64:ff9b::7f00:1']) {
      assert.ok(open.whyRefused(address) !== undefined);
    }
  });

  it('names the option that would allow it', () => {
    assert.match(guard.whyRefused('127.0.0.1') ?? '', /--jwks-allow-loopback/);
    assert.doesNotMatch(guard.whyRefused('169.254.169.254') ?? '', /--jwks/);
  });
});
