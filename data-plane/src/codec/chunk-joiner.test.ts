import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ChunkJoiner } from './chunk-joiner.js';

describe('chunks that wait', () => {
  it('are few where they are small', () => {
    const joiner = new ChunkJoiner();
    const chunks: Buffer[] = [];
    for (let i = 0; i < 100_000; i++) joiner.add(chunks, Buffer.from([i & 0xff]));
    assert.ok(chunks.length <= 10, `${chunks.length} chunks`);
    assert.ok(Buffer.concat(chunks).equals(Buffer.from(Array.from({ length: 100_000 }, (_, i) => i & 0xff))));
  });

  it('are the bytes that were added, in order, whatever is taken from their beginning', () => {
    const sizes = fc.array(
      fc.record({ add: fc.integer({ min: 1, max: 5000 }), take: fc.integer({ min: 0, max: 5000 }) }),
    );
    fc.assert(
      fc.property(sizes, (steps) => {
        const joiner = new ChunkJoiner();
        const chunks: Buffer[] = [];
        const added: Buffer[] = [];
        const taken: Buffer[] = [];
        for (const [i, { add, take }] of steps.entries()) {
          const chunk = Buffer.alloc(add, i + 1);
          joiner.add(chunks, chunk);
          added.push(chunk);
          const first = chunks[0] as Buffer;
          taken.push(first.subarray(0, take));
          if (take >= first.length) chunks.shift();
          else chunks[0] = first.subarray(take);
        }
        assert.ok(Buffer.concat([...taken, ...chunks]).equals(Buffer.concat(added)));
      }),
    );
  });
});
