import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cutAt } from '../../../testing/cut-at.js';
import { MessageTextEncoder } from './message-text-encoder.js';

describe('messages of gRPC as text', () => {
  it('are base64 each, however they are cut, and so is one that is not whole', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
        fc.uint8Array({ maxLength: 10 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (bodies, rest, cuts) => {
          const messages = bodies.map((body) => message(body, body.length));
          const broken = message(rest, rest.length + 1);
          const encoder = new MessageTextEncoder();
          const text = cutAt(Buffer.concat([...messages, broken]), cuts).map((chunk) =>
            encoder.encode(chunk),
          );
          assert.equal(
            Buffer.concat([...text, encoder.end()]).toString('latin1'),
            [...messages, broken].map((bytes) => bytes.toString('base64')).join(''),
          );
        },
      ),
    );
  });
});

function message(body: Uint8Array, length: number): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, body]);
}
