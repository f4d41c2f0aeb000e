import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@heddle/common';
import type { OutlierDetectionConfig } from '@heddle/engine';
import { StatsStore } from '../../stats/stats-store.js';
import { OUTLIER_DETECTION } from '../../testing/watched-hosts.js';
import { HEALTH_FLAG } from '../health-flag.js';
import { HostCounterPages } from '../host-counters.js';
import { Host } from '../host.js';
import { OutlierDetector } from './outlier-detector.js';
import { OutlierStats } from './outlier-stats.js';
import { successRateThreshold } from './success-rate.js';

describe('outlier detection', () => {
  it('ejects a host after its fifth failure in a row, whatever lay between before', () => {
    const { detector, hosts, changes, isEjected } = setUp(10);
    const [host] = hosts as [Host];
    for (const status of [500, 503, 500, 502, 200]) detector.onResponse(host, status);
    for (const status of [500, 503, 500, 502]) detector.onResponse(host, status);
    assert.equal(isEjected(host), false);
    detector.onResponse(host, 500);
    assert.equal(isEjected(host), true);
    assert.equal(host.health, 'unhealthy');
    assert.equal(changes(), 1);
  });

  it('ejects no more than its share, and one at least only when told so', () => {
    const few = setUp(9);
    fail(few.detector, few.hosts[0], 5);
    assert.equal(few.isEjected(few.hosts[0]), false);
    assert.equal(few.stats.overflow.value, 1);
    const one = setUp(9, { alwaysEjectOneHost: true });
    fail(one.detector, one.hosts[0], 5);
    fail(one.detector, one.hosts[1], 5);
    assert.deepEqual(one.hosts.map(one.isEjected).slice(0, 2), [true, false]);
    const half = setUp(4, { maxEjectionPercent: 50 });
    for (const host of half.hosts) fail(half.detector, host, 5);
    assert.equal(half.hosts.filter(half.isEjected).length, 2);
    assert.equal(half.stats.active.value, 2);
  });

  it('detects without ejecting where it is not enforced', () => {
    const { detector, hosts, stats, isEjected } = setUp(10, { enforcingConsecutive5xx: 0 });
    fail(detector, hosts[0], 10);
    assert.equal(isEjected(hosts[0]), false);
    assert.equal(stats.detected.consecutive_5xx.value, 2);
    assert.equal(stats.enforcedTotal.value, 0);
  });

  it('never ejects for failures in a row where so many are 0', () => {
    const { detector, hosts, stats } = setUp(10, {
      consecutive5xx: 0,
      consecutiveGatewayFailure: 0,
      consecutiveLocalOriginFailure: 0,
      enforcingConsecutiveGatewayFailure: 100,
      splitExternalLocalOriginErrors: true,
    });
    for (let i = 0; i < 10; i++) {
      detector.onResponse(hosts[0] as Host, 503);
      detector.onLocalFailure(hosts[0] as Host, 503);
    }
    assert.deepEqual(
      Object.values(stats.detected).map(({ value }) => value),
      [0, 0, 0, 0, 0, 0, 0],
    );
  });

  it('counts gateway failures apart from other failures', () => {
    const { detector, hosts, stats } = setUp(10, {
      consecutiveGatewayFailure: 2,
      enforcingConsecutiveGatewayFailure: 100,
    });
    for (const status of [503, 500, 503, 504]) detector.onResponse(hosts[0] as Host, status);
    assert.equal(stats.enforced.consecutive_gateway_failure.value, 1);
    assert.equal(stats.enforced.consecutive_5xx.value, 0);
  });

  it('takes failures of its own for 5xx, or counts them apart when they are split', () => {
    const whole = setUp(10);
    for (let i = 0; i < 5; i++) whole.detector.onLocalFailure(whole.hosts[0] as Host, 503);
    assert.equal(whole.stats.enforced.consecutive_5xx.value, 1);
    const split = setUp(10, { splitExternalLocalOriginErrors: true });
    const host = split.hosts[0] as Host;
    for (let i = 0; i < 4; i++) split.detector.onLocalFailure(host, 503);
    split.detector.onConnection(host);
    for (let i = 0; i < 4; i++) split.detector.onLocalFailure(host, 504);
    assert.equal(split.isEjected(host), false);
    split.detector.onLocalFailure(host, 503);
    assert.equal(split.stats.enforced.consecutive_local_origin_failure.value, 1);
    assert.equal(split.stats.detected.consecutive_5xx.value, 0);
  });

  it('lets a host back after its time, which grows with every ejection and shrinks while it is well', () => {
    const { detector, hosts, clock, isEjected } = setUp(10);
    const host = hosts[0] as Host;
    const ejectedFor = (): number => {
      fail(detector, host, 5);
      assert.equal(isEjected(host), true);
      const start = clock.monotonicMs();
      while (isEjected(host)) clock.advance(1000);
      return clock.monotonicMs() - start;
    };
    detector.start();
    assert.equal(ejectedFor(), 30_000);
    assert.equal(ejectedFor(), 60_000);
    assert.equal(ejectedFor(), 90_000);
    clock.advance(20_000);
    assert.equal(ejectedFor(), 60_000, 'two intervals went well');
    clock.advance(60_000);
    assert.equal(ejectedFor(), 30_000);
    detector.stop();
    assert.equal(clock.pendingTimers, 0);
  });

  it('never ejects for longer than the longest time, plus jitter', () => {
    const { detector, hosts, clock, isEjected } = setUp(
      10,
      {
        maxEjectionTimeMs: 60_000,
        maxEjectionTimeJitterMs: 4000,
        baseEjectionTimeMs: 50_000,
        intervalMs: 1000,
      },
      0.5,
    );
    const host = hosts[0] as Host;
    detector.start();
    for (let i = 0; i < 5; i++) {
      fail(detector, host, 5);
      const start = clock.monotonicMs();
      while (isEjected(host)) clock.advance(1000);
      const took = clock.monotonicMs() - start;
      assert.ok(took <= 63_000, String(took));
    }
    detector.stop();
  });

  it('ejects by success rate only those that stand out, when enough hosts had enough requests', () => {
    const { detector, hosts, clock, stats, isEjected } = setUp(5, { maxEjectionPercent: 100 });
    detector.start();
    const round = (requests: number): void => {
      hosts.forEach((host, i) => {
        // Alternating, so that no row of failures decides.
        for (let n = 0; n < requests; n++) detector.onResponse(host, i === 0 && n % 2 === 0 ? 500 : 200);
      });
      clock.advance(10_000);
    };
    round(99);
    assert.equal(stats.detected.success_rate.value, 0);
    round(100);
    assert.deepEqual(hosts.map(isEjected), [true, false, false, false, false]);
    assert.deepEqual(detector.successRates.external, { average: 90, threshold: 52 });
    detector.stop();
  });

  it('ejects by failure percentage where that is enforced', () => {
    const { detector, hosts, clock, stats, isEjected } = setUp(5, {
      maxEjectionPercent: 100,
      consecutive5xx: 1000,
      failurePercentage: {
        threshold: 85,
        minimumHosts: 5,
        requestVolume: 50,
        enforcing: 100,
        enforcingLocalOrigin: 0,
      },
    });
    detector.start();
    hosts.forEach((host, i) => {
      for (let n = 0; n < 50; n++) detector.onResponse(host, i < 2 && n >= 7 ? 500 : 200);
    });
    clock.advance(10_000);
    assert.deepEqual(hosts.map(isEjected), [true, true, false, false, false]);
    assert.equal(stats.enforced.failure_percentage.value, 2);
    detector.stop();
  });

  it('has nothing to say of hosts that left, and lets a passed health check bring one back', () => {
    const { detector, hosts, members, isEjected } = setUp(10);
    fail(detector, hosts[1], 5);
    detector.onHealthCheckPassed(hosts[1] as Host);
    assert.equal(isEjected(hosts[1]), false);
    members.delete((hosts[0] as Host).addressText);
    fail(detector, hosts[0], 5);
    assert.equal(isEjected(hosts[0]), false);
  });
});

describe('the threshold of success rates', () => {
  it('lies so many deviations below the average', () => {
    const { average, threshold } = successRateThreshold([50, 100, 100, 100, 100], 1900);
    assert.equal(average, 90);
    assert.equal(threshold, 52);
    assert.deepEqual(successRateThreshold([], 1900), { average: -1, threshold: -1 });
  });
});

function setUp(count: number, config: Partial<OutlierDetectionConfig> = {}, chance = 0) {
  const pages = new HostCounterPages();
  const hosts = Array.from({ length: count }, (_, i) => {
    const address = { kind: 'socket', host: '127.0.0.1', port: i + 1, protocol: 'tcp' } as const;
    const endpoint = { address, hostname: '', health: 'healthy', weight: 1, metadata: {} } as const;
    return new Host(address, endpoint, { region: '', zone: '', subZone: '' }, 0, pages.take());
  });
  const members = new Map(hosts.map((host) => [host.addressText, host]));
  const clock = new FakeClock();
  const stats = new OutlierStats(new StatsStore(), []);
  let changes = 0;
  const detector = new OutlierDetector({
    config: { ...OUTLIER_DETECTION, ...config },
    clusterName: 'c',
    hosts: members,
    stats,
    clock,
    random: () => chance,
    log: silentLogger,
    onChange: () => changes++,
  });
  const isEjected = (host: Host | undefined): boolean =>
    host?.hasFlag(HEALTH_FLAG.failedOutlierCheck) === true;
  return { detector, hosts, members, clock, stats, changes: () => changes, isEjected };
}

function fail(detector: OutlierDetector, host: Host | undefined, times: number): void {
  for (let i = 0; i < times; i++) detector.onResponse(host as Host, 500);
}
