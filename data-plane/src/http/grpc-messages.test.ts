import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cutAt } from '../testing/cut-at.js';
import { GrpcMessages } from './grpc-messages.js';

describe('messages of gRPC', () => {
  it('are counted however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(300), { maxLength: 10 }),
        fc.array(fc.nat(3000), { maxLength: 20 }),
        (lengths, cuts) => {
          const bytes = Buffer.concat(
            lengths.map((length) => {
              const message = Buffer.alloc(5 + length, 0xff);
              message.writeUInt32BE(length, 1);
              return message;
            }),
          );
          const messages = new GrpcMessages();
          for (const chunk of cutAt(bytes, cuts)) messages.take(chunk);
          assert.equal(messages.count, lengths.length);
          assert.ok(messages.isBetween);
        },
      ),
    );
  });
});
