import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StatsStore } from '../stats/stats-store.js';
import { HandshakeQueue, type HandshakeQueueOptions, type HandshakeTurn } from './handshake-queue.js';

const nextRound = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('HandshakeQueue', () => {
  it('starts so many at once, and each further one when another is over, in the order in which they came', async () => {
    const { ask, started, turns } = queueOf({ mostActive: 2, mostActivePerAddress: 2 });
    for (const name of ['a', 'b', 'c', 'd']) ask('10.0.0.1', name);
    assert.deepEqual(started, ['a', 'b']);
    turns.get('b')?.end();
    assert.deepEqual(started, ['a', 'b'], 'what is established is served first');
    await nextRound();
    assert.deepEqual(started, ['a', 'b', 'c']);
    turns.get('a')?.end();
    turns.get('c')?.end();
    await nextRound();
    assert.deepEqual(started, ['a', 'b', 'c', 'd']);
  });

  it('lets no address keep the others out, and gives those who wait their turns one by one', async () => {
    const { ask, started, turns } = queueOf({ mostActive: 4 });
    for (let i = 0; i < 6; i++) ask('10.0.0.1', `greedy-${i}`);
    ask('10.0.0.2', 'modest-0');
    ask('10.0.0.3', 'modest-1');
    assert.deepEqual(started, ['greedy-0', 'greedy-1', 'modest-0', 'modest-1']);
    ask('10.0.0.2', 'modest-2');
    turns.get('greedy-0')?.end();
    turns.get('greedy-1')?.end();
    await nextRound();
    assert.deepEqual(started.slice(4).sort(), ['greedy-2', 'modest-2']);
  });

  it('takes no more than may wait, and counts whom it did not take', () => {
    const { ask, stats, turns } = queueOf({ mostActive: 1, mostWaiting: 2 });
    for (const name of ['a', 'b', 'c', 'd']) ask('10.0.0.1', name);
    assert.deepEqual([...turns.keys()], ['a', 'b', 'c']);
    assert.deepEqual(
      [stats('handshakes_active'), stats('handshakes_waiting'), stats('handshakes_overflow')],
      [1, 2, 1],
    );
  });

  it('has room again for whoever gives up waiting, and is empty in the end, whoever ends twice', async () => {
    const { ask, started, stats, turns } = queueOf({ mostActive: 1, mostWaiting: 2 });
    for (const name of ['a', 'b', 'c']) ask('10.0.0.1', name);
    turns.get('b')?.end();
    ask('10.0.0.1', 'd');
    for (const name of ['a', 'c', 'd']) {
      turns.get(name)?.end();
      turns.get(name)?.end();
      await nextRound();
    }
    assert.deepEqual(started, ['a', 'c', 'd']);
    assert.deepEqual(
      [stats('handshakes_active'), stats('handshakes_waiting'), stats('handshakes_overflow')],
      [0, 0, 0],
    );
  });
});

function queueOf(options: Partial<HandshakeQueueOptions>): {
  readonly ask: (address: string, name: string) => void;
  readonly started: string[];
  /** Of those who were taken. */
  readonly turns: Map<string, HandshakeTurn>;
  readonly stats: (name: string) => number;
} {
  const store = new StatsStore();
  const queue = new HandshakeQueue({ stats: store, ...options });
  const started: string[] = [];
  const turns = new Map<string, HandshakeTurn>();
  return {
    ask: (address, name) => {
      const turn = queue.ask(address, () => started.push(name));
      if (turn !== undefined) turns.set(name, turn);
    },
    started,
    turns,
    stats: (name) => {
      for (const entry of store.entries()) {
        if (entry.name === `tls.${name}` && entry.kind !== 'histogram') return entry.metric.value;
      }
      return Number.NaN;
    },
  };
}
