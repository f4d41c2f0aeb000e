import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { WireReader } from './wire-reader.js';
import { WireWriter } from './wire-writer.js';

describe('the wire writer', () => {
  it('writes the length of an inner message before it, however long it is', () => {
    for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const body = Buffer.alloc(length, 7);
      const ours = WireWriter.create()
        .uint32(10)
        .fork()
        .uint32(18)
        .fork()
        .raw(body)
        .ldelim()
        .ldelim()
        .uint32(5);
      const theirs = protobuf.Writer.create().uint32(10).fork().uint32(18).bytes(body).ldelim().uint32(5);
      assert.ok(ours.finish().equals(theirs.finish()), `${length}`);
    }
  });

  it('writes each kind of value as protobufjs does, and the reader reads it back', () => {
    const safe = fc.maxSafeInteger();
    fc.assert(
      fc.property(
        fc.integer(),
        fc.nat({ max: 0xffffffff }),
        safe,
        fc.double(),
        fc.float(),
        fc.oneof(
          fc.string({ unit: 'grapheme', maxLength: 80, size: 'max' }),
          fc.string({ maxLength: 80, size: 'max' }),
        ),
        (...values) => {
          const [int, uint, wide, double, float, text] = values;
          const fill = (writer: protobuf.Writer | WireWriter): Uint8Array =>
            (writer as WireWriter)
              .int32(int)
              .uint32(uint)
              .int64(wide)
              .uint64(Math.abs(wide))
              .double(double)
              .float(float)
              .string(text)
              .bool(true)
              .finish();
          const bytes = fill(WireWriter.create());
          assert.ok(Buffer.from(fill(protobuf.Writer.create())).equals(bytes));
          const reader = WireReader.create(bytes);
          assert.deepEqual(
            [
              reader.int32(),
              reader.uint32(),
              reader.int64(),
              reader.uint64(),
              reader.double(),
              reader.float(),
              reader.stringVerify(),
            ],
            [int, uint, wide, Math.abs(wide), double, float, text],
          );
          assert.equal(reader.bool(), true);
          assert.equal(reader.pos, bytes.length);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('keeps no more memory than the bytes need', () => {
    const bytes = WireWriter.create().string('x'.repeat(1000)).finish();
    assert.equal(bytes.buffer.byteLength, bytes.length);
  });
});
