import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { realClientHello } from '../testing/tls-under-test.js';
import { parseClientHello } from './client-hello.js';

describe('parseClientHello', () => {
  it('finds server name and protocols in what a real client sends, byte by byte', async () => {
    const hello = await realClientHello();
    const found = parseClientHello(hello);
    assert.deepEqual(found, { serverName: 'shop.example', applicationProtocols: ['h2', 'http/1.1'] });
    for (let length = 0; length < hello.length; length++) {
      assert.equal(parseClientHello(hello.subarray(0, length)), 'more');
    }
  });

  it('puts together a message that is split over records', async () => {
    const hello = await realClientHello();
    const body = hello.subarray(5);
    const records = [body.subarray(0, 3), body.subarray(3, 50), body.subarray(50)].map((part) =>
      Buffer.concat([Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part]),
    );
    const found = parseClientHello(Buffer.concat(records));
    assert.equal(typeof found === 'object' && found.serverName, 'shop.example');
  });

  it('knows a request as not TLS from its first byte', () => {
    assert.equal(parseClientHello(Buffer.from('G')), 'not-tls');
    assert.equal(parseClientHello(Buffer.from('GET / HTTP/1.1\r\n')), 'not-tls');
  });

  it('throws for no bytes at all', async () => {
    const hello = await realClientHello();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(hello.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 8 }),
        fc.nat(hello.length),
        (changes, length) => {
          const bytes = Buffer.from(hello.subarray(0, length));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          parseClientHello(bytes);
        },
      ),
      { numRuns: 3000 },
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseClientHello(Buffer.from(bytes))));
  });
});
