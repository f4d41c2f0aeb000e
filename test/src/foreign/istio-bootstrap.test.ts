import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { heddleProxy } from '../support/proxy-subjects.js';
import { istioBootstrap, type IstioBootstrapOptions } from './istio-bootstrap.js';

describe('a bootstrap as Istio writes it', () => {
  it('is accepted, with warnings about what has no effect', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-istio-'));
    const file = join(folder, 'bootstrap.json');
    await writeFile(file, JSON.stringify(istioBootstrap(shippedSidecar())));
    const program = heddleProxy().validate(file);
    assert.deepEqual(await program.ended(), { code: 0, signal: null }, program.output);
    for (const part of ['tracing', 'stats_config.stats_tags']) {
      assert.match(program.output, new RegExp(`warning: ${part.replaceAll('.', '\\.')}`), part);
    }
    await rm(folder, { recursive: true, force: true });
  });
});

/** With the paths and ports that Istio's images have. */
function shippedSidecar(): IstioBootstrapOptions {
  return {
    sidecar: { name: 'web-1', namespace: 'shop', serviceAccount: 'web', address: '10.0.0.1' },
    interception: 'REDIRECT',
    variant: 'sotw',
    ports: { admin: 15_000, prometheus: 15_090, status: 15_021 },
    xds: { pipe: './etc/istio/proxy/XDS' },
    sds: { pipe: './var/run/secrets/workload-spiffe-uds/socket' },
  };
}
