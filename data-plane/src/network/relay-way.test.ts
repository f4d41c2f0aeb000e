import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { LentMemory } from '../codec/lent-memory.js';
import { StatsStore } from '../stats/stats-store.js';
import { BulkWays, RelayWay } from './relay-way.js';
import { TcpProxyStats } from './tcp-proxy-stats.js';

describe('one way of a relay', () => {
  it('has large memory once it carries bulk, as long as reads are large', () => {
    const { way, stats } = setUp();
    assert.equal(way.expectedBytes(16 * 1024), 0, 'nothing came yet');
    way.receive(Buffer.alloc(200_000));
    assert.equal(way.expectedBytes(100), 0, 'small reads');
    assert.equal(way.expectedBytes(16 * 1024), Infinity);
    assert.equal(stats.bulkActive.value, 1);
    assert.equal(way.expectedBytes(1_000), 0);
    assert.equal(stats.bulkActive.value, 0);
  });

  it('goes on with small reads while too many others carry bulk, which is counted', () => {
    const bulkWays = new BulkWays(1);
    const first = setUp(bulkWays);
    const second = setUp(bulkWays);
    for (const { way } of [first, second]) way.receive(Buffer.alloc(200_000));
    assert.equal(first.way.expectedBytes(16 * 1024), Infinity);
    assert.equal(second.way.expectedBytes(16 * 1024), 0);
    assert.equal(second.stats.bulkOverflow.value, 1);
    first.way.end();
    assert.equal(second.way.expectedBytes(16 * 1024), Infinity);
  });

  it('asks for another socket only where bulk comes by one that reads as any other', () => {
    let asked = 0;
    const { way } = setUp(undefined, () => asked++);
    way.receive(Buffer.alloc(1_000));
    assert.equal(asked, 0);
    way.receive(Buffer.alloc(200_000));
    assert.equal(asked, 1);
  });

  it('gives memory back when what it held was written, and lets its source wait until then', () => {
    const { way, source, target } = setUp();
    const spare: LentMemory[] = [];
    const memory = new LentMemory(64 * 1024, spare);
    memory.open();
    way.receiveLent(memory, 0, 64 * 1024);
    memory.close();
    assert.ok(source.isPaused());
    assert.equal(memory.isFree, false);
    target.finishWrite();
    assert.equal(memory.isFree, true);
  });

  it('does not give memory back of which bytes were never written', () => {
    const { way, target } = setUp();
    const memory = new LentMemory(64 * 1024, []);
    memory.open();
    way.receiveLent(memory, 0, 64 * 1024);
    memory.close();
    target.finishWrite(new Error('gone'));
    assert.equal(memory.isFree, false);
  });
});

/** Writes when it is told to. */
class SlowTarget extends Duplex {
  #done: ((error?: Error) => void) | undefined;

  override _read(): void {
    // Nothing comes from it.
  }

  override _write(_chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#done = done;
  }

  finishWrite(error?: Error): void {
    this.on('error', () => undefined);
    this.#done?.(error);
  }
}

function setUp(
  bulkWays?: BulkWays,
  onPlainBulk?: () => void,
): {
  readonly way: RelayWay;
  readonly stats: TcpProxyStats;
  readonly source: SlowTarget;
  readonly target: SlowTarget;
} {
  const stats = new TcpProxyStats(new StatsStore(), 'test');
  const source = new SlowTarget();
  const target = new SlowTarget();
  const way = new RelayWay({
    source: source as unknown as Socket,
    target: target as unknown as Socket,
    output: target as unknown as Socket,
    stats,
    onBytes: () => undefined,
    onPlainBulk,
    ...(bulkWays === undefined ? {} : { bulkWays }),
  });
  return { way, stats, source, target };
}
