import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { callApi } from '../control-plane/ca-client.js';
import { startControlPlane, type RunningControlPlane } from '../control-plane/mesh-folder.js';
import { eventually } from '../support/eventually.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-injection-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("heddled's webhook", () => {
  let plane: RunningControlPlane;
  before(async () => {
    const configFile = join(folder, 'injector.yaml');
    writeFileSync(configFile, 'image: mesh.example/heddle:1\n');
    plane = await startControlPlane(
      {},
      {
        identity: { serverNames: ['mesh.example'] },
        injection: { configFile, host: '127.0.0.1', port: 0 },
      },
    );
  });
  after(() => plane.close());

  it('is served with a certificate of the mesh, by the name of the Service and by those it is told', async () => {
    for (const name of ['heddled.heddle-system.svc', 'mesh.example', 'localhost']) {
      const { status, body } = await ask(plane, name);
      assert.equal(status, 200, name);
      assert.match(body, /"patchType":"JSONPatch"/);
    }
    await assert.rejects(ask(plane, 'other.example'), /other.example/);
  });

  it('has a certificate of the new root at once when the root is exchanged', async () => {
    const before = await ask(plane, 'localhost');
    assert.equal((await callApi(plane.apiPort, 'POST', '/api/v1/ca/rotation/begin')).status, 200);
    // Whoever has the roots of this moment, as the manifest does, trusts both certificates.
    const roots = readFileSync(plane.rootsFile, 'utf8');
    assert.equal((await callApi(plane.apiPort, 'POST', '/api/v1/ca/rotation/switch')).status, 200);
    await eventually(
      async () => (await ask(plane, 'localhost', roots)).issuer !== before.issuer,
      () => 'still the old certificate',
    );
  });

  it('tells Prometheus what it was asked', async () => {
    const { text } = await callApi(plane.apiPort, 'GET', '/metrics');
    assert.match(text, /^heddled_injection_success_total [1-9]/m);
    assert.match(text, /^heddled_injection_duration_seconds_count [1-9]/m);
    assert.match(text, /^heddled_injector_config_refused 0$/m);
  });
});

/** Posts a review over a connection of its own. `issuer`: the fingerprint of the root that signed the certificate. */
function ask(
  plane: RunningControlPlane,
  servername: string,
  ca = readFileSync(plane.rootsFile, 'utf8'),
): Promise<{ readonly status: number; readonly body: string; readonly issuer: string }> {
  const review = JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u-1',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      namespace: 'shop',
      operation: 'CREATE',
      object: { metadata: { generateName: 'web-' }, spec: { containers: [{ name: 'web', image: 'web:1' }] } },
    },
  });
  const roots = ca.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: '127.0.0.1', port: plane.webhookPort, path: '/inject', method: 'POST', agent: false },
        ...{ ca, servername, headers: { 'content-type': 'application/json' } },
      },
      (response) => {
        const leaf = (response.socket as TLSSocket).getPeerX509Certificate() ?? assert.fail();
        const root = roots.map((pem) => new X509Certificate(pem)).find((one) => leaf.verify(one.publicKey));
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body, issuer: root?.fingerprint256 ?? '' }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(review);
  });
}
