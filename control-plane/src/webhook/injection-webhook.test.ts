import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { requireSpiffeId } from '@heddle/certs';
import { createAuthority } from '@heddle/certs/authority';
import { createCertificateRequest, generateWorkloadKeyPair } from '@heddle/certs/workload';
import { createLogger, isMeshError, systemClock } from '@heddle/common';
import {
  applyJsonPatch,
  createInjectorConfig,
  injectYaml,
  type InjectorConfig,
  type JsonPatchOperation,
} from '@heddle/injector';
import fc from 'fast-check';
import { parse, parseAllDocuments } from 'yaml';
import { InjectionWebhook } from './injection-webhook.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-webhook-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const authority = createAuthority({ folder, trustDomain: 'td' });
const shapes = fileURLToPath(new URL('../testdata/pods/', import.meta.resolve('@heddle/injector')));

describe('the injection webhook', () => {
  let config = createInjectorConfig({ image: 'heddle.example/proxy:1' });
  let configOf: () => InjectorConfig = () => config;
  const lines: string[] = [];
  const webhook = new InjectionWebhook({
    config: () => configOf(),
    clock: systemClock,
    log: createLogger({ component: 'x', level: 'debug', sink: { write: (line) => lines.push(line) } }),
    maxReviewBytes: 200_000,
    maxHeldBytes: 300_000,
  });
  const agent = new Agent({ ca: authority.rootsPem, servername: 'localhost', keepAlive: true });
  let port = 0;
  before(async () => {
    port = await webhook.listen('127.0.0.1', 0, context());
  });
  after(async () => {
    agent.destroy();
    await webhook.close();
  });
  const call = (options: CallOptions): Promise<Answered> => callWebhook({ port, agent, ...options });

  it('changes every pod as "heddle inject" changes what makes it, for every pod shape', async () => {
    let compared = 0;
    for (const file of readdirSync(shapes).filter((name) => /(?<!\.golden)\.yaml$/.test(name))) {
      const text = readFileSync(join(shapes, file), 'utf8');
      const given = /^# config: (.*)\n/.exec(text);
      config = createInjectorConfig({
        image: 'heddle.example/proxy:1',
        ...(given === null ? {} : (JSON.parse(given[1] ?? '') as object)),
      });
      for (const owner of ownersIn(text)) {
        const { review, pod } = reviewOfPodOf(owner);
        const { status, json } = await call({ body: JSON.stringify(review) });
        assert.equal(status, 200);
        let expected: unknown;
        try {
          const { text: manifest, results } = injectYaml(JSON.stringify(owner), config);
          if (results.every(({ outcome }) => outcome === 'not-a-workload')) continue;
          expected = templateOf(parse(manifest));
        } catch (error) {
          assert.ok(isMeshError(error));
          assert.equal(json.response.allowed, false, file);
          continue;
        }
        assert.equal(json.response.allowed, true, file);
        const injected = applyJsonPatch(pod, patchOf(json.response.patch)) as Pod;
        assert.deepEqual(injected.spec, (expected as Pod).spec, `${file}: ${owner.kind}`);
        for (const part of ['labels', 'annotations'] as const) {
          assert.deepEqual(injected.metadata?.[part], (expected as Pod).metadata?.[part], `${file}: ${part}`);
        }
        compared++;
      }
    }
    assert.ok(compared >= 30, `${compared} compared`);
    config = createInjectorConfig({ image: 'heddle.example/proxy:1' });
  });

  it('says in one sentence each what is wrong with a call, and serves the next one', async () => {
    const good = JSON.stringify(reviewOfPodOf(pod()).review);
    const bad: readonly (readonly [CallOptions, number, RegExp])[] = [
      [{ path: '/' }, 404, /nothing here but \/inject/],
      [{ path: '/inject/x' }, 404, /nothing here/],
      [{ method: 'GET' }, 405, /use POST/],
      [{ method: 'POST', path: '/ready' }, 405, /use GET/],
      [{ type: 'text/plain', body: good }, 415, /text\/plain.* is not understood/],
      [{ headers: { 'content-encoding': 'gzip' }, body: good }, 415, /gzip.* is not understood/],
      [{ body: '' }, 400, /empty: expected an AdmissionReview/],
      [{ body: '{' }, 400, /not JSON/],
      [{ body: '[]' }, 400, /expected an AdmissionReview/],
      [{ body: good.replace('k8s.io/v1"', 'k8s.io/v1beta1"') }, 400, /v1beta1/],
      [{ body: good.replace('"uid"', '"id"') }, 400, /request.uid is missing/],
      [{ body: `{"a":"${'x'.repeat(250_000)}"}` }, 413, /larger than 200000 bytes/],
    ];
    for (const [options, status, message] of bad) {
      const answer = await call(options);
      assert.equal(answer.status, status, JSON.stringify(options).slice(0, 200));
      assert.match(answer.text, message);
    }
    assert.equal((await call({ body: good, type: 'application/json; charset=utf-8' })).status, 200);
    assert.ok((webhook.counts.failures.get('400') ?? 0) >= 5);
  });

  it('leaves it to the API server to close connections that are idle', async () => {
    const { headers } = await call({ method: 'GET', path: '/ready' });
    const [, seconds] = /^timeout=(\d+)/.exec(headers['keep-alive'] ?? '') ?? [];
    assert.ok(Number(seconds) > 90, headers['keep-alive']);
  });

  it('is ready, for whoever asks', async () => {
    assert.equal((await call({ method: 'GET', path: '/ready' })).status, 200);
    assert.equal((await call({ method: 'HEAD', path: '/ready?x' })).text, '');
  });

  it('refuses a pod that cannot be injected with everything that is wrong, and logs it', async () => {
    const bad = pod({ 'heddle.dev/log-level': 'loud', 'heddle.dev/proxy-cpu': 'much' });
    const { json } = await call({ body: JSON.stringify(reviewOfPodOf(bad).review) });
    assert.equal(json.response.allowed, false);
    assert.match(json.response.status?.message ?? '', /proxy-cpu.*log-level/);
    assert.match(lines.at(-1) ?? '', /pod refused.*shop\/web/);
  });

  it('answers 500 for what it did not expect, so that the failurePolicy decides, and goes on', async () => {
    const body = JSON.stringify(reviewOfPodOf(pod()).review);
    configOf = () => {
      throw new TypeError('a mistake of ours');
    };
    try {
      const answer = await call({ body });
      assert.equal(answer.status, 500);
      assert.doesNotMatch(answer.text, /a mistake of ours/);
    } finally {
      configOf = () => config;
    }
    assert.equal((await call({ body })).json.response.allowed, true);
  });

  it('holds only so much at a time', async () => {
    const head = `POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 190000\r\n\r\n`;
    const socket = connect({ port, host: '127.0.0.1', ca: authority.rootsPem, servername: 'localhost' });
    await once(socket, 'secureConnect');
    socket.write(head + 'x'.repeat(189_999));
    // Until those bytes have come, there is room for it.
    const body = `{"a":"${'x'.repeat(150_000)}"}`;
    let answer = await call({ body });
    for (let i = 0; i < 200 && answer.status === 400; i++) answer = await call({ body });
    assert.equal(answer.status, 503);
    socket.end('x');
    await once(socket.resume(), 'close');
    assert.equal((await call({ body })).status, 400);
  });

  it('survives clients that leave in the middle, and bytes that are no TLS', async () => {
    const socket = connect({ port, host: '127.0.0.1', ca: authority.rootsPem, servername: 'localhost' });
    await once(socket, 'secureConnect');
    socket.write(
      'POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
    );
    socket.destroy();
    const plain = connectTcp(port, '127.0.0.1', () => plain.write('GET / HTTP/1.1\r\n\r\n'));
    plain.on('error', () => undefined);
    await once(plain.resume(), 'close');
    assert.equal((await call({ method: 'GET', path: '/ready' })).status, 200);
    // Some versions of Node count the connection that left, too.
    assert.ok(webhook.counts.handshakeFailures >= 1);
  });

  it('never ends, nor answers anything but a review or an error, whatever is posted', async () => {
    const values = fc.oneof(
      fc.string(),
      fc.json(),
      fc.jsonValue().map((object) => JSON.stringify({ ...reviewOfPodOf(pod()).review, request: object })),
      fc.jsonValue().map((object) => {
        const { review } = reviewOfPodOf(pod());
        return JSON.stringify({ ...review, request: { ...review.request, object } });
      }),
    );
    await fc.assert(
      fc.asyncProperty(values, async (body) => {
        const { status, json } = await call({ body });
        assert.ok(status === 400 || (status === 200 && json.response.uid === 'u-1'), `${status}`);
      }),
      { numRuns: 200 },
    );
  });

  it('serves with another certificate from the next connection on, and closes none', async () => {
    const first = connect({ port, host: '127.0.0.1', ca: authority.rootsPem, servername: 'localhost' });
    await once(first, 'secureConnect');
    const before = first.getPeerX509Certificate()?.serialNumber;
    webhook.replaceContext(context());
    const second = connect({ port, host: '127.0.0.1', ca: authority.rootsPem, servername: 'localhost' });
    await once(second, 'secureConnect');
    assert.notEqual(second.getPeerX509Certificate()?.serialNumber, before);
    first.write('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n');
    const [chunk] = (await once(first, 'data')) as [Buffer];
    assert.match(chunk.toString(), /^HTTP\/1.1 200/);
    first.destroy();
    second.destroy();
  });
});

interface Pod {
  readonly metadata?: Readonly<Record<'labels' | 'annotations', unknown>>;
  readonly spec: unknown;
}

interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: object;
}

interface CallOptions {
  readonly method?: string;
  readonly path?: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
  /** Where it is a review. */
  readonly json: {
    readonly response: {
      readonly uid: string;
      readonly allowed: boolean;
      readonly patch?: string;
      readonly status?: { readonly message: string };
    };
  };
}

/** Key and certificate of heddled. */
function context(): { readonly key: string; readonly cert: string; readonly ca: string[] } {
  const identity = requireSpiffeId('spiffe://td/ns/heddle-system/sa/heddled');
  const keys = generateWorkloadKeyPair();
  const { chainPem } = authority.sign(createCertificateRequest(keys, identity), identity, {
    dnsNames: ['localhost'],
  });
  return {
    key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: chainPem,
    ca: [...authority.bundle.pems],
  };
}

function callWebhook(
  options: CallOptions & { readonly port: number; readonly agent: Agent },
): Promise<Answered> {
  const {
    port,
    agent,
    method = 'POST',
    path = '/inject',
    type = 'application/json',
    headers,
    body = '',
  } = options;
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, agent, method, path, headers: { 'content-type': type, ...headers } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          const json = (text === '' ? {} : JSON.parse(text)) as Answered['json'];
          const headers = response.headers as Answered['headers'];
          resolve({ status: response.statusCode ?? 0, headers, text, json });
        });
      },
    );
    sent.on('error', reject);
    sent.end(method === 'POST' ? body : undefined);
  });
}

function pod(annotations: Readonly<Record<string, string>> = {}): Owner {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop', annotations },
    spec: { containers: [{ name: 'web', image: 'web:1' }] },
  };
}

/** Pods, and what makes pods, that the webhook would be asked about: the namespace has been decided upon. */
function ownersIn(text: string): readonly Owner[] {
  return parseAllDocuments(text, { merge: true })
    .map((document) => ('toJS' in document ? (document.toJS() as unknown) : undefined))
    .flatMap((value) => (value as { items?: readonly unknown[] } | null)?.items ?? [value])
    .filter((value): value is Owner => isPodSpec((templateOf(value) as Partial<Pod> | undefined)?.spec))
    .filter((owner) => !JSON.stringify(templateOf(owner)).includes('istio.io/rev'));
}

function isPodSpec(spec: unknown): boolean {
  return typeof spec === 'object' && spec !== null && 'containers' in spec;
}

function templateOf(owner: unknown): unknown {
  const { kind, spec } = (owner ?? {}) as {
    readonly kind?: string;
    readonly spec?: {
      readonly template?: unknown;
      readonly jobTemplate?: { readonly spec: { template: unknown } };
    };
  };
  if (kind === 'Pod') return owner;
  return kind === 'CronJob' ? spec?.jobTemplate?.spec.template : spec?.template;
}

/** The question about the pod that a controller makes of its template. */
function reviewOfPodOf(owner: Owner): {
  readonly review: { readonly request: object } & Readonly<Record<string, unknown>>;
  readonly pod: unknown;
} {
  const template = templateOf(owner) as { readonly metadata?: object; readonly spec: object };
  const name = String(owner.metadata['name'] ?? '');
  const controller = { apiVersion: owner.apiVersion, kind: owner.kind, name, uid: 'u', controller: true };
  const isOwned = owner.kind !== 'Pod';
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    ...template,
    metadata: {
      ...template.metadata,
      ...(isOwned ? { generateName: `${name}-`, ownerReferences: [controller] } : {}),
    },
  };
  const review = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u-1',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      namespace: owner.metadata['namespace'] ?? 'default',
      operation: 'CREATE',
      object: pod,
    },
  };
  return { review, pod };
}

function patchOf(base64: string | undefined): readonly JsonPatchOperation[] {
  if (base64 === undefined) return [];
  return JSON.parse(Buffer.from(base64, 'base64').toString()) as readonly JsonPatchOperation[];
}
