import type { KubeObject } from './kube-api.js';

interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Named[];
  readonly [field: string]: unknown;
}

interface Named {
  readonly name: string;
}

interface Container extends Named {
  readonly volumeMounts?: readonly Named[];
  readonly [field: string]: unknown;
}

/** The volume that the API server gives each pod, for the token of its service account. */
const TOKEN = /^kube-api-access-[a-z0-9]{5}$/;

/** A pod as a controller would send it: without what the API server and the scheduler add. */
export function podAsSent(pod: KubeObject): KubeObject {
  const { name, generateName, labels, annotations, ownerReferences } = pod.metadata;
  const { nodeName: _nodeName, ...spec } = withoutToken(pod.spec as PodSpec);
  const named = generateName === undefined ? { name } : { generateName };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: definedFields({ ...named, labels, annotations, ownerReferences }) as KubeObject['metadata'],
    spec,
  };
}

/** What two pods that are the same have in common: labels, annotations and everything of the spec, ids left out. */
export function normalPod(pod: KubeObject): unknown {
  const { labels, annotations, ownerReferences, uid } = pod.metadata;
  const { nodeName: _nodeName, ...spec } = withoutToken(pod.spec as PodSpec);
  const text = JSON.stringify({ labels: labels ?? {}, annotations: annotations ?? {}, spec });
  const ids = [uid, ...(ownerReferences ?? []).map((owner) => owner.uid)].filter((id) => id !== undefined);
  return JSON.parse(ids.reduce((all, id) => all.replaceAll(id, 'UID'), text));
}

function withoutToken(spec: PodSpec): PodSpec {
  const bare = (containers: readonly Container[]): readonly Container[] =>
    containers.map((container) => {
      const mounts = (container.volumeMounts ?? []).filter(({ name }) => !TOKEN.test(name));
      const { volumeMounts: _mounts, ...rest } = container;
      return mounts.length === 0 ? rest : { ...rest, volumeMounts: mounts };
    });
  const volumes = (spec.volumes ?? []).filter(({ name }) => !TOKEN.test(name));
  const { volumes: _volumes, ...rest } = spec;
  return {
    ...rest,
    ...(volumes.length === 0 ? {} : { volumes }),
    containers: bare(spec.containers),
    ...(spec.initContainers === undefined ? {} : { initContainers: bare(spec.initContainers) }),
  };
}

function definedFields(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
