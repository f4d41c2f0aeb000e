import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import { startAgent } from './istio-agent.js';
import { IstioProxy, NOWHERE } from './istio-proxy.js';
import { API, API_HOST, istioMeshConfig, istioShop, SHOP, WEB } from './istio-shop.js';
import { Istiod } from './istiod.js';

/** One heddle-proxy and one Envoy under an istiod that sends nothing which only Istio's own Envoy knows, each behind an agent. */
export function testIstiodWithEnvoy(path: string): void {
  const envoy = realEnvoy();
  for (const [calling, called] of [
    [envoy, heddleProxy()],
    [heddleProxy(), envoy],
  ] as const) {
    describe(
      `istiod, ${calling.name} before ${called.name}`,
      {
        skip: envoy.missing,
        timeout: 180_000,
      },
      () => {
        const application = new RecordingUpstream('api');
        const proxies: IstioProxy[] = [];
        const agents: Awaited<ReturnType<typeof startAgent>>[] = [];
        let istiod: Istiod;
        let outbound = 0;
        const output = (): string => proxies.map((proxy) => proxy.output).join('\n');

        before(async () => {
          await application.listen();
          outbound = await freePort();
          const ports = { outbound, inbound: await freePort(), application: application.port };
          istiod = await Istiod.start({
            path,
            namespaces: [SHOP],
            files: { 'shop.yaml': istioShop({ ports, generation: '1' }) },
            meshConfig: istioMeshConfig(
              { outbound: await freePort(), inbound: await freePort() },
              // Envoy 1.40 refuses the tracing that it sends.
              { metrics: [], accessLog: NOWHERE, tracing: false },
            ),
            forStockEnvoy: true,
          });
          for (const [subject, sidecar] of [
            [called, API],
            [calling, WEB],
          ] as const) {
            const agent = await startAgent(istiod, sidecar);
            agents.push(agent);
            const server = { pipe: agent.socket };
            proxies.push(
              await IstioProxy.start({
                subject,
                sidecar,
                interception: 'NONE',
                variant: 'delta',
                xds: server,
                sds: server,
              }),
            );
          }
        });
        after(async () => {
          for (const proxy of proxies) await proxy.stop();
          for (const { program } of agents) await program.stop(2000);
          await istiod?.stop();
          await application.close();
        });

        it('has a request pass both over mutual TLS, its policies and its routes', async () => {
          const call = (target: string) => httpCall(outbound, target, { headers: { host: API_HOST } });
          await eventually(
            async () => (await call('/')).status === 200,
            () => output(),
          );
          application.takeRecorded();
          assert.equal((await call('/shelf')).headers['x-generation'], '1');
          const [request] = application.takeRecorded();
          const forwarded = request?.fields.find(
            ([name]) => name.toLowerCase() === 'x-forwarded-client-cert',
          );
          assert.match(forwarded?.[1] ?? '', /URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web/);
          assert.equal((await call('/closed')).status, 403);
          assert.equal((await call('/broken')).status, 418);
        });
      },
    );
  }
}
