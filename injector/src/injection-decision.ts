import { type InjectorConfig } from './injector-config.js';
import { type Pod } from './kubernetes-pod.js';

/** Why a pod is left as it is. */
export type SkipReason =
  | 'host-network'
  | 'windows'
  | 'mirror-pod'
  | 'ignored-namespace'
  | 'namespace-disabled'
  | 'pod-disabled'
  | 'not-enabled'
  | 'other-revision'
  | 'already-injected'
  | 'other-mesh';

/** A reason with the fact that it rests on, for people. */
export interface Skipped {
  readonly reason: SkipReason;
  readonly detail: string;
}

/** Where a pod comes to live. */
export interface InjectionContext {
  /** Default: the pod's own `metadata.namespace`, else `default`. */
  readonly namespace?: string;
  /**
   * The namespace's labels. Undefined where whoever calls has decided for the namespace already, as the API server
   * has by the webhook's selectors, and as a user has who injects a file.
   */
  readonly namespaceLabels?: Readonly<Record<string, string>>;
  /** The webhook's selectors fitted, so that the pod's revision is looked at already. Default false. */
  readonly isSelected?: boolean;
}

/** The annotation that says what was injected; a pod that has it is never injected again. */
export const STATUS_ANNOTATION = 'heddle.dev/status';

const INJECT_NAMES = ['heddle.dev/inject', 'sidecar.istio.io/inject'] as const;
/** How a pod says that it wants to be injected. Any other word says no. */
export const TRUE_WORDS: readonly string[] = ['true', 'yes', 'y', 'on'];
const REVISION_NAMES = ['heddle.dev/rev', 'istio.io/rev'] as const;
const NAMESPACE_NAMES = ['heddle.dev/injection', 'istio-injection'] as const;

/**
 * Decides whether a pod is injected.
 *
 * Source: Istio's precedence: whoever says no wins, then whoever says yes, namespace or pod, then the mesh's default;
 * a pod's label counts before its annotation; `istio-injection` on a namespace counts before `istio.io/rev`. Of a name
 * of ours and one of Istio's on the same object, ours counts.
 */
export function injectionSkipped(
  pod: Pod,
  context: InjectionContext,
  config: InjectorConfig,
): Skipped | undefined {
  const metadata = pod.metadata ?? {};
  const namespace = namespaceOf(pod, context);
  if (Object.hasOwn(metadata.annotations ?? {}, STATUS_ANNOTATION)) {
    return skipped('already-injected', `annotation ${STATUS_ANNOTATION} is there`);
  }
  if (pod.spec.hostNetwork === true) {
    return skipped('host-network', 'spec.hostNetwork: interception would catch the whole node');
  }
  if (pod.spec.os?.name === 'windows')
    return skipped('windows', 'spec.os.name: Linux pods alone are injected');
  if (Object.hasOwn(metadata.annotations ?? {}, 'kubernetes.io/config.mirror')) {
    return skipped(
      'mirror-pod',
      "annotation kubernetes.io/config.mirror: a static pod's copy cannot be changed",
    );
  }
  if (config.ignoredNamespaces.includes(namespace)) {
    return skipped('ignored-namespace', `namespace ${namespace} is never injected`);
  }
  return skippedByLabels(metadata, context, config) ?? ofOtherMesh(pod);
}

/** The namespace that a pod comes to live in. */
export function namespaceOf(pod: Pod, context: InjectionContext): string {
  return context.namespace || pod.metadata?.namespace || 'default';
}

function skippedByLabels(
  metadata: NonNullable<Pod['metadata']>,
  { namespaceLabels, isSelected = false }: InjectionContext,
  config: InjectorConfig,
): Skipped | undefined {
  const onPod = firstOf(metadata.labels, INJECT_NAMES) ?? firstOf(metadata.annotations, INJECT_NAMES);
  if (onPod !== undefined && !TRUE_WORDS.includes(onPod.value)) {
    return skipped('pod-disabled', `${onPod.name} on the pod is ${JSON.stringify(onPod.value)}`);
  }
  // Labels alone, as the webhook's selectors see no annotation.
  const podRevision = firstOf(metadata.labels, REVISION_NAMES);
  const onNamespace = firstOf(namespaceLabels, NAMESPACE_NAMES);
  if (onNamespace?.value === 'disabled') {
    return skipped('namespace-disabled', `${onNamespace.name} on the namespace is "disabled"`);
  }
  if (namespaceLabels === undefined) {
    return isSelected || podRevision === undefined || podRevision.value === config.revision
      ? undefined
      : otherRevision(podRevision, 'pod');
  }
  if (onNamespace?.value === 'enabled') {
    return config.revision === 'default'
      ? undefined
      : skipped('other-revision', `${onNamespace.name} on the namespace asks for the revision "default"`);
  }
  const namespaceRevision = firstOf(namespaceLabels, REVISION_NAMES);
  if (namespaceRevision !== undefined) {
    return namespaceRevision.value === config.revision
      ? undefined
      : otherRevision(namespaceRevision, 'namespace');
  }
  if (podRevision !== undefined) {
    return podRevision.value === config.revision ? undefined : otherRevision(podRevision, 'pod');
  }
  // A revision that is not the default one serves those alone that name it.
  if (config.revision === 'default' && (onPod !== undefined || config.enabledByDefault)) return undefined;
  return skipped('not-enabled', 'neither the namespace nor the pod asks for it');
}

/** Two meshes would each intercept what the other one sends. */
function ofOtherMesh(pod: Pod): Skipped | undefined {
  const containers = [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])];
  const found = containers.find(({ name }) => name === 'istio-proxy' || name === 'linkerd-proxy');
  return found && skipped('other-mesh', `container ${found.name}: the pod is part of another mesh already`);
}

function otherRevision(asked: { readonly name: string; readonly value: string }, where: string): Skipped {
  return skipped('other-revision', `${asked.name} on the ${where} asks for the revision ${asked.value}`);
}

function firstOf(
  values: Readonly<Record<string, string>> | null | undefined,
  names: readonly string[],
): { readonly name: string; readonly value: string } | undefined {
  for (const name of names) {
    // An empty value says nothing, as in Istio.
    const value = values !== null && values !== undefined && Object.hasOwn(values, name) ? values[name] : '';
    if (value !== undefined && value !== '') return { name, value };
  }
  return undefined;
}

function skipped(reason: SkipReason, detail: string): Skipped {
  return Object.freeze({ reason, detail });
}
