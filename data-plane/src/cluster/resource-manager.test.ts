import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { SharedCells } from '../shared/shared-cells.js';
import { Resource, ResourceManager } from './resource-manager.js';

class GaugeUnderTest {
  value: number;
  constructor(value = -1) {
    this.value = value;
  }
  set(value: number): void {
    this.value = value;
  }
  inc(): void {
    this.value++;
  }
  dec(): void {
    this.value--;
  }
}

const LIMITS = {
  maxConnections: 2,
  maxPendingRequests: 1,
  maxRequests: 10,
  maxRetries: 1,
  retryBudget: { percent: 20, minConcurrency: 1 },
  trackRemaining: true,
};

/** The breakers of two threads, each with gauges of its own. */
function twoThreads() {
  const memory = SharedCells.allocate(4);
  return [0, 1].map(() => {
    const gauges = { cxOpen: new GaugeUnderTest(0), remainingCx: new GaugeUnderTest(0) };
    return { gauges, manager: new ResourceManager(LIMITS, gauges, new SharedCells(memory).claim('a')) };
  }) as [ThreadUnderTest, ThreadUnderTest];
}

interface ThreadUnderTest {
  readonly gauges: { readonly cxOpen: GaugeUnderTest; readonly remainingCx: GaugeUnderTest };
  readonly manager: ResourceManager;
}

describe('a limited resource', () => {
  it('opens its breaker at the limit and closes it below', () => {
    const open = new GaugeUnderTest();
    const remaining = new GaugeUnderTest();
    const resource = new Resource(2, open, remaining);
    assert.equal(remaining.value, 2);
    resource.inc();
    assert.equal(resource.canCreate(), true);
    resource.inc();
    assert.deepEqual([resource.canCreate(), open.value, remaining.value], [false, 1, 0]);
    resource.inc();
    resource.dec();
    assert.equal(resource.canCreate(), false);
    resource.dec();
    assert.deepEqual([resource.canCreate(), open.value, remaining.value], [true, 0, 1]);
  });

  it('never counts below nothing', () => {
    const resource = new Resource(1);
    resource.dec();
    assert.equal(resource.count, 0);
  });
});

describe('the limited resources of several threads', () => {
  it('are counted together, and what is said to be there is taken', () => {
    const [one, other] = twoThreads();
    const { connections } = one.manager;
    assert.equal(connections.canCreate(), true);
    // Before the first has said that it uses what it was promised.
    assert.equal(other.manager.connections.canCreate(), true);
    connections.inc();
    other.manager.connections.inc();
    assert.deepEqual(
      [connections.canCreate(), other.manager.connections.canCreate(), connections.count],
      [false, false, 2],
    );
    connections.dec();
    assert.equal(other.manager.connections.canCreate(), true);
  });

  it('show in their gauges together how it is', () => {
    const [one, other] = twoThreads();
    const shown = (): readonly number[] => [
      one.gauges.cxOpen.value + other.gauges.cxOpen.value,
      one.gauges.remainingCx.value + other.gauges.remainingCx.value,
    ];
    assert.deepEqual(shown(), [0, 2]);
    one.manager.connections.inc();
    other.manager.connections.inc();
    assert.deepEqual(shown(), [1, 0]);
    // As a pool that has none may.
    one.manager.connections.inc();
    assert.deepEqual(shown(), [1, 0]);
    other.manager.connections.dec();
    one.manager.connections.dec();
    assert.deepEqual(shown(), [0, 1]);
    one.manager.connections.dec();
    assert.deepEqual(shown(), [0, 2]);
  });

  it('allow retries by the requests of all', () => {
    const [one, other] = twoThreads();
    for (let i = 0; i < 5; i++) {
      one.manager.requests.inc();
      other.manager.requests.inc();
    }
    one.manager.retries.inc();
    assert.equal(other.manager.retries.canCreate(), true);
    other.manager.retries.inc();
    assert.equal(one.manager.retries.canCreate(), false);
  });
});
