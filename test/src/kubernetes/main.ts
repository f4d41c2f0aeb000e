import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { injectPod, injectYaml, parseInjectorConfig } from '@heddle/injector';
import { parseAllDocuments } from 'yaml';
import { eventually } from '../support/eventually.js';
import { InjectingPlane } from './injecting-plane.js';
import { KubeApi, type KubeAnswer, type KubeObject } from './kube-api.js';
import { normalPod, podAsSent } from './normal-pod.js';
import { buildRig, findRig, startRig, type RunningRig } from './rig.js';

/**
 * Injection by the API server of a real Kubernetes, its control plane alone.
 *
 *   npm run test:kubernetes               where the rig is built already
 *   npm run test:kubernetes -- --build    builds it first, which takes a quarter of an hour once
 */
const CONFIG = 'image: mesh.example/heddle:1\n';
const WAIT_MS = 60_000;

const rig = await startedRig();
if ('missing' in rig) process.stdout.write(`skipped: ${rig.missing}\n`);
else testInjection(rig);

async function startedRig(): Promise<RunningRig | { readonly missing: string }> {
  const found = findRig(process.env);
  if ('missing' in found) return found;
  if (process.argv.includes('--build')) {
    const problem = await buildRig(found.folder);
    if (problem !== undefined) return { missing: problem };
  }
  return startRig(found.folder);
}

function testInjection({ kubeconfig, hostAddress, down }: RunningRig): void {
  describe('injection by a real API server', { timeout: 15 * 60_000 }, () => {
    const api = new KubeApi(kubeconfig);
    const run = randomBytes(3).toString('hex');
    const config = parseInjectorConfig(CONFIG);
    /** Injected, not labelled, and labelled against. */
    const [shop, plain, disabled] = [`shop-${run}`, `plain-${run}`, `disabled-${run}`];
    let plane: InjectingPlane;

    const inject = (pod: KubeObject): Promise<KubeAnswer> => api.create(pod, { dryRun: true });
    const useWebhook = async (manifest: KubeObject): Promise<void> => {
      const { status, body } = await api.apply(manifest);
      assert.ok(status < 300, body.message);
    };
    /** The API server learns of a webhook's change a moment after it has accepted it. */
    const untilInjected = (isIt: (answer: KubeAnswer) => boolean): Promise<void> => {
      let last: KubeAnswer | undefined;
      return eventually(
        async () => isIt((last = await inject(podIn(shop)))),
        () => `${JSON.stringify(last?.body)}\n${plane.output}`,
        WAIT_MS,
      );
    };

    before(async () => {
      plane = await InjectingPlane.start(hostAddress, CONFIG);
      const labels = { [shop]: 'enabled', [plain]: undefined, [disabled]: 'disabled' };
      for (const [name, injection] of Object.entries(labels)) {
        const metadata = {
          name,
          labels: injection === undefined ? {} : { 'heddle.dev/injection': injection },
        };
        assert.equal((await api.create({ apiVersion: 'v1', kind: 'Namespace', metadata })).status, 201);
      }
      await useWebhook(await plane.manifest());
      for (const namespace of [shop, plain]) {
        // Some pod shapes name it.
        const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'web', namespace } };
        assert.equal((await api.create(account)).status, 201);
      }
      // Pods are refused until a namespace has its service account.
      for (const namespace of [plain, disabled]) {
        await eventually(
          async () => (await inject(podIn(namespace))).status === 201,
          () => `no pods in ${namespace}`,
          WAIT_MS,
        );
      }
      await untilInjected(({ body }) => isInjected(body));
    });

    after(async () => {
      await api.delete(await plane.manifest());
      for (const name of [shop, plain, disabled]) {
        await api.delete({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
      }
      api.close();
      await plane.stop();
      await down();
    });

    for (const kind of ['Deployment', 'StatefulSet', 'Job'] as const) {
      it(`the pod of a ${kind} comes out as the pure function makes it`, async () => {
        for (const namespace of [shop, plain]) {
          const { status, body } = await api.create(ownerIn(namespace, kind));
          assert.equal(status, 201, body.message);
        }
        const madePod = async (namespace: string): Promise<KubeObject> => {
          let pod: KubeObject | undefined;
          await eventually(
            async () => {
              const pods = await api.list('v1', 'Pod', namespace);
              pod = pods.find(({ metadata }) => metadata.labels?.['app'] === kind.toLowerCase());
              return pod !== undefined;
            },
            () => `no pod in ${namespace}; ${plane.output}`,
            WAIT_MS,
          );
          return pod ?? assert.fail();
        };
        const twin = podAsSent(await madePod(plain));
        assert.equal(isInjected(twin), false);
        const { pod: expected } = injectPod(twin, config, { namespace: shop });
        const completed = await inject(within(plain, expected));
        assert.equal(completed.status, 201, completed.body.message);
        const actual = await madePod(shop);
        assert.ok(isInjected(actual));
        assert.deepEqual(normalPod(actual), normalPod(completed.body));
      });
    }

    it('pods that are not to be injected are made as they are', async () => {
      const cases: readonly (readonly [string, KubeObject])[] = [
        ['no label on the namespace', podIn(plain)],
        ['disabled on the namespace', podIn(disabled)],
        ['disabled there, though the pod asks', podIn(disabled, { 'heddle.dev/inject': 'true' })],
        ['opted out by our label', podIn(shop, { 'heddle.dev/inject': 'false' })],
        ["opted out by Istio's label", podIn(shop, { 'sidecar.istio.io/inject': 'false' })],
        ['opted out in another word', podIn(shop, { 'heddle.dev/inject': 'no' })],
        ['host network', podIn(shop, {}, { hostNetwork: true })],
        ['Windows', podIn(shop, {}, { os: { name: 'windows' } })],
      ];
      for (const [title, pod] of cases) {
        const { status, body } = await inject(pod);
        assert.equal(status, 201, `${title}: ${body.message}`);
        assert.equal(isInjected(body), false, title);
      }
      const asks = await inject(podIn(plain, { 'sidecar.istio.io/inject': 'true' }));
      assert.ok(isInjected(asks.body), 'a pod that asks, where the namespace says nothing');
    });

    it('a pod that cannot be injected is refused with everything that is wrong; warnings are passed on', async () => {
      const annotations = { 'heddle.dev/log-level': 'loud', 'heddle.dev/proxy-cpu': 'much' };
      const { status, body } = await inject(podIn(shop, {}, {}, annotations));
      assert.equal(status, 422);
      assert.match(body.message ?? '', /denied the request: heddle cannot inject.*proxy-cpu.*log-level/);
      const warned = await inject(podIn(shop, {}, {}, { 'heddle.dev/logg-level': 'info' }));
      assert.equal(warned.status, 201);
      assert.match(warned.warnings.join(), /did you mean heddle\.dev\/log-level/);
    });

    it('every golden is valid to the API server: what is injected, and each pod that it makes', async () => {
      const invalid: string[] = [];
      let checked = 0;
      for (const [file, object] of resourcesIn(/\.golden\.yaml$/)) {
        const template = templateOf(object);
        const objects = [
          ...(api.knows(object) ? [within(plain, object)] : []),
          ...(template === undefined ? [] : [within(plain, podOf(object, template))]),
        ];
        for (const one of objects) {
          const { status, body } = await inject(one);
          checked++;
          if (status !== 201) invalid.push(`${file}: ${one.kind}: ${body.message}`);
        }
      }
      assert.deepEqual(invalid, []);
      const misspelt = await inject(podIn(plain, {}, { restartPolicies: 'Always' }));
      assert.match(misspelt.body.message ?? '', /unknown field "spec.restartPolicies"/);
      assert.ok(checked >= 45, `${checked} checked`);
    });

    it('every pod shape comes out of the webhook as it comes out of "heddle inject"', async () => {
      let compared = 0;
      for (const [file, object] of resourcesIn(/(?<!\.golden)\.yaml$/)) {
        if (object.kind !== 'Pod' || file.startsWith('refused-')) continue;
        const { metadata, ...rest } = within(shop, object);
        // The namespace has decided, so that a pod's own revision does not count.
        const { 'istio.io/rev': _revision, ...labels } = metadata.labels ?? {};
        const original = { ...rest, metadata: { ...metadata, labels } };
        const { text } = injectYaml(JSON.stringify(original), config);
        const viaWebhook = await inject(original);
        const viaFile = await inject(within(plain, JSON.parse(text) as KubeObject));
        assert.equal(viaFile.status, 201, `${file}: ${viaFile.body.message}`);
        assert.deepEqual(normalPod(viaWebhook.body), normalPod(viaFile.body), file);
        compared++;
      }
      assert.ok(compared >= 20, `${compared} compared`);
    });

    it('an edit of the configuration is in force for the next pods', async () => {
      const imageOf = ({ body }: KubeAnswer): unknown =>
        (body.spec as { readonly initContainers?: readonly { readonly image: string }[] }).initContainers?.[0]
          ?.image;
      await plane.changeInjectorConfig('image: mesh.example/heddle:2\n');
      await untilInjected((answer) => imageOf(answer) === 'mesh.example/heddle:2');
      await plane.changeInjectorConfig(CONFIG);
      await untilInjected((answer) => imageOf(answer) === 'mesh.example/heddle:1');
    });

    it('counts what it was asked', async () => {
      const metrics = await plane.metrics();
      const valueOf = (name: string): number =>
        Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(metrics)?.[1] ?? 0);
      assert.ok(valueOf('heddled_injection_success_total') > 20, metrics);
      assert.ok(valueOf('heddled_injection_refused_total') >= 1);
      assert.ok(valueOf('heddled_injection_skipped_total{reason="host-network"}') >= 1);
      assert.equal(valueOf('heddled_injection_handshake_failures_total'), 0);
    });

    it('pods are injected all through an exchange of the root, when the manifest is applied after each step', async () => {
      const bundles = new Set<string>();
      for (const step of ['begin', 'switch', 'finish'] as const) {
        await plane.rotateRoot(step);
        const manifest = await plane.manifest();
        bundles.add(webhooksOf(manifest)[0]?.clientConfig.caBundle ?? '');
        // Other roots are another client to the API server, which then makes connections anew.
        await useWebhook(manifest);
        for (let i = 0; i < 20; i++) {
          const { status, body } = await inject(podIn(shop));
          assert.equal(status, 201, `${step}: ${body.message}`);
          assert.ok(isInjected(body), step);
        }
      }
      assert.equal(bundles.size, 3);
    });

    it('without trust in heddled pods are refused, or made without a sidecar, as the failurePolicy says', async () => {
      const stranger = (await InjectingPlane.start(hostAddress, CONFIG)) satisfies InjectingPlane;
      try {
        const others = await stranger.manifest();
        const mistrusting = (policy: string, manifest: KubeObject): KubeObject => ({
          ...manifest,
          webhooks: webhooksOf(manifest).map((webhook, i) => ({
            ...webhook,
            failurePolicy: policy,
            clientConfig: { ...webhook.clientConfig, caBundle: webhooksOf(others)[i]?.clientConfig.caBundle },
          })),
        });
        const manifest = await plane.manifest();
        await useWebhook(mistrusting('Fail', manifest));
        await untilInjected(
          ({ status, body }) => status === 500 && /failed calling webhook/.test(body.message ?? ''),
        );
        assert.match(
          (await inject(podIn(shop))).body.message ?? '',
          /certificate signed by unknown authority/,
        );
        assert.equal((await inject(podIn(plain))).status, 201);
        assert.equal((await inject(podIn(shop, { 'heddle.dev/inject': 'false' }))).status, 201);
        await useWebhook(mistrusting('Ignore', manifest));
        await untilInjected(({ status, body }) => status === 201 && !isInjected(body));
        await useWebhook(manifest);
        await untilInjected(({ body }) => isInjected(body));
      } finally {
        await stranger.stop();
      }
    });
  });
}

interface WebhookManifest {
  readonly webhooks: readonly { readonly clientConfig: { readonly caBundle: string } }[];
}

function webhooksOf(manifest: KubeObject): WebhookManifest['webhooks'] {
  return (manifest as unknown as WebhookManifest).webhooks;
}

function isInjected({ metadata }: KubeObject): boolean {
  return Object.hasOwn(metadata.annotations ?? {}, 'heddle.dev/status');
}

function podIn(
  namespace: string,
  labels: Readonly<Record<string, string>> = {},
  spec: Readonly<Record<string, unknown>> = {},
  annotations: Readonly<Record<string, string>> = {},
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'web-', namespace, labels, annotations },
    spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
  };
}

function ownerIn(namespace: string, kind: 'Deployment' | 'StatefulSet' | 'Job'): KubeObject {
  const app = kind.toLowerCase();
  const template = {
    metadata: { labels: { app, version: 'v1' } },
    spec: {
      initContainers: [{ name: 'migrate', image: 'web:1' }],
      containers: [
        {
          name: 'web',
          image: 'web:1',
          ports: [{ name: 'http', containerPort: 8080 }],
          readinessProbe: { httpGet: { path: '/ready', port: 'http' } },
          livenessProbe: { tcpSocket: { port: 8080 } },
        },
      ],
      ...(kind === 'Job' ? { restartPolicy: 'Never' } : {}),
    },
  };
  return {
    apiVersion: kind === 'Job' ? 'batch/v1' : 'apps/v1',
    kind,
    metadata: { name: app, namespace },
    spec: {
      template,
      ...(kind === 'Job' ? {} : { selector: { matchLabels: { app } } }),
      ...(kind === 'StatefulSet' ? { serviceName: app } : {}),
    },
  };
}

/** The resources in the injector's pod shapes, or in their goldens. */
function resourcesIn(files: RegExp): readonly (readonly [string, KubeObject])[] {
  const folder = fileURLToPath(new URL('../testdata/pods/', import.meta.resolve('@heddle/injector')));
  return readdirSync(folder)
    .filter((file) => files.test(file))
    .flatMap((file) =>
      parseAllDocuments(readFileSync(join(folder, file), 'utf8'), { merge: true })
        .map((document) => ('toJS' in document ? (document.toJS() as unknown) : undefined))
        .flatMap((value) => (value as { items?: readonly unknown[] } | null)?.items ?? [value])
        .filter((value): value is KubeObject => typeof value === 'object' && value !== null)
        .map((value) => [file, value] as const),
    );
}

interface Template {
  readonly metadata?: KubeObject['metadata'];
  readonly spec?: unknown;
}

function templateOf({ kind, spec }: KubeObject): Template | undefined {
  const { template, jobTemplate } = (spec ?? {}) as {
    readonly template?: Template;
    readonly jobTemplate?: { readonly spec: { readonly template: Template } };
  };
  return kind === 'CronJob' ? jobTemplate?.spec.template : template;
}

/** What a controller makes of a template. */
function podOf({ spec: ownerSpec }: KubeObject, { metadata, spec }: Template): KubeObject {
  const { volumeClaimTemplates = [] } = ownerSpec as {
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  };
  const { volumes = [], ...rest } = spec as { readonly volumes?: readonly object[] };
  const claimed = volumeClaimTemplates.map(({ metadata: { name } }) => ({ name, emptyDir: {} }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, generateName: 'web-' },
    spec: { ...rest, volumes: [...volumes, ...claimed] },
  };
}

function within(namespace: string, object: object): KubeObject {
  const { metadata, ...rest } = object as KubeObject;
  return { ...rest, metadata: { ...metadata, namespace } };
}
