import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { lock, SharedCells, unlock } from './shared-cells.js';

describe('SharedCells', () => {
  it('gives the same memory under the same name, whoever asks', () => {
    const memory = SharedCells.allocate(8);
    const one = new SharedCells(memory).claim('a');
    const other = new SharedCells(memory).claim('a');
    assert.deepEqual([one.isFirst, other.isFirst], [true, false]);
    one.ints[3] = 7;
    one.floats[4] = 0.5;
    assert.deepEqual([other.ints[3], other.floats[4]], [7, 0.5]);
    const third = new SharedCells(memory).claim('b');
    assert.deepEqual([third.ints[3], third.floats[4]], [0, 0]);
  });

  it('gives memory of its own to whoever comes when there is none left, and counts that', () => {
    const cells = new SharedCells(SharedCells.allocate(4));
    const held = ['a', 'b', 'c', 'd', 'e'].map((name) => cells.claim(name));
    (held[4] as (typeof held)[number]).ints[0] = 1;
    assert.deepEqual([cells.used, cells.overflowed], [4, 1]);
    assert.equal(cells.claim('a').isFirst, false);
    assert.ok(held.slice(0, 4).every(({ ints }) => ints[0] === 0));
  });

  it('finds every name again, in whatever order names come', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 64 }), (names) => {
        const memory = SharedCells.allocate(64);
        const cells = new SharedCells(memory);
        const slots = names.map((name) => cells.claim(name));
        for (const [i, slot] of slots.entries()) slot.ints[1] = i;
        const others = new SharedCells(memory);
        for (const [i, name] of names.entries()) assert.equal(others.claim(name).ints[1], i);
      }),
    );
  });

  it('lets one thread at a time into what it locks', async () => {
    const memory = SharedCells.allocate(8);
    const { ints } = new SharedCells(memory).claim('count');
    const program = `
      const { workerData } = require('node:worker_threads');
      import(workerData.module).then(({ SharedCells, lock, unlock }) => {
        const { ints } = new SharedCells(workerData.memory).claim('count');
        for (let i = 0; i < 20000; i++) { lock(ints); ints[1]++; unlock(ints); }
      });`;
    const module = new URL('./shared-cells.js', import.meta.url).href;
    const done = [0, 1].map(
      () =>
        new Promise((resolve, reject) => {
          const worker = new Worker(program, { eval: true, workerData: { memory, module } });
          worker.once('exit', resolve);
          worker.once('error', reject);
        }),
    );
    for (let i = 0; i < 20_000; i++) {
      lock(ints);
      (ints[1] as number)++;
      unlock(ints);
    }
    await Promise.all(done);
    assert.equal(ints[1], 60_000);
  });
});
