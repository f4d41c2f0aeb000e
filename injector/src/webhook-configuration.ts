import { TRUE_WORDS } from './injection-decision.js';
import { type InjectorConfig } from './injector-config.js';

/** How the API server finds the webhook, and what it does when it does not. */
export interface WebhookOptions {
  /** Either a Service of the cluster, or a URL outside of it. */
  readonly target:
    | {
        readonly kind: 'service';
        readonly namespace: string;
        readonly name: string;
        readonly port: number;
      }
    | { readonly kind: 'url'; readonly url: string };
  /** PEM of the roots by which the API server checks the webhook. */
  readonly roots: string;
  /** What becomes of pods while the webhook is away: refused, or made without a sidecar. Default Fail. */
  readonly failurePolicy?: 'Fail' | 'Ignore';
  /** Whether it is asked again when another webhook changed the pod after it. Default Never. */
  readonly reinvocationPolicy?: 'Never' | 'IfNeeded';
  /** 1 to 30. Default 10. */
  readonly timeoutSeconds?: number;
  /** Whether Istio's labels count as well as ours; not where Istio injects in the same cluster. Default true. */
  readonly istioLabels?: boolean;
}

interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values?: readonly string[];
}

interface Selectors {
  readonly name: string;
  readonly namespace: readonly Requirement[];
  readonly object: readonly Requirement[];
}

/** The path of the webhook. */
export const INJECT_PATH = '/inject';

const OURS = { namespace: 'heddle.dev/injection', pod: 'heddle.dev/inject', revision: 'heddle.dev/rev' };
const ISTIOS = { namespace: 'istio-injection', pod: 'sidecar.istio.io/inject', revision: 'istio.io/rev' };

/**
 * The MutatingWebhookConfiguration that makes the API server ask heddled about new pods.
 *
 * Source: Istio's four webhooks (a namespace's or a pod's word, by the injection label or by the revision), once for our
 * labels and once for Istio's. Their selectors say what `injectionSkipped` says of the labels, except that they see no
 * annotations and take an empty label for a word; of all of them at most one fits a pod, so that it is asked about once.
 */
export function webhookConfiguration(
  config: InjectorConfig,
  options: WebhookOptions,
): Readonly<Record<string, unknown>> {
  const { target, roots } = options;
  const caBundle = Buffer.from(roots).toString('base64');
  const clientConfig =
    target.kind === 'url'
      ? { url: target.url, caBundle }
      : {
          service: {
            namespace: target.namespace,
            name: target.name,
            path: INJECT_PATH,
            port: target.port,
          },
          caBundle,
        };
  const suffix = config.revision === 'default' ? '' : `-${config.revision}`;
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: {
      name: `heddle-sidecar-injector${suffix}`,
      labels: { 'app.kubernetes.io/name': 'heddled', 'heddle.dev/rev': config.revision },
    },
    webhooks: selectorsOf(config, options.istioLabels ?? true).map(({ name, namespace, object }) => ({
      name: `${name}.sidecar-injector.heddle.dev`,
      clientConfig,
      rules: [
        {
          operations: ['CREATE'],
          apiGroups: [''],
          apiVersions: ['v1'],
          resources: ['pods'],
          scope: 'Namespaced',
        },
      ],
      namespaceSelector: { matchExpressions: [...namespace, ...ignored(config, options)] },
      objectSelector: { matchExpressions: object },
      matchPolicy: 'Equivalent',
      failurePolicy: options.failurePolicy ?? 'Fail',
      reinvocationPolicy: options.reinvocationPolicy ?? 'Never',
      sideEffects: 'None',
      timeoutSeconds: options.timeoutSeconds ?? 10,
      admissionReviewVersions: ['v1'],
    })),
  };
}

function selectorsOf(config: InjectorConfig, istioLabels: boolean): readonly Selectors[] {
  const { revision } = config;
  const namespaceLabels = istioLabels ? [OURS.namespace, ISTIOS.namespace] : [OURS.namespace];
  const revisionLabels = istioLabels ? [OURS.revision, ISTIOS.revision] : [OURS.revision];
  const podLabels = istioLabels ? [OURS.pod, ISTIOS.pod] : [OURS.pod];
  const noNamespaceLabel = namespaceLabels.map(absent);
  const silent = [...noNamespaceLabel, ...revisionLabels.map(absent)];
  /** Of two labels on one object the first one counts, so the second one is looked at where there is no first. */
  const firstOf = (labels: readonly string[], label: string, requirement: Requirement): Requirement[] => [
    ...labels.slice(0, labels.indexOf(label)).map(absent),
    requirement,
  ];
  // A pod that says no by either label shall not depend on the webhook. Any other word for no is the webhook's to find.
  const notRefused = podLabels.map((label) => notIn(label, ['false']));
  const dialects = istioLabels ? [OURS, ISTIOS] : [OURS];
  const byRevision = dialects.flatMap((dialect): Selectors[] => {
    const word = dialect === OURS ? 'rev' : 'istio-rev';
    const asks = firstOf(revisionLabels, dialect.revision, within(dialect.revision, [revision]));
    return [
      { name: `${word}.namespace`, namespace: [...noNamespaceLabel, ...asks], object: notRefused },
      { name: `${word}.object`, namespace: silent, object: [...notRefused, ...asks] },
    ];
  });
  if (revision !== 'default') return byRevision;
  const noRevision = revisionLabels.map(absent);
  const byLabel = dialects.flatMap((dialect): Selectors[] => {
    const word = dialect === OURS ? '' : 'istio-';
    return [
      {
        name: `${word}namespace`,
        namespace: firstOf(namespaceLabels, dialect.namespace, within(dialect.namespace, ['enabled'])),
        object: notRefused,
      },
      {
        name: `${word}object`,
        namespace: silent,
        object: [
          ...notRefused,
          ...firstOf(podLabels, dialect.pod, within(dialect.pod, TRUE_WORDS)),
          ...noRevision,
        ],
      },
    ];
  });
  const auto: Selectors = {
    name: 'auto',
    namespace: silent,
    object: [...podLabels.map(absent), ...noRevision],
  };
  return [...byLabel, ...byRevision, ...(config.enabledByDefault ? [auto] : [])];
}

/** Namespaces that are never injected are not asked about either, and nor is the one that the webhook runs in. */
function ignored(config: InjectorConfig, { target }: WebhookOptions): readonly Requirement[] {
  const own = target.kind === 'service' ? [target.namespace] : [];
  const names = [...new Set([...config.ignoredNamespaces, ...own])];
  return names.length === 0 ? [] : [notIn('kubernetes.io/metadata.name', names)];
}

function absent(key: string): Requirement {
  return { key, operator: 'DoesNotExist' };
}

function within(key: string, values: readonly string[]): Requirement {
  return { key, operator: 'In', values };
}

function notIn(key: string, values: readonly string[]): Requirement {
  return { key, operator: 'NotIn', values };
}
