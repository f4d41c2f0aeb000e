import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import { StatsStore } from '../stats-store.js';
import { LabelledMetrics } from './labelled-metrics.js';

const MINUTE_MS = 60_000;

describe('metrics with labels from traffic', () => {
  it('give the same series for the same labels', () => {
    const { metrics } = create(10);
    const family = metrics.counter('calls', 'Calls.');
    family.series('a="1"', 'a="_"').metric.inc();
    family.series('a="1"', 'a="_"').metric.inc();
    family.series('a="2"', 'a="_"').metric.inc();
    assert.deepEqual(values(family), { 'a="1"': 2, 'a="2"': 1 });
    assert.equal(metrics.counter('calls', 'Calls.'), family);
  });

  it('count together, and count that they do, what is beyond the bound', () => {
    const { metrics, stats } = create(3);
    const family = metrics.counter('calls', 'Calls.');
    for (let i = 0; i < 10; i++) family.series(`a="${i}"`, 'a="_"').metric.inc();
    assert.deepEqual(values(family), { 'a="0"': 1, 'a="1"': 1, 'a="2"': 1, 'a="_"': 7 });
    assert.equal(stats.counter('istio_stats.overflowed').value, 7);
    // What is there is still counted by itself.
    family.series('a="1"', 'a="_"').metric.inc();
    assert.equal(values(family)['a="1"'], 2);
  });

  it('bound each metric by itself', () => {
    const { metrics } = create(1);
    const counters = metrics.counter('calls', 'Calls.');
    const times = metrics.histogram('times', 'Times.');
    counters.series('a="1"', 'a="_"').metric.inc();
    times.series('a="1"', 'a="_"').metric.record(1);
    assert.deepEqual([counters.size, times.size], [1, 1]);
  });

  it('let idle series make room, and say so by another generation', () => {
    const { metrics, stats, clock } = create(2);
    const family = metrics.counter('calls', 'Calls.');
    const busy = family.series('a="busy"', 'a="_"');
    family.series('a="idle"', 'a="_"').metric.inc();
    busy.metric.inc();
    family.series('a="new"', 'a="_"').metric.inc();
    const { generation } = metrics;
    clock.advance(16 * MINUTE_MS);
    busy.metric.inc();
    family.series('a="new"', 'a="_"').metric.inc();
    assert.equal(metrics.generation, generation + 1);
    assert.equal(stats.counter('istio_stats.evicted').value, 1);
    assert.deepEqual(values(family), { 'a="busy"': 2, 'a="new"': 1, 'a="_"': 1 });
  });

  it('give a slot out again as if it were new', () => {
    const { metrics, clock } = create(1);
    const family = metrics.histogram('times', 'Times.');
    family.series('a="old"', 'a="_"').metric.record(5);
    family.series('a="new"', 'a="_"');
    clock.advance(16 * MINUTE_MS);
    const series = family.series('a="new"', 'a="_"');
    assert.equal(series.metric.sum, 0);
    assert.ok(series.metric.counts.every((count) => count === 0));
  });

  it('keep a series that somebody holds, however long it is not counted', () => {
    const { metrics, clock } = create(1);
    const family = metrics.counter('calls', 'Calls.');
    const held = family.series('a="held"', 'a="_"');
    held.holders++;
    for (let i = 0; i < 4; i++) {
      clock.advance(16 * MINUTE_MS);
      family.series('a="new"', 'a="_"');
    }
    assert.deepEqual(Object.keys(values(family)), ['a="held"', 'a="_"']);
    held.holders--;
    clock.advance(MINUTE_MS);
    family.series('a="new"', 'a="_"');
    assert.deepEqual(Object.keys(values(family)), ['a="new"', 'a="_"']);
  });

  it('look for idle series once a minute at most, however many are refused', () => {
    const { metrics, clock } = create(1);
    const family = metrics.counter('calls', 'Calls.');
    family.series('a="first"', 'a="_"');
    clock.advance(20 * MINUTE_MS);
    family.series('a="second"', 'a="_"');
    const { generation } = metrics;
    clock.advance(MINUTE_MS / 2);
    family.series('a="third"', 'a="_"');
    assert.equal(metrics.generation, generation);
  });

  it('set counters back to zero and leave histograms', () => {
    const { metrics } = create(1);
    const counters = metrics.counter('calls', 'Calls.');
    const times = metrics.histogram('times', 'Times.').series('', '');
    counters.series('a="1"', 'a="_"').metric.add(5);
    counters.series('a="2"', 'a="_"').metric.add(5);
    times.metric.record(1);
    metrics.resetCounters();
    assert.deepEqual(values(counters), { 'a="1"': 0, 'a="_"': 0 });
    assert.equal(times.metric.sum, 1);
  });
});

function create(maxSeries: number): { metrics: LabelledMetrics; stats: StatsStore; clock: FakeClock } {
  const stats = new StatsStore();
  const clock = new FakeClock();
  return { metrics: new LabelledMetrics({ clock, stats, maxSeries }), stats, clock };
}

function values(family: ReturnType<LabelledMetrics['counter']>): Record<string, number> {
  return Object.fromEntries([...family.entries()].map(({ labels, metric }) => [labels, metric.value]));
}
