import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { injectionSkipped, type SkipReason } from './injection-decision.js';
import { createInjectorConfig, type InjectorOptions } from './injector-config.js';
import { type Pod } from './kubernetes-pod.js';

interface Case {
  /** The namespace's labels; absent: decided already. */
  readonly namespace?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly config?: Partial<InjectorOptions>;
  /** Undefined: injected. */
  readonly reason?: SkipReason;
}

const on = { 'istio-injection': 'enabled' };
const off = { 'istio-injection': 'disabled' };
const yes = { 'sidecar.istio.io/inject': 'true' };
const no = { 'sidecar.istio.io/inject': 'false' };

const cases: Readonly<Record<string, Case>> = {
  'a pod of an enabled namespace is': { namespace: on },
  'a pod of a disabled namespace is not': { namespace: off, reason: 'namespace-disabled' },
  'a pod that asks in a disabled namespace is not': {
    namespace: off,
    labels: yes,
    reason: 'namespace-disabled',
  },
  'a pod that refuses in an enabled namespace is not': { namespace: on, labels: no, reason: 'pod-disabled' },
  'a pod of a namespace that says nothing is not': { namespace: {}, reason: 'not-enabled' },
  'a pod that asks in a namespace that says nothing is': { namespace: {}, labels: yes },
  'a pod of a namespace that says nothing is, where the mesh says so': {
    namespace: {},
    config: { enabledByDefault: true },
  },
  'a label counts before an annotation': { labels: yes, annotations: no },
  'an annotation alone counts': { annotations: no, reason: 'pod-disabled' },
  'an empty label says nothing': { namespace: on, labels: { 'sidecar.istio.io/inject': '' } },
  'a value that means neither is a no': {
    labels: { 'sidecar.istio.io/inject': 'True' },
    reason: 'pod-disabled',
  },
  'yes, y and on are a yes': { namespace: {}, labels: { 'sidecar.istio.io/inject': 'on' } },
  'our label counts before Istio’s': {
    labels: { ...yes, 'heddle.dev/inject': 'false' },
    reason: 'pod-disabled',
  },
  'our label on a namespace counts before Istio’s': {
    namespace: { ...on, 'heddle.dev/injection': 'disabled' },
    reason: 'namespace-disabled',
  },
  'a namespace of another revision is not': {
    namespace: { 'istio.io/rev': 'canary' },
    reason: 'other-revision',
  },
  'a namespace of this revision is': {
    namespace: { 'istio.io/rev': 'canary' },
    config: { revision: 'canary' },
  },
  'istio-injection on a namespace counts before its revision': {
    namespace: { ...on, 'istio.io/rev': 'canary' },
  },
  'a revision of its own does not serve namespaces that ask for the default one': {
    namespace: on,
    config: { revision: 'canary' },
    reason: 'other-revision',
  },
  'a pod of another revision is not': {
    namespace: {},
    labels: { ...yes, 'istio.io/rev': 'canary' },
    reason: 'other-revision',
  },
  'a pod of this revision is': {
    namespace: {},
    labels: { 'istio.io/rev': 'canary' },
    config: { revision: 'canary' },
  },
  'a revision of its own does not serve pods that name none': {
    namespace: {},
    labels: yes,
    config: { revision: 'canary', enabledByDefault: true },
    reason: 'not-enabled',
  },
};

describe('injectionSkipped', () => {
  for (const [title, { namespace, labels, annotations, config, reason }] of Object.entries(cases)) {
    it(`follows Istio's precedence: ${title}`, () => {
      const pod = podWith({ metadata: { labels: labels ?? {}, annotations: annotations ?? {} } });
      const context = namespace === undefined ? {} : { namespaceLabels: namespace };
      const skipped = injectionSkipped(pod, context, createInjectorConfig({ image: 'x', ...config }));
      assert.equal(skipped?.reason, reason, skipped?.detail);
    });
  }

  it('never injects the system’s namespaces, by the request’s namespace first', () => {
    const config = createInjectorConfig({ image: 'x' });
    const pod = podWith({ metadata: { namespace: 'shop', labels: yes } });
    assert.equal(injectionSkipped(pod, { namespace: 'kube-system' }, config)?.reason, 'ignored-namespace');
    assert.equal(injectionSkipped(pod, {}, config), undefined);
  });

  it('never injects twice, nor beside another mesh', () => {
    const config = createInjectorConfig({ image: 'x' });
    const injected = podWith({ metadata: { annotations: { 'heddle.dev/status': '{}' } } });
    assert.equal(injectionSkipped(injected, {}, config)?.reason, 'already-injected');
    const other = podWith({
      spec: { containers: [{ name: 'a' }], initContainers: [{ name: 'linkerd-proxy' }] },
    });
    assert.equal(injectionSkipped(other, {}, config)?.reason, 'other-mesh');
  });
});

function podWith(parts: Partial<Pod>): Pod {
  return { spec: { containers: [{ name: 'web' }] }, ...parts };
}
