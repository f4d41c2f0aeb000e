import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@heddle/common';
import { StatsStore } from '../stats/stats-store.js';
import { memoryPressure } from './memory-use.js';
import { DEFAULT_OVERLOAD, type OverloadConfig } from './overload-config.js';
import { OverloadManager } from './overload-manager.js';
import { isShed } from './overload-state.js';

const MB = 1024 * 1024;

describe('OverloadManager', () => {
  it('gives up keep-alive, then requests, then connections, and takes them again when memory is there', () => {
    const { manager, state, look, set } = setup(DEFAULT_OVERLOAD);
    const shed = (): readonly number[] => [state.keepalive, state.requests, state.connections];
    set(100);
    manager.start();
    assert.deepEqual(shed(), [0, 0, 0]);
    for (const [heap, expected] of [
      [930, [1, 0, 0]],
      [960, [1, 1, 0]],
      [990, [1, 1, 1]],
      [100, [0, 0, 0]],
    ] as const) {
      set(heap);
      look();
      assert.deepEqual(shed(), expected, String(heap));
    }
    manager.stop();
  });

  it('lets dead objects go before it refuses anybody, though not all the time', () => {
    const { manager, state, look, set, collections, onCollect } = setup(DEFAULT_OVERLOAD);
    onCollect(() => set(100));
    set(990);
    manager.start();
    assert.deepEqual([collections(), state.requests], [1, 0]);
    set(990);
    look();
    assert.deepEqual([collections(), state.requests], [1, 1], 'it was done a moment ago');
    look(10);
    assert.deepEqual([collections(), state.requests], [2, 0]);
    manager.stop();
  });

  it('counts buffers outside the heap against what the machine has', () => {
    assert.equal(memoryPressure({ heap: 10 * MB, heapLimit: 1000 * MB, external: 50 * MB }, 200 * MB), 0.5);
    assert.equal(memoryPressure({ heap: 900 * MB, heapLimit: 1000 * MB, external: 0 }, 8000 * MB), 0.9);
  });

  it('sheds a share between two pressures, takes the strongest trigger, and tells it all', () => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-overload-'));
    try {
      const file = join(folder, 'pressure');
      const config: OverloadConfig = {
        refreshIntervalMs: 1000,
        maxConnections: undefined,
        monitors: [
          { kind: 'injected', name: 'injected', file },
          { kind: 'fixed-heap', name: 'heap', maxBytes: 100 * MB },
        ],
        actions: [
          {
            action: 'stop-accepting-requests',
            name: 'stop',
            triggers: [
              { kind: 'scaled', monitor: 'injected', from: 0.5, to: 0.9 },
              { kind: 'threshold', monitor: 'heap', value: 1 },
            ],
          },
        ],
      };
      const { manager, state, look, set, stats } = setup(config);
      set(10);
      manager.start();
      assert.equal(stats.counter('overload.injected.failed_updates').value, 1, 'there is no file');
      writeFileSync(file, '0.7\n');
      look();
      assert.ok(Math.abs(state.requests - 0.5) < 1e-9);
      assert.equal(stats.gauge('overload.injected.pressure').value, 70);
      assert.equal(stats.gauge('overload.stop.scale_percent').value, 50);
      assert.equal(stats.gauge('overload.stop.active').value, 0);
      writeFileSync(file, 'much');
      look();
      assert.ok(Math.abs(state.requests - 0.5) < 1e-9, 'the last pressure that could be read holds');
      set(100);
      look();
      assert.equal(state.requests, 1);
      assert.equal(stats.gauge('overload.stop.active').value, 1);
      manager.stop();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('sheds by chance where a share is shed', () => {
    assert.equal(
      isShed(0, () => 0),
      false,
    );
    assert.equal(
      isShed(0.5, () => 0.4),
      true,
    );
    assert.equal(
      isShed(0.5, () => 0.5),
      false,
    );
    assert.equal(
      isShed(1, () => 0.99),
      true,
    );
  });
});

function setup(config: OverloadConfig) {
  const clock = new FakeClock();
  const stats = new StatsStore();
  let heap = 0;
  let collected = 0;
  let whenCollected = (): void => undefined;
  const manager = new OverloadManager({
    config,
    clock,
    log: silentLogger,
    stats,
    memoryUse: () => ({ heap: heap * MB, heapLimit: 1000 * MB, external: 0 }),
    memoryLimit: 100_000 * MB,
    collectGarbage: () => {
      collected++;
      whenCollected();
      return 100;
    },
  });
  return {
    manager,
    stats,
    state: manager.state,
    /** One interval, or several. */
    look: (intervals = 1) => clock.advance(intervals * config.refreshIntervalMs),
    set: (megabytes: number) => (heap = megabytes),
    collections: () => collected,
    onCollect: (callback: () => void) => (whenCollected = callback),
  };
}
