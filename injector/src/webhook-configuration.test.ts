import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { injectionSkipped } from './injection-decision.js';
import { createInjectorConfig, type InjectorConfig, type InjectorOptions } from './injector-config.js';
import { webhookConfiguration, type WebhookOptions } from './webhook-configuration.js';

type Labels = Readonly<Record<string, string>>;
const PEM = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
const service: WebhookOptions = {
  target: { kind: 'service', namespace: 'heddle-system', name: 'heddled', port: 443 },
  roots: PEM,
};

describe('webhookConfiguration', () => {
  it('says what Istio says: pods alone, when they are made, refused while the webhook is away', () => {
    for (const webhook of webhooksOf(configWith({}), service)) {
      assert.deepEqual(webhook.rules, [
        {
          operations: ['CREATE'],
          apiGroups: [''],
          apiVersions: ['v1'],
          resources: ['pods'],
          scope: 'Namespaced',
        },
      ]);
      const { failurePolicy, reinvocationPolicy, sideEffects, timeoutSeconds, matchPolicy } = webhook;
      assert.deepEqual(
        { failurePolicy, reinvocationPolicy, sideEffects, timeoutSeconds, matchPolicy },
        {
          failurePolicy: 'Fail',
          reinvocationPolicy: 'Never',
          sideEffects: 'None',
          timeoutSeconds: 10,
          matchPolicy: 'Equivalent',
        },
      );
      assert.deepEqual(webhook['admissionReviewVersions'], ['v1']);
      assert.deepEqual(webhook.clientConfig, {
        service: { namespace: 'heddle-system', name: 'heddled', path: '/inject', port: 443 },
        caBundle: Buffer.from(PEM).toString('base64'),
      });
    }
  });

  it('takes a URL for a webhook outside of the cluster', () => {
    const url = 'https://mesh.example:15017/inject';
    const [webhook] = webhooksOf(configWith({}), { target: { kind: 'url', url }, roots: PEM });
    assert.equal(webhook?.clientConfig['url'], url);
  });

  for (const [title, options] of Object.entries<Partial<InjectorOptions>>({
    'the default revision': {},
    'the default revision, injecting by default': { enabledByDefault: true },
    'a revision of its own': { revision: 'canary' },
  })) {
    it(`lets the API server ask about the very pods that are to be injected: ${title}`, () => {
      const config = configWith(options);
      let injected = 0;
      for (const istioLabels of [true, false]) {
        const webhooks = webhooksOf(config, { ...service, istioLabels });
        for (const [namespaceLabels, labels] of everyLabelling(istioLabels)) {
          const asking = webhooks.filter((webhook) => selects(webhook, 'shop', namespaceLabels, labels));
          const pod = { metadata: { labels }, spec: { containers: [{ name: 'web' }] } };
          const isInjected =
            asking.length > 0 && injectionSkipped(pod, { isSelected: true }, config) === undefined;
          const wanted = injectionSkipped(pod, { namespaceLabels }, config) === undefined;
          const about = JSON.stringify({ namespaceLabels, labels, asking: asking.map(({ name }) => name) });
          assert.ok(asking.length <= 1, `asked about once: ${about}`);
          // A pod that says no by either label shall not depend on the webhook, also where the other one says yes.
          if (Object.values(labels).includes('false')) assert.equal(asking.length, 0, about);
          else assert.equal(isInjected, wanted, about);
          if (isInjected) injected++;
        }
      }
      assert.ok(injected > 50, `${injected} injected`);
    });
  }

  it('does not ask about namespaces that are never injected, nor about its own', () => {
    const config = configWith({ enabledByDefault: true });
    const labels = { 'heddle.dev/injection': 'enabled' };
    for (const webhook of webhooksOf(config, service)) {
      for (const namespace of ['kube-system', 'kube-public', 'heddle-system']) {
        assert.equal(selects(webhook, namespace, labels, {}), false, `${webhook.name} ${namespace}`);
      }
    }
  });

  it('has names that differ by revision, so that revisions live beside each other', () => {
    const nameOf = (revision: string): unknown =>
      (webhookConfiguration(configWith({ revision }), service)['metadata'] as { name: string }).name;
    assert.equal(nameOf('default'), 'heddle-sidecar-injector');
    assert.equal(nameOf('canary'), 'heddle-sidecar-injector-canary');
  });
});

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

interface Webhook {
  readonly name: string;
  readonly clientConfig: Readonly<Record<string, unknown>>;
  readonly rules: readonly unknown[];
  readonly namespaceSelector: { readonly matchExpressions: readonly Requirement[] };
  readonly objectSelector: { readonly matchExpressions: readonly Requirement[] };
  readonly [field: string]: unknown;
}

function configWith(options: Partial<InjectorOptions>): InjectorConfig {
  return createInjectorConfig({ image: 'heddle.example/proxy:1', ...options });
}

function webhooksOf(config: InjectorConfig, options: WebhookOptions): readonly Webhook[] {
  return webhookConfiguration(config, options)['webhooks'] as readonly Webhook[];
}

/** Every way to label a namespace and a pod. */
function* everyLabelling(istioLabels: boolean): Generator<readonly [Labels, Labels]> {
  const ours = { 'heddle.dev/injection': ['enabled', 'disabled'], 'heddle.dev/rev': ['default', 'canary'] };
  const istios = { 'istio-injection': ['enabled', 'disabled'], 'istio.io/rev': ['default', 'canary'] };
  const onPod = {
    'heddle.dev/inject': ['true', 'false', 'on', 'no'],
    'heddle.dev/rev': ['default', 'canary'],
  };
  const istiosOnPod = {
    'sidecar.istio.io/inject': ['true', 'false', 'yes', 'maybe'],
    'istio.io/rev': ['default', 'canary'],
  };
  for (const namespace of combinations(istioLabels ? { ...ours, ...istios } : ours)) {
    for (const pod of combinations(istioLabels ? { ...onPod, ...istiosOnPod } : onPod))
      yield [namespace, pod];
  }
}

function combinations(choices: Readonly<Record<string, readonly string[]>>): readonly Labels[] {
  return Object.entries(choices).reduce<readonly Labels[]>(
    (labels, [name, values]) => [
      ...labels,
      ...values.flatMap((value) => labels.map((others) => ({ ...others, [name]: value }))),
    ],
    [{}],
  );
}

/** As the API server does. */
function selects(webhook: Webhook, namespace: string, namespaceLabels: Labels, labels: Labels): boolean {
  const all = { ...namespaceLabels, 'kubernetes.io/metadata.name': namespace };
  return (
    webhook.namespaceSelector.matchExpressions.every((requirement) => fits(requirement, all)) &&
    webhook.objectSelector.matchExpressions.every((requirement) => fits(requirement, labels))
  );
}

function fits({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  const value = labels[key];
  if (operator === 'DoesNotExist') return value === undefined;
  const isWithin = value !== undefined && values.includes(value);
  assert.ok(operator === 'In' || operator === 'NotIn', operator);
  return operator === 'In' ? isWithin : !isWithin;
}
