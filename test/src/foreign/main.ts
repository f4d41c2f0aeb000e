import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import { GoControlPlane } from './go-control-plane.js';
import { buildGoProgram, builtGoProgram } from './go-program.js';
import { testIstiodWithEnvoy } from './istiod-envoy-suite.js';
import { testIstiod } from './istiod-suite.js';
import { answersOf, readBeside, writeRecording } from './recording.js';
import { ShopProxy, XDS_FORMS, type XdsForm } from './shop-proxy.js';
import { shopResources, type ShopOptions } from './shop-resources.js';

/**
 * heddle-proxy under control planes of others, which are Go programs.
 *
 *   npm run test:foreign                where Go is there; skips elsewhere
 *   npm run test:foreign -- --record    writes test/recordings anew, with which npm test does the same without Go
 */
const RECORDED: XdsForm['streams'] = 'aggregated';
/** Where nothing of it was built before. */
const ISTIOD_BUILD_TIMEOUT_MS = 60 * 60_000;

const program = await buildGoProgram('go-control-plane');
if ('missing' in program) process.stdout.write(`skipped: go-control-plane: ${program.missing}\n`);
else for (const form of XDS_FORMS) testGoControlPlane(program.path, form);

const istiod = await builtGoProgram('istiod', 'HEDDLE_BUILD_ISTIOD', ISTIOD_BUILD_TIMEOUT_MS);
if ('missing' in istiod) process.stdout.write(`skipped: istiod: ${istiod.missing}\n`);
else {
  testIstiod(istiod.path, process.argv.includes('--record'));
  testIstiodWithEnvoy(istiod.path);
}

function testGoControlPlane(path: string, form: XdsForm): void {
  const { variant, streams } = form;
  describe(`go-control-plane, ${variant}, ${streams} streams`, { timeout: 120_000 }, () => {
    const upstreams = [new RecordingUpstream('first'), new RecordingUpstream('second')] as const;
    let plane: GoControlPlane;
    let proxy: ShopProxy;

    const serve = (version: string, options: Partial<ShopOptions>): Promise<void> =>
      plane.serve(
        version,
        shopResources({
          upstreamPort: upstreams[0].port,
          generation: version,
          faultStatus: 418,
          closedPercent: 0,
          certificate: { chain: readBeside('shop.crt'), key: readBeside('shop.key') },
          source: streams === 'aggregated' ? 'ads' : { cluster: 'control-plane', delta: variant === 'delta' },
          ...options,
        }),
      );
    const saysGeneration = (version: string): Promise<void> =>
      eventually(
        async () => (await proxy.call('/')).headers['x-generation'] === version,
        () => `not of generation ${version}\n${proxy.output}`,
      );

    before(async () => {
      for (const upstream of upstreams) await upstream.listen();
      plane = await GoControlPlane.start(path, streams === 'aggregated');
      await serve('1', {});
      proxy = await ShopProxy.start(form, plane.port);
    });
    after(async () => {
      await proxy?.stop();
      await plane?.stop();
      for (const upstream of upstreams) await upstream.close();
    });

    it('serves with listeners, routes, clusters, endpoints, secrets and filters of its', async () => {
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
      assert.equal(plane.acknowledged('1').length, 8);
    });

    it('follows a change of routes, endpoints, filters and runtime settings', async () => {
      await serve('2', { upstreamPort: upstreams[1].port, faultStatus: 410, closedPercent: 100 });
      await saysGeneration('2');
      await eventually(
        async () =>
          (await proxy.call('/')).body.includes('second') &&
          (await proxy.call('/fault')).status === 410 &&
          (await proxy.call('/runtime')).status === 503,
        () => `the change is not in force\n${proxy.output}`,
      );
      assert.deepEqual(plane.nacks, []);
      if (process.argv.includes('--record') && streams === RECORDED) {
        writeRecording(`go-control-plane-${variant}`, {
          of: 'go-control-plane v0.14.0',
          variant,
          ports: { first: upstreams[0].port, second: upstreams[1].port },
          answers: answersOf(plane.events),
        });
      }
    });

    it('refuses what is wrong by name, keeps the last good of it, and takes what is right beside it', async () => {
      await serve('3', { upstreamPort: upstreams[1].port, faultStatus: 99 });
      await saysGeneration('3');
      await eventually(
        () => plane.nacks.length > 0,
        () => `nothing was refused\n${proxy.output}`,
      );
      assert.match(
        plane.nacks[0] ?? '',
        /filter configuration "fetched-fault": .*http_status: must be in 200/,
      );
      assert.equal((await proxy.call('/fault')).status, 410);
      await serve('4', { upstreamPort: upstreams[1].port, faultStatus: 418 });
      await eventually(
        async () => (await proxy.call('/fault')).status === 418,
        () => `what was mended is not in force\n${proxy.output}`,
      );
    });
  });
}
