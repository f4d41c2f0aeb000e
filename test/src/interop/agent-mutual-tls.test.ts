import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { callApi } from '../control-plane/ca-client.js';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';
import { MutualTlsPair } from '../support/mutual-tls-pair.js';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';

const identityOf = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
const pairs = [
  [heddleProxy(), realEnvoy()],
  [realEnvoy(), heddleProxy()],
] as const;

/** heddle-proxy with its own identity, and real Envoy with that of `heddle agent`, all of one authority. */
for (const [calling, called] of pairs) {
  const skip = realEnvoy().missing ?? false;
  describe(`mutual TLS from ${calling.name} to ${called.name}, certificates by heddled`, { skip }, () => {
    const pair = new MutualTlsPair({ calling, called });
    before(() => pair.start());
    after(() => pair.stop());
    const answers = (): Promise<void> =>
      eventually(
        async () => (await httpCall(pair.outboundPort, '/')).body === 'reviews',
        () => pair.output,
      );

    it('is how they talk under STRICT, and each knows the other', async () => {
      await answers();
      for (const [log, peer] of [
        ['reviews', 'caller'],
        ['caller', 'reviews'],
      ] as const) {
        await eventually(
          () => readFileSync(pair.logFile(log), 'utf8').includes(identityOf(peer)),
          () => readFileSync(pair.logFile(log), 'utf8'),
        );
      }
      assert.equal((await httpCall(pair.inboundPort, '/')).status, 0, 'plain text is refused');
      const { text } = await callApi(pair.apiPort, 'GET', '/api/v1/proxies');
      assert.doesNotMatch(text, /"nack"/);
    });

    it('goes on through a rotation of the root', async () => {
      const step = async (name: string): Promise<void> => {
        const { status, text } = await callApi(pair.apiPort, 'POST', `/api/v1/ca/rotation/${name}`);
        assert.equal(status, 200, text);
      };
      const everybody = (
        check: (holder: { knowsRoots: boolean; root: string }, signer: string) => boolean,
      ): Promise<void> =>
        eventually(
          async () => {
            const of = async (path: string): Promise<string> =>
              (await callApi(pair.apiPort, 'GET', path)).text;
            const { roots } = JSON.parse(await of('/api/v1/ca')) as {
              roots: { fingerprint: string; signs: boolean }[];
            };
            const signer = roots.find(({ signs }) => signs)?.fingerprint ?? '';
            const { workloads } = JSON.parse(await of('/api/v1/ca/workloads')) as {
              workloads: { knowsRoots: boolean; root: string }[];
            };
            return workloads.length === 2 && workloads.every((holder) => check(holder, signer));
          },
          () => pair.output,
        );
      await step('begin');
      await everybody(({ knowsRoots }) => knowsRoots);
      await answers();
      await step('switch');
      await everybody(({ knowsRoots, root }, signer) => knowsRoots && root === signer);
      await answers();
      await step('finish?force=true');
      await everybody(({ knowsRoots }) => knowsRoots);
      await answers();
    });
  });
}
