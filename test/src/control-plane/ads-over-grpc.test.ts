import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { typeUrls } from '@heddle/xds-protos';
import { status } from '@grpc/grpc-js';
import { AdsClient, sidecarNode } from './ads-client.js';
import {
  clusterName,
  service,
  startControlPlane,
  workloads,
  type RunningControlPlane,
} from './mesh-folder.js';

const EDS = typeUrls.clusterLoadAssignment;
const a = clusterName('a');

for (const variant of ['sotw', 'delta'] as const) {
  describe(`heddled over gRPC (${variant})`, () => {
    const opened: { close(): unknown }[] = [];
    after(async () => {
      for (const one of opened.reverse()) await one.close();
    });
    const connect = (port: number): AdsClient => {
      const client = new AdsClient(port, variant);
      opened.push(client);
      return client;
    };
    const start = async (...args: Parameters<typeof startControlPlane>): Promise<RunningControlPlane> => {
      const plane = await startControlPlane(...args);
      opened.push(plane);
      return plane;
    };
    const mesh = { 'a.yaml': service('a'), 'a-run.yaml': workloads('a', ['10.0.0.1']) };

    it('gives a sidecar its clusters, endpoints and listeners, and an edit as soon as it is written', async () => {
      const plane = await start(mesh);
      const client = connect(plane.xdsPort);
      client.start(sidecarNode('caller'));
      await client.until(() => client.has(EDS, a) && (client.held.get(typeUrls.listener)?.size ?? 0) > 0);
      const before = client.answers.length;
      const startedMs = performance.now();
      await plane.write('a-run.yaml', workloads('a', ['10.0.0.2']));
      await client.until(() => client.answers.length > before);
      assert.equal(client.answers[before]?.typeUrl, EDS);
      assert.deepEqual([...(client.answers[before]?.resources.keys() ?? [])], [a]);
      assert.ok(performance.now() - startedMs < 2_000);
    });

    it('refuses a stream without a node, and one whose node id says nothing, with the reason', async () => {
      const plane = await start(mesh);
      for (const node of [null, { id: 'nobody' }]) {
        const client = connect(plane.xdsPort);
        client.send({ node, typeUrl: typeUrls.cluster });
        const error = await client.ended;
        assert.equal(error.code, status.INVALID_ARGUMENT);
        assert.match(error.details, /node/);
      }
    });

    it('refuses a request that is larger than any proxy needs, and goes on serving', async () => {
      const plane = await start(mesh);
      const client = connect(plane.xdsPort);
      client.send({ node: { id: 'x'.repeat(17 * 1024 * 1024) }, typeUrl: typeUrls.cluster });
      assert.equal((await client.ended).code, status.RESOURCE_EXHAUSTED);
      const other = connect(plane.xdsPort);
      other.start(sidecarNode('caller'));
      await other.until(() => other.has(EDS, a));
    });

    it('lets a client that reads nothing hold up nobody, and merges what it missed', async () => {
      const plane = await start(mesh);
      const slow = connect(plane.xdsPort);
      const quick = connect(plane.xdsPort);
      for (const client of [slow, quick]) client.start(sidecarNode('caller'));
      for (const client of [slow, quick]) await client.until(() => client.has(EDS, a));
      slow.pause();
      const before = slow.answers.length;
      for (let i = 0; i < 40; i++) {
        const seen = quick.answers.length;
        await plane.write('a-run.yaml', workloads('a', [`10.0.1.${i}`]));
        await quick.until(() => quick.answers.length > seen);
      }
      slow.resume();
      await slow.until(() => slow.answers.length > before);
      assert.ok(slow.answers.length - before < 40, `${slow.answers.length - before} answers`);
    });

    it('serves 200 proxies that come at once', async () => {
      const plane = await start(mesh);
      const clients = Array.from({ length: 200 }, () => connect(plane.xdsPort));
      for (const [i, client] of clients.entries()) client.start(sidecarNode(`caller-${i}`));
      await Promise.all(clients.map((client) => client.until(() => client.has(EDS, a))));
      const report = (await (
        await fetch(`http://127.0.0.1:${plane.apiPort}/api/v1/status`)
      ).json()) as object;
      assert.equal((report as { proxies: number }).proxies, 200);
      for (const client of clients) client.close();
    });

    it('resends no cluster and no listener to a proxy that comes back after a restart', async () => {
      const first = await startControlPlane(mesh);
      const client = connect(first.xdsPort);
      client.start(sidecarNode('caller'));
      await client.until(() => client.has(EDS, a) && (client.held.get(typeUrls.listener)?.size ?? 0) > 0);
      await first.close();
      await client.ended;

      const second = await start({ ...mesh, 'b.yaml': service('b') });
      const back = connect(second.xdsPort);
      back.start(sidecarNode('caller'), client);
      await back.until(() => back.has(typeUrls.cluster, clusterName('b')));
      const told = back.answers.flatMap(({ typeUrl, resources }) =>
        [...resources.keys()].map((name) => `${typeUrl} ${name}`),
      );
      if (variant === 'delta') assert.ok(!told.includes(`${typeUrls.cluster} ${a}`), 'nothing that is held');
      assert.ok(!told.some((line) => line.startsWith(typeUrls.listener)));
    });
  });
}
