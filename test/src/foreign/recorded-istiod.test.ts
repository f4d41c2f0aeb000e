import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { forgeRoot } from '@heddle/certs/testing';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import { WorkloadAgent } from '../support/workload-agent.js';
import { IstioProxy } from './istio-proxy.js';
import { API, API_HOST, WEB } from './istio-shop.js';
import { RecordedPlane } from './recorded-plane.js';
import { readRecording, recordedResources, withPorts } from './recording.js';

/** Recorded with an istiod that ran: `npm run test:foreign -- --record`. */
describe('what istiod sent', () => {
  const root = forgeRoot();
  const application = new RecordingUpstream('api');
  const ports = new Map<string, number>();
  const closing: (() => Promise<void> | void)[] = [];

  before(async () => {
    await application.listen();
    ports.set('application', application.port);
  });
  after(async () => {
    for (const close of closing.reverse()) await close();
    await application.close();
  });

  /** A proxy with the workload's certificate, and what istiod sent to one like it. */
  async function start(
    name: string,
    sidecar: typeof WEB,
    interception: 'NONE' | 'REDIRECT',
  ): Promise<{ readonly proxy: IstioProxy; readonly plane: RecordedPlane }> {
    const recording = readRecording(`istiod-${name}`);
    const moved = new Map<number, number>();
    for (const [what, port] of Object.entries(recording.ports)) {
      const key = interception === 'REDIRECT' ? `${name} ${what}` : what;
      ports.set(key, ports.get(key) ?? (await freePort()));
      moved.set(port, ports.get(key) ?? 0);
    }
    const plane = new RecordedPlane();
    plane.use('recorded', withPorts(recordedResources(recording), moved));
    const agent = await WorkloadAgent.start(
      root,
      `spiffe://cluster.local/ns/${sidecar.namespace}/sa/${sidecar.serviceAccount}`,
    );
    closing.push(
      () => plane.close(),
      () => agent.close(),
    );
    const { variant } = recording;
    const xds = { port: await plane.listen() };
    const proxy = await IstioProxy.start({ sidecar, interception, variant, xds, sds: { port: agent.port } });
    closing.push(() => proxy.stop());
    return { proxy, plane };
  }

  it('has a request pass two sidecars over mutual TLS, its policies and its routes', async () => {
    const web = await start('web', WEB, 'NONE');
    const api = await start('api', API, 'NONE');
    const call = (path: string) =>
      httpCall(ports.get('outbound') ?? 0, path, { headers: { host: API_HOST } });
    await eventually(
      async () => (await call('/')).status === 200,
      () => `${web.proxy.output}\n${api.proxy.output}`,
    );
    application.takeRecorded();
    const { status, headers } = await call('/shelf');
    assert.equal(status, 200);
    assert.equal(headers['x-generation'], '2');
    const [request] = application.takeRecorded();
    const forwarded = request?.fields.find(([name]) => name.toLowerCase() === 'x-forwarded-client-cert');
    assert.match(forwarded?.[1] ?? '', /URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web/);
    assert.equal((await call('/closed')).status, 403);
    assert.equal((await call('/broken')).status, 418);
    assert.equal((await httpCall(ports.get('inbound') ?? 0, '/')).status, 0);
    assert.deepEqual([...web.plane.nacks, ...api.plane.nacks], []);
  });

  for (const name of ['captured-delta', 'captured-sotw']) {
    it(`is taken whole by a sidecar that all traffic is led to, ${name}`, async () => {
      const { plane } = await start(name, WEB, 'REDIRECT');
      await eventually(
        () => plane.settled.length >= 4,
        () => plane.settled.join(),
      );
      assert.deepEqual(plane.nacks, []);
    });
  }
});
