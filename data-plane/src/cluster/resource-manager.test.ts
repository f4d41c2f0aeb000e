import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { Resource } from './resource-manager.js';

class GaugeUnderTest {
  value = -1;
  set(value: number): void {
    this.value = value;
  }
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
