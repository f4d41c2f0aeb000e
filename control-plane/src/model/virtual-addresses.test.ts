import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Service } from './mesh-model.js';
import { virtualAddresses } from './virtual-addresses.js';

describe('virtual addresses', () => {
  it('differ from each other, whatever services there are', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 300 }), (names) => {
        const addresses = [...virtualAddresses(servicesOf(names)).values()];
        assert.equal(
          new Set(addresses).size,
          names.filter((name) => !name.startsWith('*') && isIP(name) === 0).length,
        );
        for (const address of addresses)
          assert.match(address, /^240\.240\.\d{1,3}\.([1-9]\d?|1\d\d|2[0-4]\d|25[0-4])$/);
      }),
    );
  });

  it('stay when another service comes, in almost every case', () => {
    const names = Array.from({ length: 200 }, (_, i) => `service-${i}`);
    const before = virtualAddresses(servicesOf(names));
    const after = virtualAddresses(servicesOf([...names, 'another']));
    const moved = names.filter((name) => before.get(name) !== after.get(name));
    assert.deepEqual(moved, []);
  });

  it('are not given to services with an address, nor to wildcards', () => {
    const services = servicesOf(['a', '*.example.com']);
    services.set('b', { hostname: 'b', addresses: ['10.0.0.1'] } as unknown as Service);
    assert.deepEqual([...virtualAddresses(services).keys()], ['a']);
  });
});

function servicesOf(names: readonly string[]): Map<string, Service> {
  return new Map(
    [...names].sort().map((name) => [name, { hostname: name, addresses: [] } as unknown as Service]),
  );
}
