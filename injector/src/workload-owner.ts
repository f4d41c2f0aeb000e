import { type ObjectMeta, type OwnerReference } from './kubernetes-pod.js';

/** What a pod belongs to, as people know it: the Deployment, not its ReplicaSet. */
export interface WorkloadOwner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

/**
 * Finds the workload of a pod by its controller, its labels and its name.
 *
 * Source: Istio's rules: a ReplicaSet named after a `pod-template-hash` is a Deployment's, a Job whose name ends in the
 * minutes of its start is a CronJob's, a ReplicationController of a `deploymentconfig` is a DeploymentConfig's.
 */
export function workloadOwnerOf(metadata: ObjectMeta): WorkloadOwner {
  const controller = (metadata.ownerReferences ?? []).find(({ controller }) => controller === true);
  if (controller !== undefined) return ownerOfController(controller, metadata.labels ?? {});
  // A pod by itself; of one that is still without a name the name's beginning is known.
  const name = metadata.name || (metadata.generateName ?? '').replace(/-$/, '');
  return { apiVersion: 'v1', kind: 'Pod', name };
}

function ownerOfController(
  { apiVersion = '', kind = '', name = '' }: OwnerReference,
  labels: Readonly<Record<string, string>>,
): WorkloadOwner {
  const hash = labels['pod-template-hash'];
  if (kind === 'ReplicaSet' && hash !== undefined && hash !== '' && name.endsWith(`-${hash}`)) {
    const deployment = name.slice(0, -hash.length - 1);
    // Argo's Rollouts own their ReplicaSets the same way, and mark their pods.
    if (labels['rollouts-pod-template-hash'] !== undefined) {
      return { apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', name: deployment };
    }
    return { apiVersion, kind: 'Deployment', name: deployment };
  }
  const deploymentConfig = labels['deploymentconfig'];
  if (kind === 'ReplicationController' && deploymentConfig && name.startsWith(`${deploymentConfig}-`)) {
    return { apiVersion: 'apps.openshift.io/v1', kind: 'DeploymentConfig', name: deploymentConfig };
  }
  const cronJob = kind === 'Job' ? /^(.+)-\d{8,10}$/.exec(name)?.[1] : undefined;
  if (cronJob !== undefined) return { apiVersion, kind: 'CronJob', name: cronJob };
  return { apiVersion, kind, name };
}

/**
 * The canonical service's name and revision, which metrics are grouped by.
 * Source: Istio's labels `service.istio.io/canonical-name` and `canonical-revision` and their fallbacks.
 */
export function canonicalService(
  labels: Readonly<Record<string, string>>,
  owner: WorkloadOwner,
): { readonly name: string; readonly revision: string } {
  const first = (...names: readonly string[]): string | undefined =>
    names.map((name) => labels[name]).find((value) => value !== undefined && value !== '');
  return {
    name: labelValue(first('service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app') ?? owner.name),
    revision:
      first('service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version') ?? 'latest',
  };
}

/** A workload's name may be longer than a label's value, 63, and must end in a letter or digit there. */
function labelValue(text: string): string {
  return text.slice(0, 63).replace(/[^A-Za-z0-9]+$/, '');
}
