import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import {
  giveBack,
  giveBackLater,
  lastingBytes,
  LentMemory,
  nextMemory,
  sharedMemory,
} from './lent-memory.js';

const KB = 1024;

describe('LentMemory', () => {
  it('lends large parts, and copies small ones', () => {
    const memory = new LentMemory(64 * KB, []);
    memory.bytes.fill('a');
    const small = memory.part(10, 110);
    const large = memory.part(0, 16 * KB);
    memory.bytes.fill('b');
    assert.equal(small.toString('latin1'), 'a'.repeat(100));
    assert.equal(large[0], 'b'.charCodeAt(0), 'it is the memory itself');
    assert.equal(memory.isFree, false);
  });

  it('is free again when every part came back in time', () => {
    const memory = new LentMemory(64 * KB, []);
    memory.open();
    const first = memory.part(0, 30 * KB);
    const second = memory.part(30 * KB, 64 * KB);
    giveBack(second);
    assert.equal(memory.isFree, false);
    giveBack(first);
    assert.equal(memory.isFree, true);
    memory.close();
  });

  it('is not free when a part came back in pieces that are not all of it, too late, or to other memory', () => {
    const memory = new LentMemory(64 * KB, []);
    memory.open();
    const part = memory.part(0, 30 * KB);
    giveBack(part.subarray(0, 20 * KB));
    giveBack(Buffer.alloc(10 * KB));
    memory.close();
    assert.equal(memory.isFree, false);
    const other = new LentMemory(64 * KB, []);
    other.open();
    giveBack(part.subarray(20 * KB));
    other.close();
    assert.equal(memory.isFree, false);
    assert.equal(other.isFree, true);
  });

  it('waits for its next use once all of it came back, however late, and never while a part is out', () => {
    const spare: LentMemory[] = [];
    const memory = new LentMemory(64 * KB, spare);
    const [first, second] = [memory.part(0, 30 * KB), memory.part(30 * KB, 64 * KB)];
    memory.release();
    giveBackLater(first);
    assert.deepEqual(spare, []);
    giveBackLater(second);
    assert.deepEqual(spare, [memory]);
    const again = memory.part(0, 64 * KB);
    giveBackLater(again);
    assert.deepEqual(spare, [memory], 'its socket has not released it');
    giveBackLater(Buffer.alloc(100 * KB));
  });

  it('is not kept by whoever wants the bytes to last', () => {
    const memory = new LentMemory(64 * KB, []);
    const part = memory.part(0, 30 * KB);
    const own = Buffer.alloc(30 * KB);
    assert.notEqual(lastingBytes(part).buffer, part.buffer);
    assert.equal(lastingBytes(own), own);
  });

  it('keeps a bounded number for other sockets, and none of which something is out', () => {
    const spare: LentMemory[] = [];
    const busy = new LentMemory(64 * KB, spare);
    busy.part(0, 64 * KB);
    busy.release();
    assert.equal(spare.length, 0);
    for (let i = 0; i < 100; i++) new LentMemory(64 * KB, spare).release();
    assert.ok(spare.length > 0 && spare.length < 50);
  });
});

describe('nextMemory', () => {
  it('is what all sockets share unless more of a large body is to come', () => {
    assert.equal(nextMemory(sharedMemory(), 16 * KB, 0), sharedMemory());
    const own = nextMemory(sharedMemory(), 16 * KB, 100 * KB);
    assert.notEqual(own, sharedMemory());
    assert.equal(nextMemory(own, 100, 0), sharedMemory());
    assert.equal(nextMemory(sharedMemory(), 16 * KB, 100 * KB), own, 'it was waiting for use');
  });

  it('is never the same for two sockets with large bodies', () => {
    const one = nextMemory(sharedMemory(), 16 * KB, Infinity);
    const two = nextMemory(sharedMemory(), 16 * KB, Infinity);
    assert.notEqual(one, two);
  });

  it('grows while the reads fill it, and shrinks when they do not', () => {
    const small = nextMemory(sharedMemory(), 16 * KB, Infinity);
    const large = nextMemory(small, small.bytes.length, Infinity);
    assert.ok(large.bytes.length > small.bytes.length);
    assert.equal(nextMemory(large, 100 * KB, Infinity), large);
    assert.equal(nextMemory(large, 20 * KB, Infinity).bytes.length, small.bytes.length);
  });

  it('is other memory while a part of it is out', () => {
    const used = nextMemory(sharedMemory(), 16 * KB, Infinity);
    const part = used.part(0, 20 * KB);
    const next = nextMemory(used, 20 * KB, Infinity);
    assert.notEqual(next, used);
    assert.notEqual(next.bytes.buffer, part.buffer);
  });
});
