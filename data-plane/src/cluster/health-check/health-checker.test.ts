import assert from 'node:assert/strict';
import type { Server, ServerResponse } from 'node:http';
import { afterEach, describe, it } from 'node:test';
import type { ClusterConfig } from '@heddle/engine';
import {
  clusterConfig,
  endpoint,
  eventually,
  startBackend,
  TestProxy,
} from '../../testing/proxy-under-test.js';
import { HEALTH_CHECK } from '../../testing/watched-hosts.js';

describe('active health checks', () => {
  let proxy: TestProxy;
  const backends: { server: Server; close: () => Promise<void> }[] = [];

  afterEach(async () => {
    await proxy.close();
    for (const backend of backends.splice(0)) await backend.close();
  });

  async function backend(answer: (response: ServerResponse) => void): Promise<number> {
    const started = await startBackend((_, response) => answer(response));
    backends.push(started);
    return started.port;
  }

  const apply = (ports: readonly number[], config: Partial<ClusterConfig>): void => {
    const endpoints = ports.map((port) => endpoint(port));
    assert.deepEqual(proxy.clusters.apply([clusterConfig('c', endpoints, config)], []), []);
  };
  const flags = (): readonly number[] =>
    proxy.clusters.status().flatMap(({ hosts }) => hosts.map(({ healthFlags }) => healthFlags));

  it('hold a new cluster back until every host was asked', async () => {
    proxy = new TestProxy();
    const held: ServerResponse[] = [];
    const ports = [
      await backend((response) => response.end()),
      await backend((response) => held.push(response)),
    ];
    apply(ports, { healthCheck: HEALTH_CHECK });
    await eventually(() => held.length === 1);
    assert.equal(proxy.clusters.ready, false);
    assert.equal(proxy.clusters.cluster('c'), undefined);
    held[0]?.end();
    await eventually(() => proxy.clusters.ready);
    assert.deepEqual(flags(), [0, 0]);
    assert.equal(proxy.counter('cluster.health_check.healthy'), 2);
  });

  it('let a replaced cluster serve until the hosts of the new one were asked, and keep what is known', async () => {
    proxy = new TestProxy();
    let held: ServerResponse | undefined;
    const port = await backend((response) => (held = response));
    apply([port], {});
    apply([port], { healthCheck: HEALTH_CHECK, panicThresholdPercent: 0 });
    await eventually(() => held !== undefined);
    assert.equal(proxy.clusters.cluster('c')?.config.healthCheck, undefined);
    assert.notEqual(proxy.clusters.cluster('c')?.pickHost(undefined), undefined);
    (held as ServerResponse).statusCode = 500;
    held?.end();
    await eventually(() => proxy.clusters.ready);
    assert.equal(proxy.clusters.cluster('c')?.pickHost(undefined), undefined);
    // Nobody asks any more, so nobody says no.
    apply([port], { panicThresholdPercent: 0 });
    assert.deepEqual(flags(), [0]);
    assert.notEqual(proxy.clusters.cluster('c')?.pickHost(undefined), undefined);
  });

  it('ask again on a new connection when the old one was closed between two checks', async () => {
    proxy = new TestProxy();
    let asked = 0;
    const port = await backend((response) => {
      asked++;
      response.end();
      // Closed just after the answer: the next check may find out only when it writes.
      response.socket?.end();
    });
    apply([port], { healthCheck: { ...HEALTH_CHECK, noTrafficHealthyIntervalMs: 1 } });
    await eventually(() => asked > 5);
    assert.equal(proxy.counter('cluster.health_check.failure'), 0);
  });
});
