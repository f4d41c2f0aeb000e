import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mergedStats, ReceivedStats, StatsPublisher } from './published-stats.js';
import { StatsStore } from './stats-store.js';

const OF_A = [['envoy_cluster_name', 'a']] as const;

describe('published metrics', () => {
  it('are seen as they are counted, and added up', async () => {
    const [one, other] = [worker(), worker()];
    const requests = one.store.counter('cluster.upstream_rq_total', OF_A);
    other.store.counter('cluster.upstream_rq_total', OF_A).add(3);
    other.store.gauge('cluster.upstream_rq_active', OF_A).set(2);
    one.store.histogram('cluster.upstream_rq_time', OF_A).record(4);
    other.store.histogram('cluster.upstream_rq_time', OF_A).record(40);
    await Promise.resolve();
    requests.add(5);
    const own = new StatsStore();
    own.gauge('server.live').set(1);
    const merged = mergedStats(own, [one.received, other.received]);
    assert.equal(merged.counter('cluster.upstream_rq_total', OF_A).value, 8);
    assert.equal(merged.gauge('cluster.upstream_rq_active', OF_A).value, 2);
    assert.equal(merged.histogram('cluster.upstream_rq_time', OF_A).sum, 44);
    assert.equal(merged.gauge('server.live').value, 1);
  });

  it('of what every worker has alike are those of one', async () => {
    const workers = [worker(), worker()];
    for (const { store } of workers) store.gauge('cluster.membership_total', OF_A).set(4);
    await Promise.resolve();
    const merged = mergedStats(
      new StatsStore(),
      workers.map(({ received }) => received),
    );
    assert.equal(merged.gauge('cluster.membership_total', OF_A).value, 4);
  });

  it('are gone when they are forgotten, and begin anew when they come back', async () => {
    const { store, received } = worker();
    store.counter('a').inc();
    await Promise.resolve();
    store.forget(({ name }) => name === 'a');
    store.counter('a').add(10);
    store.counter('b').inc();
    store.forget(({ name }) => name === 'b');
    await Promise.resolve();
    const found = [...received.entries()].map(({ name, metric }) => [
      name,
      'value' in metric && metric.value,
    ]);
    assert.deepEqual(found, [['a', 10]]);
  });

  it('fill as many pages as they need', async () => {
    const { store, received } = worker();
    for (let i = 0; i < 2000; i++) store.counter(`c${i}`).add(i);
    await Promise.resolve();
    for (const { name, metric } of received.entries()) {
      assert.equal('value' in metric && metric.value, Number(name.slice(1)));
    }
  });
});

function worker(): { readonly store: StatsStore; readonly received: ReceivedStats } {
  const received = new ReceivedStats();
  const { store } = new StatsPublisher((changes) => received.receive(structuredClone(changes)));
  return { store, received };
}
