import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createAuthority } from '@heddle/certs/authority';
import { parse, parseAllDocuments } from 'yaml';
import { Terminal } from '../../terminal.js';
import { runWebhookManifest, type WebhookManifestOptions } from './webhook-manifest.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-webhook-manifest-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const authority = createAuthority({ folder: join(folder, 'ca'), trustDomain: 'td' });
const caFile = authority.rootsFile;

interface Configuration {
  readonly metadata: { readonly name: string };
  readonly webhooks: readonly {
    readonly clientConfig: { readonly url?: string; readonly service?: object; readonly caBundle: string };
    readonly failurePolicy: string;
    readonly timeoutSeconds: number;
  }[];
}

describe('heddle webhook manifest', () => {
  it('has the roots of the mesh, for the API server and for sidecars', async () => {
    const { code, out } = await manifest({ rootsFor: ['shop', 'cart'] });
    assert.equal(code, 0);
    const [shop, cart, configuration] = parseAllDocuments(out).map((document) =>
      'toJS' in document ? (document.toJS() as unknown) : undefined,
    );
    assert.deepEqual(shop, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'heddle-ca-root-cert', namespace: 'shop' },
      data: { 'root-cert.pem': authority.rootsPem },
    });
    assert.match(JSON.stringify(cart), /"cart"/);
    for (const { clientConfig } of (configuration as Configuration).webhooks) {
      assert.equal(Buffer.from(clientConfig.caBundle, 'base64').toString(), authority.rootsPem);
    }
  });

  it('leads to a Service, or to a URL', async () => {
    const clientOf = async (options: Partial<WebhookManifestOptions>): Promise<object> => {
      const { out } = await manifest(options);
      const { caBundle: _caBundle, ...rest } = (parse(out) as Configuration).webhooks[0]?.clientConfig ?? {};
      return rest;
    };
    assert.deepEqual(await clientOf({ service: 'mesh/heddled' }), {
      service: { namespace: 'mesh', name: 'heddled', path: '/inject', port: 443 },
    });
    for (const url of ['https://10.0.0.1:15017', 'https://10.0.0.1:15017/inject']) {
      assert.deepEqual(await clientOf({ url }), { url: 'https://10.0.0.1:15017/inject' });
    }
  });

  it('passes on what the API server is to do', async () => {
    const file = join(folder, 'injector.yaml');
    writeFileSync(file, 'image: x\nrevision: canary\n');
    const { out } = await manifest({ config: file, failurePolicy: 'Ignore', timeout: '5s', output: 'json' });
    const { metadata, webhooks } = JSON.parse(out) as Configuration;
    assert.equal(metadata.name, 'heddle-sidecar-injector-canary');
    assert.ok(
      webhooks.every(
        ({ failurePolicy, timeoutSeconds }) => failurePolicy === 'Ignore' && timeoutSeconds === 5,
      ),
    );
  });

  it('says what is wrong with what it is told', async () => {
    const wrong: readonly (readonly [Partial<WebhookManifestOptions>, RegExp])[] = [
      [{ url: 'http://heddled' }, /--url http:\/\/heddled: expected https/],
      [{ url: 'https://heddled/other' }, /answers at \/inject alone/],
      [{ service: 'heddled' }, /--service heddled: expected NAMESPACE\/NAME:PORT/],
      [{ service: 'a/b:99999' }, /expected NAMESPACE\/NAME:PORT/],
      [{ timeout: '31s' }, /from 1s to 30s/],
      [{ timeout: '1500ms' }, /whole seconds/],
      [{ caFile: undefined }, /no heddled is known/],
      [{ caFile: join(folder, 'none') }, /ENOENT/],
      [{ caFile: join(folder, 'injector.yaml') }, /hold no certificate/],
    ];
    for (const [options, message] of wrong) {
      const { code, out, err } = await manifest(options);
      assert.equal(code, 1);
      assert.equal(out, '');
      assert.match(err, message);
    }
  });
});

async function manifest(
  options: Partial<WebhookManifestOptions>,
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let out = '';
  let err = '';
  const terminal = new Terminal({
    out: { write: (text: string) => (out += text) },
    err: { write: (text: string) => (err += text) },
    noColor: true,
  });
  const code = await runWebhookManifest({
    config: undefined,
    revision: undefined,
    service: 'heddle-system/heddled:443',
    url: undefined,
    caFile,
    failurePolicy: 'Fail',
    reinvocationPolicy: 'Never',
    timeout: '10s',
    istioLabels: true,
    rootsFor: [],
    output: 'yaml',
    stateFolder: folder,
    apiPort: undefined,
    tokenFile: undefined,
    environment: {},
    terminal,
    ...options,
  });
  return { code, out, err };
}
