import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { createLogger, FakeClock } from '@heddle/common';
import { StatsStore } from '../stats/stats-store.js';
import {
  decodeLastGood,
  LastGoodStore,
  type LastGood,
  type LastGoodStoreOptions,
} from './last-good-store.js';

const SAMPLE: LastGood = {
  writtenAtMs: 1234,
  types: [
    {
      typeUrl: 'type.googleapis.com/a.B',
      version: 'v1',
      resources: [
        { name: 'x', version: '1', typeUrl: 'type.googleapis.com/a.B', bytes: Uint8Array.of(1, 2, 3) },
        { name: 'y', version: '2', typeUrl: 'type.googleapis.com/a.B', bytes: new Uint8Array(0) },
      ],
    },
    { typeUrl: 'type.googleapis.com/c.D', version: '', resources: [] },
  ],
};

describe('the last good configuration on disk', () => {
  let folder: string;
  let logged: string[];
  let clock: FakeClock;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'heddle-store-'));
    logged = [];
    clock = new FakeClock();
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  function store(options: Partial<LastGoodStoreOptions> = {}): LastGoodStore {
    return new LastGoodStore({
      directory: folder,
      nodeId: 'n',
      nodeCluster: 'c',
      clock,
      log: createLogger({ component: 'test', sink: { write: (line) => logged.push(line) } }),
      stats: new StatsStore(),
      ...options,
    });
  }

  function plain(lastGood: LastGood | undefined): unknown {
    return (
      lastGood && {
        ...lastGood,
        types: lastGood.types.map((type) => ({
          ...type,
          resources: type.resources.map((one) => ({ ...one, bytes: [...one.bytes] })),
        })),
      }
    );
  }

  it('gives back what was saved, from a file that only its owner may read', async () => {
    const one = store();
    one.save(() => SAMPLE);
    await one.flush();
    assert.deepEqual(plain(await store().load()), plain(SAMPLE));
    assert.equal((await stat(one.file)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(folder), [one.file.slice(folder.length + 1)]);
  });

  it('writes once for changes that come together, with the last of them', async () => {
    const one = store();
    let reads = 0;
    for (const at of [1, 2, 3]) {
      one.save(() => {
        reads++;
        return { ...SAMPLE, writtenAtMs: at };
      });
    }
    assert.equal(clock.pendingTimers, 1);
    clock.advance(1000);
    await one.flush();
    assert.equal(reads, 1);
    assert.equal((await store().load())?.writtenAtMs, 3);
  });

  it('keeps the files of two proxies apart', async () => {
    const other = store({ nodeId: 'other' });
    other.save(() => SAMPLE);
    await other.flush();
    assert.equal(await store().load(), undefined);
    assert.deepEqual(logged, []);
  });

  it('reports a file that was changed or cut, and passes over it', async () => {
    const one = store();
    one.save(() => SAMPLE);
    await one.flush();
    const good = await readFile(one.file);
    for (const bad of [
      good.subarray(0, good.length - 1),
      Buffer.concat([good, Buffer.from([0])]),
      Buffer.from(good.toString('latin1').replace('v1', 'v2'), 'latin1'),
      Buffer.from('no such file'),
      Buffer.alloc(0),
    ]) {
      logged.length = 0;
      await writeFile(one.file, bad);
      assert.equal(await store().load(), undefined);
      assert.match(logged.join(''), /cannot be used/);
    }
  });

  it('neither writes nor reads more than its bound', async () => {
    const one = store({ maxBytes: 10 });
    one.save(() => SAMPLE);
    await one.flush();
    assert.match(logged.join(''), /too large to keep/);
    assert.deepEqual(await readdir(folder), []);
  });

  it('throws a reason for any bytes that are not its own, and nothing worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.throws(() => decodeLastGood(Buffer.from(bytes)), Error);
      }),
    );
  });
});
