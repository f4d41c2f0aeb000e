import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@heddle/common';
import { MetricsCollector, type ScrapeTarget } from './metrics-collector.js';
import { TrafficStore } from './traffic-store.js';

describe('asking proxies what they counted', () => {
  it('goes on when one does not answer, says which and why, and forgets that when it answers again', async () => {
    const { collector, answers } = setup(['a', 'b']);
    answers.set('a', new Error('connection refused'));
    await collector.round();
    assert.deepEqual([...collector.unread], [['a', 'connection refused']]);
    assert.equal(collector.failures, 1);
    answers.set('a', '');
    await collector.round();
    assert.equal(collector.unread.size, 0);
    assert.equal(collector.rounds, 2);
  });

  it('asks the next time after the interval, and never again when it is closed', async () => {
    const { collector, clock, asked, settled } = setup(['a']);
    collector.start();
    clock.advance(0);
    await settled();
    clock.advance(1_999);
    await settled();
    assert.equal(asked.length, 1);
    clock.advance(1);
    await settled();
    assert.equal(asked.length, 2);
    collector.close();
    assert.equal(clock.pendingTimers, 0);
    clock.advance(100_000);
    await settled();
    assert.equal(asked.length, 2);
  });

  it('asks less often where reading takes long', async () => {
    const { collector, clock, asked, settled } = setup(['a'], 100);
    collector.start();
    clock.advance(0);
    await settled();
    clock.advance(4_900);
    await settled();
    assert.equal(asked.length, 1);
    clock.advance(200);
    await settled();
    assert.equal(asked.length, 2);
    collector.close();
  });

  it('tells since when everything is read only after a whole round', async () => {
    const { collector, clock } = setup(['a']);
    clock.advance(500);
    const round = collector.round();
    assert.equal(collector.completeSinceMs, 0);
    await round;
    assert.equal(collector.completeSinceMs, 500);
  });
});

/** `readMs`: how long reading one page takes. */
function setup(ids: readonly string[], readMs = 0) {
  const clock = new FakeClock();
  const answers = new Map<string, string | Error>();
  const asked: string[] = [];
  const targets: readonly ScrapeTarget[] = ids.map((nodeId) => ({ nodeId, host: '127.0.0.1', port: 1 }));
  let reading = 0;
  const collector = new MetricsCollector({
    store: new TrafficStore(),
    targets: () => targets,
    fetchText: ({ nodeId }) => {
      asked.push(nodeId);
      const answer = answers.get(nodeId) ?? '';
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    clock: {
      nowMs: () => clock.nowMs(),
      // Twice for each page, before it is read and after.
      monotonicMs: () => clock.monotonicMs() + (reading += readMs),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
    },
    log: silentLogger,
    intervalMs: () => 2_000,
  });
  const settled = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  return { collector, clock, answers, asked, settled };
}
