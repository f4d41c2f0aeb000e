import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@heddle/common';
import type { HealthCheckConfig } from '@heddle/engine';
import { StatsStore } from '../../stats/stats-store.js';
import { HEALTH_FLAG } from '../health-flag.js';
import { HostCounterPages } from '../host-counters.js';
import { Host } from '../host.js';
import { HealthCheckStats } from './health-check-stats.js';
import { HealthSession } from './health-session.js';
import { networkFailure, type Probe, type ProbeResult } from './probe.js';

const PASSED: ProbeResult = { kind: 'passed', degraded: false };
const REFUSED: ProbeResult = networkFailure('refused');
const WRONG: ProbeResult = {
  kind: 'failed',
  network: false,
  retriable: false,
  excluded: false,
  reason: 'no',
};

describe('the checks of a host', () => {
  it('take a new host for healthy after its first success', () => {
    const { session, probe, host } = setUp();
    session.start();
    assert.equal(host.health, 'unhealthy');
    probe.answer(PASSED);
    assert.equal(host.health, 'healthy');
    session.close();
  });

  it('need as many failures of the network in a row as the threshold, and one wrong answer', () => {
    const { session, probe, host, clock } = setUp();
    session.start();
    probe.answer(PASSED);
    const next = (result: ProbeResult): string => {
      clock.advance(clock.nextTimerInMs ?? 0);
      probe.answer(result);
      return host.health;
    };
    assert.deepEqual([REFUSED, REFUSED, PASSED, REFUSED, REFUSED].map(next).at(-1), 'healthy');
    assert.equal(next(REFUSED), 'unhealthy');
    assert.deepEqual([PASSED, WRONG, PASSED].map(next).at(-1), 'unhealthy');
    assert.equal(next(PASSED), 'healthy');
    assert.equal(next(WRONG), 'unhealthy');
    session.close();
  });

  it('come at the interval that fits what was found', () => {
    const { session, probe, clock } = setUp();
    session.start();
    const delays: number[] = [];
    for (const result of [PASSED, PASSED, REFUSED, REFUSED, REFUSED, REFUSED, PASSED, PASSED]) {
      probe.answer(result);
      delays.push(clock.nextTimerInMs ?? -1);
      clock.advance(clock.nextTimerInMs ?? 0);
    }
    assert.deepEqual(delays, [10, 10, 40, 40, 30, 30, 50, 10]);
    session.close();
  });

  it('are rare while nobody sends anything to the cluster', () => {
    const { session, probe, clock } = setUp({}, { hasTraffic: false });
    session.start();
    probe.answer(PASSED);
    assert.equal(clock.nextTimerInMs, 60_000);
    clock.advance(60_000);
    probe.answer(WRONG);
    assert.equal(clock.nextTimerInMs, 70_000);
    session.close();
  });

  it('are spread by jitter, and begin later by the first one', () => {
    const { session, probe, clock } = setUp(
      { initialJitterMs: 80, intervalJitterMs: 4, intervalJitterPercent: 50 },
      { chance: 0.5 },
    );
    session.start();
    assert.equal(clock.nextTimerInMs, 40);
    clock.advance(40);
    probe.answer(PASSED);
    assert.equal(clock.nextTimerInMs, 10 + 2.5 + 2);
    session.close();
  });

  it('end at their timeout, which is a failure of the network', () => {
    const { session, probe, host, clock, stats } = setUp({ unhealthyThreshold: 1 });
    session.start();
    probe.answer(PASSED);
    clock.advance(10);
    clock.advance(5000);
    assert.equal(probe.cancelled, 1);
    assert.equal(host.hasFlag(HEALTH_FLAG.activeHcTimeout), true);
    assert.equal(stats.networkFailure.value, 1);
    session.close();
  });

  it('leave nothing behind', () => {
    const { session, probe, clock, results } = setUp();
    session.start();
    session.close();
    probe.answer(PASSED);
    assert.equal(clock.pendingTimers, 0);
    assert.equal(results.length, 0);
  });
});

const CONFIG: HealthCheckConfig = {
  timeoutMs: 5000,
  intervalMs: 10,
  intervalJitterMs: 0,
  intervalJitterPercent: 0,
  initialJitterMs: 0,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
  noTrafficIntervalMs: 70_000,
  noTrafficHealthyIntervalMs: 60_000,
  unhealthyIntervalMs: 30,
  unhealthyEdgeIntervalMs: 40,
  healthyEdgeIntervalMs: 50,
  reuseConnection: true,
  altPort: 0,
  alwaysLogFailures: false,
  alwaysLogSuccess: false,
  probe: { kind: 'tcp', send: '', receive: [] },
};

class FakeProbe implements Probe {
  cancelled = 0;
  #done: ((result: ProbeResult) => void) | undefined = undefined;

  run(done: (result: ProbeResult) => void): void {
    this.#done = done;
  }

  cancel(): void {
    this.cancelled++;
  }

  answer(result: ProbeResult): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(result);
  }
}

function setUp(
  config: Partial<HealthCheckConfig> = {},
  { hasTraffic = true, chance = 0 }: { hasTraffic?: boolean; chance?: number } = {},
) {
  const address = { kind: 'socket', host: '127.0.0.1', port: 1, protocol: 'tcp' } as const;
  const endpoint = { address, hostname: '', health: 'healthy', weight: 1, metadata: {} } as const;
  const host = new Host(
    address,
    endpoint,
    { region: '', zone: '', subZone: '' },
    0,
    new HostCounterPages().take(),
  );
  host.setFlag(HEALTH_FLAG.failedActiveHc, true);
  const clock = new FakeClock();
  const stats = new HealthCheckStats(new StatsStore(), []);
  const probe = new FakeProbe();
  const results: boolean[] = [];
  const options = {
    config: { ...CONFIG, ...config },
    clusterName: 'c',
    stats,
    clock,
    random: () => chance,
    log: silentLogger,
    connect: () => assert.fail('the probe is fake'),
    hasTraffic: () => hasTraffic,
    onChange: () => undefined,
    onPassed: () => undefined,
    onFirstResult: () => undefined,
  };
  const session = new HealthSession({ options, onResult: (_, passed) => results.push(passed) }, host, probe);
  return { session, probe, host, clock, stats, results };
}
