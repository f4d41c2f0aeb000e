import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
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
          let from = 0;
          for (const to of [
            ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b),
            bytes.length,
          ]) {
            messages.take(bytes.subarray(from, to));
            from = to;
          }
          assert.equal(messages.count, lengths.length);
        },
      ),
    );
  });
});
