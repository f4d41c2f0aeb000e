import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import { RecordedPlane } from './recorded-plane.js';
import { readRecording, recordedResources, withPorts, type RecordedResources } from './recording.js';
import { ShopProxy, XDS_FORMS } from './shop-proxy.js';

/** The forms that were recorded with a go-control-plane server: `npm run test:foreign -- --record`. */
for (const form of XDS_FORMS.filter(({ streams }) => streams === 'aggregated')) {
  describe(`what go-control-plane sent, ${form.variant}`, () => {
    const upstreams = { first: new RecordingUpstream('first'), second: new RecordingUpstream('second') };
    const recording = readRecording(`go-control-plane-${form.variant}`);
    const plane = new RecordedPlane();
    let proxy: ShopProxy;

    function resources(version: string): RecordedResources {
      const ports = new Map(
        Object.entries(upstreams).map(([name, { port }]) => [recording.ports[name] ?? 0, port]),
      );
      return withPorts(recordedResources(recording, version), ports);
    }

    before(async () => {
      for (const upstream of Object.values(upstreams)) await upstream.listen();
      plane.use('1', resources('1'));
      proxy = await ShopProxy.start(form, await plane.listen());
    });
    after(async () => {
      await proxy?.stop();
      plane.close();
      for (const upstream of Object.values(upstreams)) await upstream.close();
    });

    it('serves, with nothing refused', async () => {
      const { status, body, headers } = await proxy.call('/');
      assert.equal(status, 200);
      assert.match(body, /first/);
      assert.equal(headers['x-generation'], '1');
      assert.equal((await proxy.call('/fault')).status, 418);
      assert.equal((await proxy.call('/runtime')).status, 200);
      assert.deepEqual(
        await Promise.all(['eu', 'us', 'asia'].map((one) => proxy.callFrom(one))),
        [200, 451, 404],
      );
      assert.deepEqual(await proxy.callSecurely('/'), { status: 200, peer: 'shop.test' });
      assert.deepEqual(plane.nacks, []);
      assert.equal(plane.settled.length, 8);
    });

    it('changes what is served', async () => {
      plane.use('2', resources('2'));
      await eventually(
        async () =>
          (await proxy.call('/')).headers['x-generation'] === '2' &&
          (await proxy.call('/')).body.includes('second') &&
          (await proxy.call('/fault')).status === 410 &&
          (await proxy.call('/runtime')).status === 503,
        () => `the change is not in force\n${proxy.output}`,
      );
      assert.deepEqual(plane.nacks, []);
    });
  });
}
