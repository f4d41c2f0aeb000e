import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import { startAgent } from './istio-agent.js';
import { IstioProxy, type Authority } from './istio-proxy.js';
import { Istiod, ISTIOD_NAME } from './istiod.js';
import { writeRecording } from './recording.js';
import { XdsRecorder } from './xds-recorder.js';
import { API, API_HOST, istioMeshConfig, istioShop, SHOP, WEB, type IstioShopPorts } from './istio-shop.js';

/** What npm test replays. */
const RECORDED = 'istiod, main branch of 2026-08-27';

/**
 * heddle-proxies under istiod: one behind an agent that serves SDS and xDS as Istio's does, one that needs none. While what istiod
 * sends is recorded, both get it in plain text.
 */
export function testIstiod(path: string, records: boolean): void {
  describe('istiod', { timeout: 180_000 }, () => {
    const application = new RecordingUpstream('api');
    let istiod: Istiod;
    let ports: IstioShopPorts;
    let agent: Awaited<ReturnType<typeof startAgent>>;
    let web: IstioProxy;
    let api: IstioProxy;
    let meshPorts: { readonly outbound: number; readonly inbound: number };
    const recorders = new Map<string, XdsRecorder>();

    const recorder = async (name: string): Promise<{ readonly port: number }> => {
      const started = new XdsRecorder(istiod.xdsPort);
      recorders.set(name, started);
      return { port: await started.listen() };
    };
    const authorityFor = async (serviceAccount: string): Promise<Authority> => ({
      port: istiod.securePort,
      serverName: ISTIOD_NAME,
      ...(await istiod.workloadFiles(SHOP, serviceAccount)),
    });
    const call = (target: string, headers: Readonly<Record<string, string>> = {}) =>
      httpCall(ports.outbound, target, { headers: { host: API_HOST, ...headers } });
    const output = (): string => `${web.output}\n${api.output}\n${istiod.output}`;

    before(async () => {
      await application.listen();
      ports = { outbound: await freePort(), inbound: await freePort(), application: application.port };
      meshPorts = { outbound: await freePort(), inbound: await freePort() };
      istiod = await Istiod.start({
        path,
        namespaces: [SHOP],
        files: { 'shop.yaml': istioShop({ ports, generation: '1' }) },
        meshConfig: istioMeshConfig(meshPorts),
      });
      agent = await startAgent(istiod, WEB);
      const { socket } = agent;
      web = await IstioProxy.start({
        sidecar: WEB,
        interception: 'NONE',
        variant: 'delta',
        xds: records ? await recorder('web') : { pipe: socket },
        sds: { pipe: socket },
      });
      api = await IstioProxy.start({
        sidecar: API,
        interception: 'NONE',
        variant: 'delta',
        xds: records ? await recorder('api') : { securePort: istiod.securePort },
        sds: { authority: await authorityFor('api') },
      });
    });
    after(async () => {
      await web?.stop();
      await api?.stop();
      await agent?.program.stop(2000);
      for (const one of recorders.values()) one.close();
      await istiod?.stop();
      await application.close();
    });

    it('configures two sidecars and signs for them, and a request passes both over mutual TLS', async () => {
      await eventually(
        async () => (await call('/')).status === 200,
        () => output(),
      );
      application.takeRecorded();
      const { status, headers, body } = await call('/shelf');
      assert.equal(status, 200, output());
      assert.match(body, /^api GET \/shelf/);
      assert.equal(headers['x-generation'], '1');
      const [request] = application.takeRecorded();
      const forwarded = request?.fields.find(([name]) => name.toLowerCase() === 'x-forwarded-client-cert');
      assert.match(forwarded?.[1] ?? '', /URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web/);
    });

    it('lets nobody in without mutual TLS, and nobody where its policies do not', async () => {
      assert.equal(await plainAnswer(ports.inbound), '');
      const { status, body } = await call('/closed');
      assert.equal(status, 403);
      assert.equal(body, 'RBAC: access denied');
    });

    it('has faults and CORS policies of its routes applied', async () => {
      assert.equal((await call('/broken')).status, 418);
      const { headers } = await call('/', { origin: 'https://shop.example' });
      assert.equal(headers['access-control-allow-origin'], 'https://shop.example');
    });

    it('is told by both who called whom', async () => {
      const both = { web: await web.metrics(), api: await api.metrics() };
      for (const [reporter, text] of [
        ['source', both.web],
        ['destination', both.api],
      ] as const) {
        const line = text
          .split('\n')
          .find((one) => one.startsWith('istio_requests_total{') && one.includes('response_code="200"'));
        for (const label of [
          `reporter="${reporter}"`,
          'source_principal="spiffe://cluster.local/ns/shop/sa/web"',
          'source_workload="web"',
          'destination_workload="api"',
          'connection_security_policy="' + (reporter === 'source' ? 'unknown' : 'mutual_tls') + '"',
        ]) {
          assert.ok(line?.includes(label), `${reporter}: ${label} is not in ${line}\n${text}`);
        }
      }
    });

    it('changes what is served, without a refusal', async () => {
      await istiod.write('shop.yaml', istioShop({ ports, generation: '2' }));
      await eventually(
        async () => (await call('/')).headers['x-generation'] === '2',
        () => output(),
      );
      assert.equal(await web.refusals(), 0, web.output);
      assert.equal(await api.refusals(), 0, api.output);
      for (const [name, { answers }] of records ? recorders : []) {
        writeRecording(`istiod-${name}`, { of: RECORDED, variant: 'delta', ports: { ...ports }, answers });
      }
    });

    for (const variant of ['delta', 'sotw'] as const) {
      it(`configures a sidecar that all traffic is led to, ${variant}`, async () => {
        const name = `captured-${variant}`;
        const captured = await IstioProxy.start({
          sidecar: WEB,
          interception: 'REDIRECT',
          variant,
          xds: await recorder(name),
          sds: { authority: await authorityFor('web') },
        });
        const seen = recorders.get(name);
        await eventually(
          () => seen?.settled.length === 4,
          () => `${seen?.settled.join()}\n${captured.output}`,
        );
        await captured.stop();
        assert.deepEqual(seen?.nacks, []);
        if (records && seen !== undefined) {
          const { answers } = seen;
          writeRecording(`istiod-${name}`, { of: RECORDED, variant, ports: { ...meshPorts }, answers });
        }
      });
    }
  });
}

/** What a server says to a request in plain text before it closes. */
function plainAnswer(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    // A reset says the same as an end.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}
